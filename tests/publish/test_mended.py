"""What asv's own page files leave wanting is still there, and is put right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("asv")

import asv

from tools.publish import mended, offline

TEMPLATES = Path(asv.__file__).parent / "www"


@pytest.fixture
def html_dir(tmp_path: Path) -> Path:
    html = Path(shutil.copytree(TEMPLATES, tmp_path / "html"))
    offline.make_offline(html, pytest.fail)
    shutil.copytree(TEMPLATES, html / "study")
    return html


def test_each_fault_is_in_its_file_and_is_put_right(html_dir: Path) -> None:
    for each in mended.MENDED:
        [found, *_] = html_dir.rglob(each["file"])
        assert each["fault"] in found.read_text("utf-8")
    mended.mend(html_dir)
    for each in mended.MENDED:
        for path in html_dir.rglob(each["file"]):
            text = path.read_text("utf-8")
            assert each["right"] in text
            # What is left of the fault is within what it was replaced by.
            assert text.count(each["fault"]) == each["right"].count(each["fault"]) * text.count(
                each["right"] or each["fault"]
            )
    for sheet in (html_dir / "asv.css", html_dir / "study" / "asv.css"):
        assert sheet.read_text("utf-8") == (
            (TEMPLATES / "asv.css").read_text("utf-8") + mended.STYLE
        )


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js to read scripts")
def test_what_is_put_right_is_javascript(html_dir: Path) -> None:
    mended.mend(html_dir)
    for name in {each["file"] for each in mended.MENDED}:
        [script, *_] = html_dir.rglob(name)
        checked = subprocess.run(["node", "--check", script], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
