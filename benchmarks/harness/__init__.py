"""The instruments: clock, sampler, statistics, fresh pinned processes, run records.

They know nothing of what they measure; suites hand them an operation or the name of a function.
"""
