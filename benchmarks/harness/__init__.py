"""The instruments: clock, sampler, statistics, fresh pinned processes."""
