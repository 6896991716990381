"""A function that has used every source of randomness, and of names, before there are instances."""

from __future__ import annotations

import importlib
import os
import random
import ssl
import tempfile
import threading
import uuid

import numpy as np

tell = importlib.import_module("odd").tell

random.random()
np.random.random()
ssl.RAND_bytes(8)
uuid.uuid1()
uuid.uuid4()
next(tempfile._get_candidate_names())  # type: ignore[attr-defined]

if "AETHER_TEST_THREAD" in os.environ:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
