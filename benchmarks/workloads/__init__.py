"""Bodies of functions that are served and measured: modules with `handler(event, context)`.

`registry` holds what the measuring side needs of them; docs/workloads.md has them in a table.
Nothing is imported here: each instance of a function would pay for it.
"""
