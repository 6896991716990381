"""What the project promises, measured: ``python -m tools.performance``.

`goals` is the table of them, `evaluate` holds results against it.
"""
