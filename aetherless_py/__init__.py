"""Aetherless in Python: the serverless runtime whose claims the benchmarks put to the test."""

__version__ = "0.1.0"
