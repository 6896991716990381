"""What people run."""

import importlib.util
import sys
from types import TracebackType


def _interrupted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """As `sys.excepthook`: to be interrupted is no error, also while a command is imported."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _interrupted
if importlib.util.find_spec("rich") is None:
    print("tools: run `make build` first, then use .venv/bin/python", file=sys.stderr)
    sys.exit(2)
