"""The goals, measured: ``python -m tools.performance PART``; a file a part."""
