"""Reading asv's configuration: what asv takes is taken, and what makes no sense says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.asv_config import ConfigError, results_folder


@pytest.mark.parametrize("name", ["asv.conf.json", "asv.conf.jsonc"])
def test_json5_in_either_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(
        '{results_dir: "r", /* with */ "show": "https://example.org/", a: [1, ], } // this'
    )
    assert results_folder(tmp_path) == tmp_path / "r"
    assert results_folder(tmp_path / name) == tmp_path / "r"


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no asv\.conf\.json and no asv\.conf\.jsonc"):
        results_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON5"),
        (b"[]", "not a JSON object"),
        (b'{"results_dir": 3}', "not a text"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_one_that_makes_no_sense(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "asv.conf.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as error:
        results_folder(tmp_path)
    assert str(path) in str(error.value)
