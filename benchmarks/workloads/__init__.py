"""Bodies of functions that are served and measured: modules with `handler(event, context)`."""
