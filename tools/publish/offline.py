"""The published pages load their libraries from vendored copies, not from the internet.

JavaScript that would fetch from elsewhere while it runs is not looked for: asv's own does not.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

VENDOR_DIR = Path(__file__).resolve().parent / "vendor"

_CDNJS = "https://cdnjs.cloudflare.com/ajax/libs"
_JSDELIVR = "https://cdn.jsdelivr.net/npm"
# What asv 0.6.6 loads, and the vendored copy. VENDOR.md says where each copy comes from.
VENDORED: Mapping[str, str] = {
    "https://code.jquery.com/jquery-3.3.1.min.js": "jquery/jquery.min.js",
    f"{_CDNJS}/flot/0.8.3/jquery.flot.min.js": "flot/jquery.flot.js",
    f"{_CDNJS}/flot/0.8.3/jquery.flot.time.min.js": "flot/jquery.flot.time.js",
    f"{_CDNJS}/flot/0.8.3/jquery.flot.selection.min.js": "flot/jquery.flot.selection.js",
    f"{_CDNJS}/flot/0.8.3/jquery.flot.categories.min.js": "flot/jquery.flot.categories.js",
    f"{_JSDELIVR}/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js": (
        "flot-orderbars/jquery.flot.orderBars.js"
    ),
    f"{_CDNJS}/stupidtable/1.0.1/stupidtable.min.js": "stupid-table-plugin/stupidtable.min.js",
    f"{_CDNJS}/blueimp-md5/2.19.0/js/md5.min.js": "blueimp-md5/md5.min.js",
    f"{_JSDELIVR}/bootstrap@3.1.1/dist/js/bootstrap.min.js": "bootstrap/js/bootstrap.min.js",
    f"{_JSDELIVR}/bootstrap@3.1.1/dist/css/bootstrap.min.css": "bootstrap/css/bootstrap.min.css",
}

_LOADING_TAG = re.compile(r"<(?:script|link|img|iframe|source|style)\b[^>]*>", re.IGNORECASE)
_ADDRESS = re.compile(r"""(?<=\s)(src|href)=(["']?)((?:https?:)?//[^\s"'>]+)\2""", re.IGNORECASE)
# What a browser checks of a file from elsewhere: our copies are not that, nor the same bytes.
_CHECKS = re.compile(r"""\s(?:integrity|crossorigin|referrerpolicy)=(?:"[^"]*"|'[^']*')""", re.I)
_CSS_LOAD = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""", re.I)


def remote_loads(html_dir: Path) -> list[tuple[str, str]]:
    """What pages and style sheets would load from elsewhere: (file in html_dir, address)."""
    return [
        (path.relative_to(html_dir).as_posix(), url)
        for path in _files(html_dir, ".html", ".css")
        for text in [path.read_text(encoding="utf-8")]
        for url in [
            *(found[3] for tag in _LOADING_TAG.findall(text) for found in _ADDRESS.finditer(tag)),
            *_CSS_LOAD.findall(text),
        ]
    ]


def make_offline(
    html_dir: Path,
    warn: Callable[[str], object],
    vendor_dir: Path = VENDOR_DIR,
    vendored: Mapping[str, str] = VENDORED,
) -> None:
    """Copies the vendored files to html_dir/vendor and points all pages in html_dir at them.

    Args:
        html_dir: the published pages.
        warn: told of each address that has no vendored copy; it is left as it is.
        vendor_dir: where the copies are.
        vendored: which file of it stands for which address.
    """
    copies = shutil.copytree(vendor_dir, html_dir / "vendor", dirs_exist_ok=True)

    for path in _files(html_dir, ".html"):
        to_copies = Path(os.path.relpath(copies, path.parent)).as_posix()

        def local(tag: re.Match[str], to_copies: str = to_copies) -> str:
            found = _ADDRESS.search(tag[0])
            copy = found and vendored.get(found[3])
            if not found or not copy or not (copies / copy).is_file():
                return tag[0]
            there = tag[0].replace(found[0], f'{found[1]}="{to_copies}/{copy}"')
            return _CHECKS.sub("", there)

        page = path.read_text(encoding="utf-8")
        path.write_text(_LOADING_TAG.sub(local, page), encoding="utf-8")
    for name, url in remote_loads(html_dir):
        warn(f"{name} loads {url}, of which there is no vendored copy: left as it is")


def _files(html_dir: Path, *suffixes: str) -> Iterator[Path]:
    return (path for path in sorted(html_dir.rglob("*")) if path.suffix in suffixes)
