"""The suites that asv runs, and what they are made of."""

import os
import sys

# Measuring ends with the asv that asked for it, however that ends.
if "asv_runner" in sys.modules:
    from benchmarks.harness.processes import die_with_parent

    die_with_parent(os.getppid())
    # The request ends with a fork, and asv's server forks for each result.
    os.register_at_fork(after_in_child=lambda: die_with_parent(os.getppid()))
