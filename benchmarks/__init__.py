"""The suites that asv runs, and what they are made of."""

import os
import sys

# Measuring ends with the asv that asked for it, however that ends. asv itself has asv_runner, too.
if "asv_runner" in sys.modules and "asv" not in sys.modules:
    from benchmarks.harness.processes import die_with_parent

    die_with_parent(os.getppid())
    if "run_server" in sys.argv:  # which forks for each result, and a fork asks anew
        os.register_at_fork(after_in_child=lambda: die_with_parent(os.getppid()))
