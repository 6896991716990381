"""The pages that `asv publish` makes: a history of each selection that was measured.

html/ has that of tracking, html/study/ and html/quick/ have the others; the head of each leads to
the rest. asv makes each of them; what it leaves wanting is then put right in its files.
"""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from asv.console import log
from asv.results import iter_results_paths
from asv.util import ProcessError, UserError

from benchmarks.harness.selection import Selection
from tools.publish import branches
from tools.publish.mended import mend
from tools.publish.offline import make_offline
from tools.publish.stores import store

# What each history shows, and how it is measured.
ABOUT = {
    Selection.TRACKING: ("what a commit of the package can change", "asv run 'HEAD^!'"),
    Selection.STUDY: ("everything side by side at one commit", "make study"),
    Selection.QUICK: ("the short pass over everything", "make bench"),
}
COMMITS = "commits.html"
_PROJECT_LINK = '<a id="project-name" href="#" class="navbar-link" target="_blank">project</a>'
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body {{ font: 16px sans-serif; margin: 2em }} td {{ padding: 2px 1em 2px 0 }}
tr:target {{ background: #ffc }}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


def publish_all(
    publish: Callable[..., Any], conf: Any, range_spec: Any = None, pull: bool = True
) -> int:
    """Makes the pages of every selection that was measured.

    Args:
        publish: asv's own, which makes those of one store.
        conf: asv's configuration.
        range_spec, pull: as asv's.

    Returns:
        The exit status: 1 where a store could not be shown, and others could.

    Raises:
        UserError: there is nothing to show; the message says what to do.
    """
    stores = {each: store(Path(conf.results_dir), each) for each in Selection}
    measured = {each: _commits_of(stores[each]) for each in Selection}
    if not any(measured.values()):
        ways = " or ".join(f"`{command}`" for _, command in ABOUT.values())
        raise UserError(f"Nothing has been measured yet: run {ways}.")
    if not branches.git(conf, "rev-parse", "HEAD"):
        raise UserError("There is no git repository with a commit here: asv shows its commits.")
    # Beside what is there, which stays until all of it is made.
    made = Path(conf.html_dir).with_name(f"{Path(conf.html_dir).name}.new")
    shutil.rmtree(made, ignore_errors=True)
    try:
        failed = _publish_to(made, publish, conf, stores, measured, range_spec, pull)
        shutil.rmtree(conf.html_dir, ignore_errors=True)
        made.rename(conf.html_dir)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return failed


def _publish_to(
    html_dir: Path,
    publish: Callable[..., Any],
    conf: Any,
    stores: Mapping[Selection, Path],
    measured: Mapping[Selection, set[str]],
    range_spec: Any,
    pull: bool,
) -> int:
    """Makes the pages in a folder that is not there yet; as `publish_all`."""
    shown: dict[Selection, Path] = {}
    failed = 0
    # Tracking comes first: asv empties the folder that it writes to.
    for selection, commits in measured.items():
        if not commits:
            continue
        log.info(f"The history of {selection}, from {stores[selection]}")
        own = copy.copy(conf)
        own.results_dir = str(stores[selection])
        folder = html_dir if selection is Selection.TRACKING else html_dir / selection.value
        own.html_dir = str(folder)
        own.branches = branches.holding(conf, commits)
        if conf.show_commit_url == "#":
            own.show_commit_url = f"{COMMITS}#"
        try:
            publish(own, range_spec=range_spec, pull=pull)
            _must_show_something(folder, own.branches)
        except (UserError, ProcessError) as error:
            log.error(f"{selection}: {error}")
            shutil.rmtree(folder, ignore_errors=True)
            failed = 1
        else:
            shown[selection] = folder
            _fit_data(folder, len(commits))
            _write_commits(folder, own)
    if not shown:
        raise UserError("There is no page: nothing of what was measured can be shown.")
    if Selection.TRACKING not in shown:
        _write_landing(html_dir, shown)
    for selection, folder in shown.items():
        _head(folder / "index.html", conf, selection, shown)
    make_offline(html_dir, log.warning)
    mend(html_dir)
    return failed


def _commits_of(results_dir: Path) -> set[str]:
    """The first eight digits of the commits that a store has results of."""
    return {name.partition("-")[0] for _, name, _ in iter_results_paths(str(results_dir))}


def _must_show_something(folder: Path, shown: Sequence[str]) -> None:
    if not _read(folder / "index.json")["graph_param_list"]:
        raise UserError(
            f"nothing that was measured is on {' or '.join(shown)}, or in the range that was"
            " asked for: check out a branch that has it, and publish again"
        )


def _fit_data(folder: Path, commits: int) -> None:
    """Leaves out rows that were never measured, failed, or are n/a: asv shows them as empty ones.

    Of a single commit the pages show values over parameters, and have to be told that it is one.
    """
    valued: set[tuple[str, int | None]] = set()
    for path in (folder / "graphs").rglob("summary.json"):
        rows = [row for row in _read(path) if row["last_value"] is not None]
        valued.update((row["name"], row["idx"]) for row in rows)
        path.write_text(json.dumps(rows))
    index = _read(folder / "index.json")
    counts = Counter(name for name, _ in valued)
    rows_of = {
        name: math.prod(map(len, entry["params"])) for name, entry in index["benchmarks"].items()
    }
    index["benchmarks"] = {name: index["benchmarks"][name] for name in rows_of if name in counts}
    index["one_commit"] = commits == 1
    (folder / "index.json").write_text(json.dumps(index))
    left = {name: rows - counts[name] for name, rows in rows_of.items() if rows > counts[name]}
    if left:
        log.info(f"{sum(left.values())} rows of {len(left)} benchmarks have no value: left out")


def _write_commits(folder: Path, conf: Any) -> None:
    """Where asv's links of commits lead: a line for each, found by its hash in either length."""
    revisions = _read(folder / "index.json")["revision_to_hash"]
    hashes = [revisions[each] for each in sorted(revisions, key=int, reverse=True)]
    lines = branches.git(conf, "log", "--no-walk=unsorted", "--format=%H %as %s", *hashes)
    rows = "\n".join(_commit_row(line, conf.hash_length) for line in lines)
    page = _PAGE.format(title="Measured commits", body=f"<table>\n{rows}\n</table>")
    (folder / COMMITS).write_text(page, encoding="utf-8")


def _commit_row(line: str, length: int) -> str:
    commit, date, subject = line.split(" ", 2)
    return (
        f'<tr id="{commit[:length]}"><td><code id="{commit}">{commit[:length]}</code></td>'
        f"<td>{date}</td><td>{escape(subject)}</td></tr>"
    )


def _write_landing(html_dir: Path, shown: dict[Selection, Path]) -> None:
    what, command = ABOUT[Selection.TRACKING]
    items = "\n".join(f"<li><a {_link(each)}>{each}</a>: {ABOUT[each][0]}</li>" for each in shown)
    body = (
        f"<ul>\n{items}\n</ul>\n<p>There is no history of tracking, {what}, to be shown yet:"
        f" <code>{escape(command)}</code>, then <code>asv publish</code>.</p>"
    )
    page = _PAGE.format(title="What was measured", body=body)
    (html_dir / "index.html").write_text(page, encoding="utf-8")


def _head(page: Path, conf: Any, own: Selection, shown: dict[Selection, Path]) -> None:
    """Says in the head of a page what it shows, and leads to the others."""
    up = "" if own is Selection.TRACKING else "../"
    links = []
    for each in Selection:
        if each is own:
            links.append(f"<b>{each}</b>")
        elif each in shown or each is Selection.TRACKING:
            links.append(f'<a class="navbar-link" {_link(each, up)}>{each}</a>')
    text = page.read_text(encoding="utf-8").replace("</p>", f"&middot; {' | '.join(links)}</p>", 1)
    title = f"<title>{escape(conf.project)}: {own}</title>"
    narrow = '<meta name="viewport" content="width=device-width">'  # phones pretend to be wide
    text = text.replace("<title>airspeed velocity</title>", narrow + title)
    text = text.replace("of an unladen", "&middot;")  # or the head takes two lines of 1,000 pixels
    if conf.project_url == "#":  # the project has no address: its name is no link
        text = text.replace(_PROJECT_LINK, f'<span id="project-name">{escape(conf.project)}</span>')
    page.write_text(text, encoding="utf-8")


def _link(to: Selection, up: str = "") -> str:
    """Of several commits one wants the grid, of one the list."""
    tracking = to is Selection.TRACKING
    page = "index.html" if tracking else f"{to}/index.html#/summarylist"
    return f'href="{up}{page}" title="{ABOUT[to][0]}"'


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
