"""What `asv publish` makes with the plugin, of made-up stores."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("asv")

from tests.publish.made_up import asv, commit, git, measured, repository
from tools.publish.offline import remote_loads

LATENCY = "ring_buffer.Latency.track_time"
READY = "cold_start.Ready.track_time"


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    return repository(tmp_path / "with space")


def head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD")


def index(folder: Path) -> Any:
    return json.loads((folder / "index.json").read_text())


def rows(folder: Path) -> list[dict[str, Any]]:
    """Those of the list view, of all of its machines and branches."""
    return [
        row
        for path in (folder / "graphs").rglob("summary.json")
        for row in json.loads(path.read_text())
    ]


def links(page: Path) -> set[Path]:
    """The files that a page has links to, besides those of its own place."""
    found = re.findall(r'<a [^>]*href="([^":]+)"', page.read_text())
    return {(page.parent / each.partition("#")[0]).resolve() for each in found if each[0] != "#"}


def test_each_store_has_pages_that_lead_to_the_others(made_up: Path) -> None:
    values = {LATENCY: [1e-7, 2e-7]}
    for selection in ("results", "study", "quick"):
        measured(made_up, head(made_up), values, selection)
    published = asv(made_up, "publish")
    assert published.returncode == 0, published.stdout
    html = made_up / "html"
    pages = [html / each / "index.html" for each in ("", "study", "quick")]
    for page in pages:
        assert links(page) == {each.resolve() for each in pages} - {page.resolve()}
        assert '<span id="project-name">aetherless</span>' in page.read_text()
        assert len(rows(page.parent)) == 2
        assert "data.length === 1" in (page.parent / "summarygrid.js").read_text()
    titles = [re.findall("<title>(.*?)</title>", page.read_text()) for page in pages]
    assert titles == [["aetherless: tracking"], ["aetherless: study"], ["aetherless: quick"]]
    assert remote_loads(html) == []
    [bars] = html.rglob("jquery.flot.orderBars.js")
    assert "gridDimSize || 0" in bars.read_text()
    # Again: it begins anew.
    (html / "left").touch()
    assert asv(made_up, "publish").returncode == 0
    assert not (html / "left").exists()


def test_each_row_that_is_shown_has_a_value(made_up: Path) -> None:
    measured(made_up, head(made_up), {LATENCY: [1e-7, math.nan], READY: [math.nan, None]})
    published = asv(made_up, "publish")
    assert published.returncode == 0, published.stdout
    assert [(row["name"], row["idx"]) for row in rows(made_up / "html")] == [(LATENCY, 0)]
    assert list(index(made_up / "html")["benchmarks"]) == [LATENCY]
    assert "3 rows of 2 benchmarks have no value: left out" in published.stdout


def test_a_single_commit_is_shown_by_its_parameters(made_up: Path) -> None:
    for each in (head(made_up), commit(made_up, "Another")):
        measured(made_up, each, {LATENCY: [1e-7, 2e-7]})
    measured(made_up, head(made_up), {LATENCY: [1e-7, 2e-7]}, "study")
    assert asv(made_up, "publish").returncode == 0
    assert not index(made_up / "html")["one_commit"]
    assert index(made_up / "html" / "study")["one_commit"]
    assert "index.one_commit" in (made_up / "html" / "study" / "graphdisplay.js").read_text()


def test_a_link_of_a_commit_leads_to_its_line(made_up: Path) -> None:
    first = head(made_up)
    second = commit(made_up, "<b>Faster</b>")
    for each in (first, second):
        measured(made_up, each, {LATENCY: [1e-7, 2e-7]})
    assert asv(made_up, "publish").returncode == 0
    assert index(made_up / "html")["show_commit_url"] == "commits.html#"
    page = (made_up / "html" / "commits.html").read_text()
    for each in (first, second, first[:8], second[:8]):
        assert f'id="{each}"' in page
    assert page.index(second) < page.index(first)
    assert "&lt;b&gt;Faster" in page


def test_without_tracking_the_first_page_leads_to_what_was_measured(made_up: Path) -> None:
    measured(made_up, head(made_up), {LATENCY: [1e-7, 2e-7]}, "quick")
    published = asv(made_up, "publish")
    assert published.returncode == 0, published.stdout
    html = made_up / "html"
    quick = html / "quick" / "index.html"
    assert links(html / "index.html") == {quick.resolve()}
    assert "asv run" in (html / "index.html").read_text()
    assert links(quick) == {(html / "index.html").resolve()}
    assert remote_loads(html) == []


@pytest.mark.parametrize("command", ["publish", "preview"])
def test_where_nothing_was_measured_it_says_what_to_run(made_up: Path, command: str) -> None:
    published = asv(made_up, command)
    assert published.returncode == 1
    [line] = published.stdout.splitlines()
    assert "make bench" in line


@pytest.mark.parametrize("detached", [False, True])
def test_no_branch_main(tmp_path: Path, detached: bool) -> None:
    other = repository(tmp_path / "other", branch="trunk")
    if detached:
        git(other, "checkout", "--quiet", "--detach")
        git(other, "branch", "--quiet", "--delete", "--force", "trunk")
    measured(other, head(other), {LATENCY: [1e-7, 2e-7]})
    published = asv(other, "publish")
    assert published.returncode == 0, published.stdout
    assert index(other / "html")["params"]["branch"] == ["HEAD"]
    assert len(rows(other / "html")) == 2


def test_a_head_that_is_not_in_main_is_shown_too(made_up: Path) -> None:
    git(made_up, "checkout", "--quiet", "-b", "topic")
    measured(made_up, commit(made_up, "On the topic"), {LATENCY: [1e-7, 2e-7]})
    published = asv(made_up, "publish")
    assert published.returncode == 0, published.stdout
    assert index(made_up / "html")["params"]["branch"] == ["main", "topic"]
    assert len(rows(made_up / "html")) == 2


def test_what_no_shown_branch_has_is_said(made_up: Path) -> None:
    git(made_up, "checkout", "--quiet", "-b", "topic")
    away = commit(made_up, "On the topic")
    git(made_up, "checkout", "--quiet", "main")
    measured(made_up, away, {LATENCY: [1e-7, 2e-7]})
    alone = asv(made_up, "publish")
    assert alone.returncode == 1
    assert f"Couldn't find {away[:8]} in branches (main)" in alone.stdout
    assert "check out a branch that has it" in alone.stdout
    assert "Traceback" not in alone.stdout
    measured(made_up, head(made_up), {LATENCY: [1e-7, 2e-7]}, "quick")
    both = asv(made_up, "publish")
    assert both.returncode == 1
    assert len(rows(made_up / "html" / "quick")) == 2
    assert links(made_up / "html" / "index.html") == {
        (made_up / "html" / "quick" / "index.html").resolve()
    }


def test_without_a_repository_there_is_no_traceback(made_up: Path) -> None:
    measured(made_up, head(made_up), {LATENCY: [1e-7, 2e-7]})
    os.rename(made_up / ".git", made_up / "elsewhere")
    for command in (["publish"], ["run", "--machine", "made-up"]):
        done = asv(made_up, *command, GIT_CEILING_DIRECTORIES=str(made_up.parent))
        assert done.returncode == 1
        assert "Traceback" not in done.stdout
        assert "repository" in done.stdout


def test_pages_stay_where_new_ones_cannot_be_made(made_up: Path) -> None:
    measured(made_up, head(made_up), {LATENCY: [1e-7, 2e-7]}, "results")
    assert asv(made_up, "publish").returncode == 0
    before = (made_up / "html/index.html").read_text()
    for path in (made_up / ".asv/results").rglob("*-*.json"):
        path.write_text("{")
    assert asv(made_up, "publish").returncode != 0
    assert (made_up / "html/index.html").read_text() == before
    assert not (made_up / "html.new").exists()
