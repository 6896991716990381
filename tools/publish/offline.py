"""An asv plugin: the published pages load their libraries from vendored copies.

In asv.conf.json: "plugins": [".tools.publish.offline"]. The leading dot makes asv import
`tools.publish.offline` with the current directory (that of asv.conf.json) first on sys.path.

asv copies its page template into html_dir before any publisher runs and writes only JSON
afterwards, so a publisher sees every page, and may change it. JavaScript that would fetch from
elsewhere while it runs is not looked for: asv's own does not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

from asv.console import log
from asv.publishing import OutputPublisher

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

# The attributes by which an element loads something. A link does so only for some of its
# relations; an anchor never does.
_LOADS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "link": ("href", "imagesrcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "audio": ("src",),
    "video": ("src", "poster"),
    "track": ("src",),
    "input": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
_LOADING_RELATIONS = frozenset(
    {
        "stylesheet",
        "icon",
        "apple-touch-icon",
        "preload",
        "modulepreload",
        "prefetch",
        "preconnect",
        "dns-prefetch",
        "manifest",
    }
)
_REMOTE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_CSS_LOAD = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])\s*((?:https?:)?//[^"')\s]+)""", re.I)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_ATTRIBUTE = re.compile(r"""\s+([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'=<>`]+))?""")


class _Load(NamedTuple):
    """A remote load: where its start tag is, how it reads, the attribute and the address.

    The attribute is empty where the address is in CSS or one of several.
    """

    start: int
    tag: str
    attribute: str
    url: str


class _Finder(HTMLParser):
    """Finds the remote loads of a page; those in comments and scripts' text do not count."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[_Load] = []
        self._line_starts = [0, *(m.end() for m in re.finditer("\n", page))]
        self._style = False
        self.feed(page)
        self.close()

    def _add(self, attribute: str, url: str) -> None:
        line, column = self.getpos()
        tag = self.get_starttag_text() or ""
        self.loads.append(_Load(self._line_starts[line - 1] + column, tag, attribute, url))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        values = {key: value or "" for key, value in reversed(attrs)}
        for url in _CSS_LOAD.findall(values.get("style", "")):
            self._add("", url)
        if tag == "link" and not _LOADING_RELATIONS & set(values.get("rel", "").lower().split()):
            return
        for attribute in _LOADS.get(tag, ()):
            value = values.get(attribute, "")
            if attribute.endswith("srcset"):
                for url in value.replace(",", " ").split():
                    if _REMOTE.match(url):
                        self._add("", url)
            elif _REMOTE.match(value):
                self._add(attribute, value.strip())

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            for url in _CSS_LOAD.findall(_CSS_COMMENT.sub("", data)):
                self._add("", url)


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _files(html_dir: Path, *suffixes: str) -> Iterator[Path]:
    return (p for p in sorted(html_dir.rglob("*")) if p.suffix.lower() in suffixes and p.is_file())


def remote_loads(html_dir: Path) -> list[tuple[str, str]]:
    """What pages and style sheets would load from elsewhere: (file in html_dir, address)."""
    found = []
    for path in _files(html_dir, ".html", ".htm", ".css"):
        text = _read(path)
        if path.suffix.lower() == ".css":
            urls = _CSS_LOAD.findall(_CSS_COMMENT.sub("", text))
        else:
            urls = [load.url for load in _Finder(text).loads]
        found += [(path.relative_to(html_dir).as_posix(), url) for url in urls]
    return found


def integrity_holds(integrity: str, content: bytes) -> bool:
    """Whether a browser would accept content: any digest of the strongest algorithm given."""
    digests: dict[str, list[bytes]] = {}
    for item in integrity.split():
        algorithm, _, encoded = item.partition("?")[0].partition("-")
        if algorithm in ("sha256", "sha384", "sha512"):
            try:
                digests.setdefault(algorithm, []).append(base64.b64decode(encoded))
            except binascii.Error:
                digests.setdefault(algorithm, [])
    if not digests:
        return True
    strongest = max(digests)
    return hashlib.new(strongest, content).digest() in digests[strongest]


def _local_tag(load: _Load, local: str, content: bytes) -> str:
    """The start tag with the local address, without an integrity that no longer holds."""
    attributes = {m[1].lower(): (m[2] or "").strip("\"'") for m in _ATTRIBUTE.finditer(load.tag)}
    holds = integrity_holds(attributes.get("integrity", ""), content)

    def replace(match: re.Match[str]) -> str:
        name = match[1].lower()
        if name == load.attribute:
            return f' {match[1]}="{local}"'
        if name in ("integrity", "crossorigin") and not holds:
            return ""
        return match[0]

    return _ATTRIBUTE.sub(replace, load.tag)


def make_offline(
    html_dir: Path,
    warn: Callable[[str], object],
    vendor_dir: Path = VENDOR_DIR,
    vendored: Mapping[str, str] = VENDORED,
) -> int:
    """Copy the vendored files to html_dir/vendor and point the pages at them.

    Returns how many addresses were replaced. One that has no vendored copy is left as it is,
    with a warning.
    """
    shutil.copytree(vendor_dir, html_dir / "vendor", dirs_exist_ok=True)
    replaced = 0
    for path in _files(html_dir, ".html", ".htm"):
        page = text = _read(path)
        # From the last to the first, so that the positions before stay right.
        for load in reversed(_Finder(page).loads):
            copy = html_dir / "vendor" / vendored.get(load.url, "")
            if not load.attribute or not copy.is_file():
                continue
            local = Path(os.path.relpath(copy, path.parent)).as_posix()
            end = load.start + len(load.tag)
            text = text[: load.start] + _local_tag(load, local, copy.read_bytes()) + text[end:]
            replaced += 1
        if text != page:
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, url in remote_loads(html_dir):
        warn(f"{name} loads {url}, of which there is no vendored copy: left as it is")
    return replaced


class OfflinePublisher(OutputPublisher):  # type: ignore[misc]
    """Runs last. It has no name and no label: asv's page shows tabs only for its own pages."""

    name = None
    button_label = None
    description = None
    order = math.inf

    @classmethod
    def publish(
        cls, conf: Any, repo: object, benchmarks: object, graphs: object, revisions: object
    ) -> None:
        replaced = make_offline(Path(conf.html_dir), log.warning)
        log.info(f"{replaced} addresses now point to vendored copies")
