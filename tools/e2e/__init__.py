"""An HTTP endpoint under load, whoever runs it: ``python -m tools.e2e --target URL``

`plan` says what is asked, `answers` judges what comes, `measuring` sends, `results` and `shown`
tell what came.
"""
