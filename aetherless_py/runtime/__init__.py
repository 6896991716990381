"""Serving functions: configuration, instances in service, and who starts and ends them when."""
