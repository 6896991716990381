"""The experiments of the end-to-end category; whatever is put here is measured.

An experiment's file holds its trials and the classes of its questions (`base._Experiment`). The
names of these begin with an underscore: `benchmarks/e2e_latency.py` shows them to asv without it.
Modules that begin with one are what several experiments share.
"""
