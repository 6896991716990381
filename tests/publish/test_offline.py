"""The published pages load nothing from elsewhere."""

from __future__ import annotations

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


@pytest.fixture
def html_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "html"))


def test_no_remote_load_is_left(html_dir: Path) -> None:
    before = offline.remote_loads(html_dir)
    assert {url for _, url in before} == set(offline.VENDORED)
    for _ in range(2):  # a second time finds nothing to do
        offline.make_offline(html_dir, pytest.fail)
    assert offline.remote_loads(html_dir) == []
    page = (html_dir / "index.html").read_text("utf-8")
    # A scan that shares nothing with the module: all that is left is one link to follow.
    assert re.findall(r"<(\w+)[^>]*[\"'(](?:https?:)?//", page) == ["a"]
    for name in re.findall(r'(?:src|href)="(vendor/[^"]+)"', page):
        assert (html_dir / name).is_file()
    assert page.count('="vendor/') == len(offline.VENDORED)


def test_what_a_browser_would_check_goes_and_the_rest_of_a_tag_stays(html_dir: Path) -> None:
    offline.make_offline(html_dir, pytest.fail)
    tags = re.findall(r"<[^>]*vendor/[^>]*>", (html_dir / "index.html").read_text("utf-8"))
    assert len(tags) == len(offline.VENDORED)
    for tag in tags:
        assert not re.search("integrity|crossorigin|referrerpolicy", tag)
        assert 'rel="stylesheet"' in tag or 'onerror="js_load_failure()"' in tag


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
    offline.make_offline(html_dir, warnings.append, tmp_path / "empty")
    assert len(warnings) == len(offline.VENDORED)
    assert (html_dir / "index.html").read_bytes() == before


def test_pages_in_folders_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.js").write_bytes(b"a")
    page = tmp_path / "html" / "sub" / "p.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        "<b>\xe9</b><SCRIPT\n SRC='//x.example/a.js' defer></SCRIPT>"
        "<img src=https://x.example/a.js><a href='https://x.example/'>",
        "utf-8",
    )
    urls = {"//x.example/a.js": "a.js", "https://x.example/a.js": "a.js"}
    offline.make_offline(tmp_path / "html", pytest.fail, tmp_path / "v", urls)
    assert page.read_text("utf-8") == (
        '<b>\xe9</b><SCRIPT\n SRC="../vendor/a.js" defer></SCRIPT>'
        "<img src=\"../vendor/a.js\"><a href='https://x.example/'>"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.html", "<style>@import 'https://x.example/f.woff';</style>"),
        ("p.html", '<p style="background: url(//x.example/f.woff)">'),
        ("p.html", '<link rel="shortcut icon" href="http://x.example/f.woff">'),
        ("s.css", "a{b:url('https://x.example/f.woff')} c{d:url(../e.png)}"),
    ],
)
def test_what_counts_as_a_load(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    [(found, url)] = offline.remote_loads(tmp_path)
    assert found == name
    assert url.endswith("//x.example/f.woff")
