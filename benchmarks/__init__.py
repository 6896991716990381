"""The asv suites and their instruments."""
