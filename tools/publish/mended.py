"""What asv's own page files leave wanting, put right in the published ones."""

from __future__ import annotations

import tomllib
from pathlib import Path

_HERE = Path(__file__).parent
MENDED = tomllib.loads((_HERE / "mended.toml").read_text(encoding="utf-8"))["mended"]
STYLE = (_HERE / "mended.css").read_text(encoding="utf-8")


def mend(html_dir: Path) -> None:
    """Puts right the published files in a folder and those below it, once."""
    for each in MENDED:
        for path in html_dir.rglob(each["file"]):
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(each["fault"], each["right"]), encoding="utf-8")
    for path in html_dir.rglob("asv.css"):
        path.write_text(path.read_text(encoding="utf-8") + STYLE, encoding="utf-8")
