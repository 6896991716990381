"""Which branches asv is given, of those that the repository has."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from typing import Any


def known(conf: Any) -> list[str]:
    """The configured branches that the repository has; HEAD where it has none of them."""
    found = [
        b for b in conf.branches if git(conf, "rev-parse", "-q", "--verify", f"{b}^{{commit}}")
    ]
    return found or ["HEAD"]


def holding(conf: Any, commits: Collection[str]) -> list[str]:
    """The known branches, and the one that is checked out where commits are on that alone.

    Of the commits it takes the first eight digits.
    """
    found = known(conf)
    left = set(commits).difference(*(_first_parents(conf, branch) for branch in found))
    current = git(conf, "rev-parse", "--abbrev-ref", "HEAD") or ["HEAD"]
    if current[0] not in found and left & _first_parents(conf, "HEAD"):
        found += current
    return found


def git(conf: Any, *arguments: str) -> list[str]:
    """The lines that git prints in the measured repository; none where it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=conf.repo, capture_output=True, text=True, errors="replace"
    )
    return done.stdout.splitlines() if done.returncode == 0 else []


def _first_parents(conf: Any, branch: str) -> set[str]:
    """Of a branch, what asv shows of it."""
    return {each[:8] for each in git(conf, "rev-list", "--first-parent", branch, "--")}
