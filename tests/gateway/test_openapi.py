"""A running gateway held against docs/openapi.yaml, by schemathesis."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.gateway.conftest import Start

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/openapi.yaml"
EXAMPLES = 15  # of each operation; the seed is fixed, so that they are always the same


def description(folder: Path, ids: list[str]) -> Path:
    """The document, with ids of functions that there are, and one that there is not."""
    document = yaml.safe_load(DOCUMENT.read_text())
    document["components"]["parameters"]["Id"]["schema"] = {"enum": [*ids, "none"]}
    file = folder / "openapi.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def test_the_gateway_is_as_described(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "echo"}, {"id": "event"})
    done = subprocess.run(
        [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run",
            str(description(tmp_path, ["echo", "event"])),
            "--url", f"http://127.0.0.1:{runtime.port}",
            "--phases", "examples,coverage,fuzzing",
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,"
            "response_headers_conformance,response_schema_conformance",
            "--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic",
            "--suppress-health-check", "all",
            "--warnings", "off", "--no-color", "--request-timeout", "60",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    assert all(each["served"] for each in runtime.state())  # both were asked
    assert {each for state in runtime.state() for each in state["counts"]} == {"started"}
    assert "Traceback" not in runtime.stderr()
