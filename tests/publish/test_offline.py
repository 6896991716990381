"""The published pages load nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("asv")

import asv

from tools.publish import offline

TEMPLATES = Path(asv.__file__).parent / "www"
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| `([^`]+)` \| `([0-9a-f]{64})` \|$", re.M)


def _sri(content: bytes, algorithm: str = "sha256") -> str:
    digest = hashlib.new(algorithm, content).digest()
    return f"{algorithm}-{base64.b64encode(digest).decode()}"


@pytest.fixture
def html_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "html"))


def test_no_remote_load_is_left(html_dir: Path) -> None:
    before = offline.remote_loads(html_dir)
    assert {url for _, url in before} == set(offline.VENDORED)
    warnings: list[str] = []
    assert offline.make_offline(html_dir, warnings.append) == len(before)
    assert warnings == []
    assert offline.remote_loads(html_dir) == []
    page = (html_dir / "index.html").read_text("utf-8")
    # A scan that shares nothing with the module: all that is left is one link to follow.
    assert re.findall(r"<(\w+)[^>]*[\"'(](?:https?:)?//", page) == ["a"]
    for name in re.findall(r'(?:src|href)="(vendor/[^"]+)"', page):
        assert (html_dir / name).is_file()
    assert page.count('="vendor/') == len(offline.VENDORED)


def test_an_integrity_stays_only_where_it_holds(html_dir: Path) -> None:
    offline.make_offline(html_dir, pytest.fail)
    tags = re.findall(r"<[^>]*vendor/[^>]*>", (html_dir / "index.html").read_text("utf-8"))
    kept = {}
    for tag in tags:
        name = re.search(r'"vendor/([^"]+)"', tag)
        integrity = re.search(r'integrity="([^"]+)"', tag)
        assert name
        if "link" not in tag:
            assert 'onerror="js_load_failure()"' in tag
        if integrity:
            content = (html_dir / "vendor" / name[1]).read_bytes()
            assert integrity[1] == _sri(content, integrity[1].partition("-")[0])
        kept[name[1].partition("/")[0]] = bool(integrity)
    assert kept == {
        "jquery": True,
        "bootstrap": True,
        "blueimp-md5": True,
        "flot-orderbars": True,
        "flot": False,
        "stupid-table-plugin": False,
    }


def test_vendor_md_names_every_file() -> None:
    rows = ROW.findall((offline.VENDOR_DIR / "VENDOR.md").read_text("utf-8"))
    listed = {name: digest for _, _, _, name, digest in rows}
    vendor = offline.VENDOR_DIR
    present = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "VENDOR.md"
    }
    assert listed == present
    assert set(offline.VENDORED.values()) <= set(listed)


def test_files_that_vendored_css_names_exist() -> None:
    for sheet in offline.VENDOR_DIR.rglob("*.css"):
        for url in re.findall(r"url\(([^)?#]+)", sheet.read_text("utf-8")):
            assert (sheet.parent / url).is_file()


def test_an_unknown_address_is_left_with_a_warning(html_dir: Path) -> None:
    unknown = "https://cdn.example.org/new@9.9.9/new.min.js"
    page = html_dir / "index.html"
    tag = f'<script src="{unknown}" integrity="sha256-AAAA" crossorigin="anonymous"></script>'
    page.write_text(page.read_text("utf-8").replace("</head>", f"{tag}\n</head>"), "utf-8")
    warnings: list[str] = []
    offline.make_offline(html_dir, warnings.append)
    assert tag in page.read_text("utf-8")
    assert len(warnings) == 1
    assert unknown in warnings[0]
    assert "\n" not in warnings[0]
    assert offline.remote_loads(html_dir) == [("index.html", unknown)]


def test_a_missing_copy_is_left_with_a_warning(html_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    before = (html_dir / "index.html").read_bytes()
    warnings: list[str] = []
    assert offline.make_offline(html_dir, warnings.append, tmp_path / "empty") == 0
    assert len(warnings) == len(offline.VENDORED)
    assert (html_dir / "index.html").read_bytes() == before


def test_pages_in_folders_quotes_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.js").write_bytes(b"a")
    page = tmp_path / "html" / "sub" / "p.html"
    page.parent.mkdir(parents=True)
    comment = '<!-- <img src="https://x.example/a"> -->'
    page.write_bytes(
        f"{comment}\r\n<b>\xe9</b><SCRIPT\r\n SRC='//x.example/a.js' defer></SCRIPT>"
        "<img src=https://x.example/a.js><a href='https://x.example/'>".encode()
    )
    urls = {"//x.example/a.js": "a.js", "https://x.example/a.js": "a.js"}
    assert offline.make_offline(tmp_path / "html", pytest.fail, tmp_path / "v", urls) == 2
    assert (
        page.read_bytes()
        == (
            f'{comment}\r\n<b>\xe9</b><SCRIPT SRC="../vendor/a.js" defer></SCRIPT>'
            "<img src=\"../vendor/a.js\"><a href='https://x.example/'>"
        ).encode()
    )


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ('<img srcset="https://x.example/1 1x, local 2x">', 1),
        ('<p style="background: url(//x.example/1)">', 1),
        ("<style>@import 'https://x.example/1';</style>", 1),
        ("<style>/* url(https://x.example/1) */</style>", 0),
        ('<link rel="shortcut icon" href="http://x.example/1">', 1),
        ('<link rel="canonical" href="http://x.example/1">', 0),
        ('<script>"<img src=https://x.example/1>"</script>', 0),
    ],
)
def test_what_counts_as_a_load(tmp_path: Path, markup: str, found: int) -> None:
    (tmp_path / "p.html").write_text(markup)
    assert len(offline.remote_loads(tmp_path)) == found


def test_a_load_in_css_is_found(tmp_path: Path) -> None:
    (tmp_path / "s.css").write_text("a{b:url('https://x.example/f.woff')} c{d:url(../e.png)}")
    assert offline.remote_loads(tmp_path) == [("s.css", "https://x.example/f.woff")]


def test_integrity_follows_the_strongest_algorithm() -> None:
    good, bad = _sri(b"x", "sha512"), _sri(b"y", "sha512")
    assert offline.integrity_holds(f"{_sri(b'y')} {good} {bad}", b"x")
    assert not offline.integrity_holds(f"{_sri(b'x')} {bad}", b"x")
    assert not offline.integrity_holds("sha256-A", b"x")
    assert offline.integrity_holds("", b"x")


def test_asv_finds_the_publisher(html_dir: Path) -> None:
    from asv.plugin_manager import PluginManager
    from asv.publishing import OutputPublisher
    from asv.util import iter_subclasses

    manager = PluginManager()
    manager.import_plugin(".tools.publish.offline")
    ordered = sorted(iter_subclasses(OutputPublisher), key=lambda publisher: publisher.order)
    assert ordered[-1] is offline.OfflinePublisher
    # A second run finds nothing to do, and the publisher makes no tab of the page.
    conf = SimpleNamespace(html_dir=str(html_dir))
    for _ in range(2):
        offline.OfflinePublisher.publish(conf, None, None, None, None)
    assert offline.remote_loads(html_dir) == []
    assert (offline.OfflinePublisher.name, offline.OfflinePublisher.button_label) == (None, None)
