"""Making a copied process its own: what forks and restores must not share with their siblings.

After a fork Python's own handlers have run (`random` reseeds itself, locks are new, OpenSSL notices
the fork). After a restore nobody has told anybody; `after_restore` makes up for it. The seed of
`hash()` and generators that the function made itself stay those of the template: a function that
needs them apart makes them anew, or registers with `os.register_at_fork`, which is honoured after a
restore as well, unless the function has threads: those are restored, and the handlers are not run.
"""

from __future__ import annotations

import os
import sys


def become(instance_id: str, mode: str) -> None:
    """Gives this process its id, and its own seeds where Python's handlers do not."""
    os.environ["AETHER_INSTANCE_ID"] = instance_id
    os.environ["AETHER_START_MODE"] = mode
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()


def after_restore() -> None:
    """What `os.fork` sees to, for a process whose id and memory are those of its image."""
    from aetherless_py.start import process

    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        process.run_after_fork()
    elif random := sys.modules.get("random"):
        # The handlers would declare dead the threads that were restored with the process.
        random.seed()
    # Two instances of one image have the same process id, by which these would notice a fork.
    if ssl := sys.modules.get("_ssl"):
        ssl.RAND_add(os.urandom(64), 64.0)
    if tempfile := sys.modules.get("tempfile"):
        vars(tempfile)["_name_sequence"] = None
