"""An HTTP endpoint under load, whoever runs it: ``python -m tools.e2e --target URL``

`options` says what is asked, `target` where, `answers` judges what comes, `measuring` sends,
`results` and `shown` tell what came.
"""
