"""The bar of a sitting: what was said last, whole lines only, and each sitting by itself."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from tools import sitting_bar as module
from tools.sitting_bar import show, sitting_bar


def test_it_shows_what_was_said_last(tmp_path: Path) -> None:
    told = tmp_path / "told"
    bar = Progress(console=Console(file=io.StringIO()))
    row = bar.add_task("", total=None, visible=False)
    task = bar.tasks[row]
    show(bar, row, told)
    assert not task.visible
    told.write_text("0 8 warm_noop")
    show(bar, row, told)
    assert not task.visible  # no whole line yet
    told.write_text("0 8 warm_noop\n3 8 chain_2\n4 8 half a li")
    show(bar, row, told)
    assert (task.completed, task.total, task.description, task.visible) == (3, 8, "chain_2", True)
    told.write_text("3 8 chain_2\n8 8 measured\n")
    show(bar, row, told)
    assert not task.visible
    told.write_text("8 8 measured\n1 40 another sitting\n")
    show(bar, row, told)
    assert (task.completed, task.total, task.visible) == (1, 40, True)


def test_it_follows_while_it_is_open(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with Progress(console=Console(file=io.StringIO())) as bar:
        with sitting_bar(bar, told):
            told.write_text("2 4 it\n")
            until = time.monotonic() + 60
            while bar.tasks[0].completed != 2 and time.monotonic() < until:
                time.sleep(0.01)
            assert bar.tasks[0].visible
        assert bar.tasks[0].completed == 2 and not bar.tasks[0].visible


@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_has_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setattr(module, "LINE_S", 0.01)
    told, written = tmp_path / "told", io.StringIO()
    told.write_text("2 4 it\n")
    line = "2 of 4 measured: it"
    bar = Progress(console=Console(file=written, force_terminal=terminal))
    with bar, sitting_bar(bar, told):
        until = time.monotonic() + 60
        while line not in written.getvalue() and time.monotonic() < until:
            if terminal and bar.tasks[0].completed == 2:
                break
            time.sleep(0.01)
    assert (line in written.getvalue()) is not terminal
