"""The function inside granian: what it imports as its application; `AETHER_HANDLER` names it."""

from __future__ import annotations

import os

from asgi import application  # type: ignore[import-not-found]

app = application(os.environ["AETHER_HANDLER"])
