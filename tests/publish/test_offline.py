"""The published pages load nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("asv")

import asv

from tools.publish import offline

TEMPLATES = Path(asv.__file__).parent / "www"
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| `([^`]+)` \| `([0-9a-f]{64})` \|$", re.M)


# Of what a page of asv's loads: its tag, its address, and the digest that a browser checks.
LOADED = re.compile(r'<[^>]*="https://([^"]+)" integrity="(\w+)-([^"]+)"[^>]*>')


def vendored() -> set[str]:
    """The files in vendor/, besides what is said of them."""
    files = (path for path in offline.VENDOR_DIR.rglob("*") if path.is_file())
    return {path.relative_to(offline.VENDOR_DIR).as_posix() for path in files} - {"VENDOR.md"}


@pytest.fixture
def html_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "html"))


def test_no_remote_load_is_left(html_dir: Path) -> None:
    before = offline.remote_loads(html_dir)
    copies = {name for name in vendored() if not name.startswith("licences/")}
    assert {url.removeprefix("https://") for _, url in before} == copies
    for _ in range(2):  # a second time finds nothing to do
        offline.make_offline(html_dir, pytest.fail)
    assert offline.remote_loads(html_dir) == []
    page = (html_dir / "index.html").read_text("utf-8")
    # A scan that shares nothing with the module: all that is left is one link to follow.
    assert re.findall(r"<(\w+)[^>]*[\"'(](?:https?:)?//", page) == ["a"]
    names = re.findall(r'(?:src|href)="(vendor/[^"]+)"', page)
    assert {name.removeprefix("vendor/") for name in names} == copies
    for name in names:
        assert (html_dir / name).is_file()


def test_what_a_browser_would_check_goes_and_the_rest_of_a_tag_stays(html_dir: Path) -> None:
    loads = len(offline.remote_loads(html_dir))
    offline.make_offline(html_dir, pytest.fail)
    tags = re.findall(r"<[^>]*vendor/[^>]*>", (html_dir / "index.html").read_text("utf-8"))
    assert len(tags) == loads
    for tag in tags:
        assert not re.search("integrity|crossorigin|referrerpolicy", tag)
        assert 'rel="stylesheet"' in tag or 'onerror="js_load_failure()"' in tag


def test_vendor_md_names_every_file() -> None:
    rows = ROW.findall((offline.VENDOR_DIR / "VENDOR.md").read_text("utf-8"))
    sums = {
        name: hashlib.sha256((offline.VENDOR_DIR / name).read_bytes()).hexdigest()
        for name in vendored()
    }
    assert {name: digest for *_, name, digest in rows} == sums


def test_which_copies_are_not_what_the_page_names() -> None:
    """VENDOR.md says why: flot is not minified, and stupidtable is of another version."""
    differ = {
        name.rpartition("/")[2].removesuffix(".min.js")
        for name, kind, digest in LOADED.findall((TEMPLATES / "index.html").read_text("utf-8"))
        if hashlib.new(kind, (offline.VENDOR_DIR / name).read_bytes()).digest()
        != base64.b64decode(digest)
    }
    flot = {"jquery.flot", *(f"jquery.flot.{each}" for each in ("categories", "selection", "time"))}
    assert differ == flot | {"stupidtable"}


def test_no_page_uses_what_is_left_out_of_bootstrap() -> None:
    scripts = [*TEMPLATES.iterdir(), *offline.VENDOR_DIR.rglob("*.js")]
    assert [path for path in scripts if b"glyphicon" in path.read_bytes()] == []


@pytest.mark.parametrize(
    "unknown",
    ["https://cdn.example.org/new@9.9.9/new.min.js", "https://code.jquery.com/jquery-3.3.2.min.js"],
)
def test_an_unknown_address_is_left_with_a_warning(html_dir: Path, unknown: str) -> None:
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


def test_pages_in_folders(tmp_path: Path) -> None:
    page = tmp_path / "html" / "sub" / "p.html"
    page.parent.mkdir(parents=True)
    address = "code.jquery.com/jquery-3.3.1.min.js"
    page.write_text(f'<b>\xe9</b><script src="https://{address}" defer></script>', "utf-8")
    offline.make_offline(tmp_path / "html", pytest.fail)
    assert page.read_text("utf-8") == (
        f'<b>\xe9</b><script src="../vendor/{address}" defer></script>'
    )
    assert (page.parent / ".." / "vendor" / address).is_file()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.html", "<style>@import 'https://x.example/f.woff';</style>"),
        ("p.html", '<p style="background: url(//x.example/f.woff)">'),
        ("p.html", '<link rel="shortcut icon" href="http://x.example/f.woff">'),
        ("p.html", "<SCRIPT\n SRC=//x.example/f.woff defer></SCRIPT><a href='//x.example/'>"),
        ("s.css", "a{b:url('https://x.example/f.woff')} c{d:url(../e.png)}"),
    ],
)
def test_what_counts_as_a_load(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    [(found, url)] = offline.remote_loads(tmp_path)
    assert found == name
    assert url.endswith("//x.example/f.woff")
