"""Runtimes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.up import Up

Start = Callable[..., Up]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Start]:
    """Starts a runtime: its functions' descriptions, and options of the orchestrator."""
    with ExitStack() as stack:

        def start(*functions: dict[str, Any], **orchestrator: Any) -> Up:
            folder = tmp_path / f"runtime-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(Up(folder, list(functions), orchestrator))

        yield start
