"""The published pages load their libraries from vendored copies, not from the internet.

JavaScript that would fetch from elsewhere while it runs is not looked for: asv's own does not.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

# A copy lies where its address says; VENDOR.md says where each comes from.
VENDOR_DIR = Path(__file__).resolve().parent / "vendor"

# An <a> loads nothing: it is a link to follow.
_LOAD = re.compile(
    r"""(?:<(?!a\b)[^>]*?\s(?:src|href)=["']?|url\(\s*["']?|@import\s+["'])"""
    r"""((?:https?:)?//[^\s"')>]+)""",
    re.IGNORECASE,
)
# With what a browser checks of a file from elsewhere: our copies are not that, nor the same bytes.
_ADDRESS = re.compile(r'"https://([^"]+)"((?:\s(?:integrity|crossorigin|referrerpolicy)="[^"]*")*)')


def remote_loads(html_dir: Path) -> list[tuple[str, str]]:
    """What pages and style sheets would load from elsewhere: (file in html_dir, address)."""
    return [
        (path.relative_to(html_dir).as_posix(), url)
        for path in sorted(html_dir.rglob("*"))
        if path.suffix in (".html", ".css")
        for url in _LOAD.findall(path.read_text(encoding="utf-8"))
    ]


def make_offline(html_dir: Path, warn: Callable[[str], object]) -> None:
    """Copies the vendored files to html_dir/vendor and points all pages in html_dir at them.

    Args:
        html_dir: the published pages.
        warn: told of each address that has no vendored copy; it is left as it is.
    """
    copies = shutil.copytree(VENDOR_DIR, html_dir / "vendor", dirs_exist_ok=True)

    for path in html_dir.rglob("*.html"):
        to_copies = Path(os.path.relpath(copies, path.parent)).as_posix()

        def local(found: re.Match[str], to_copies: str = to_copies) -> str:
            return f'"{to_copies}/{found[1]}"' if (copies / found[1]).is_file() else found[0]

        page = path.read_text(encoding="utf-8")
        path.write_text(_ADDRESS.sub(local, page), encoding="utf-8")
    for name, url in remote_loads(html_dir):
        warn(f"{name} loads {url}, of which there is no vendored copy: left as it is")
