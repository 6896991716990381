"""The tables of options in docs/configuration.md, held against the models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml

from aetherless_py.runtime.config import FunctionOptions, OrchestratorConfig
from aetherless_py.runtime.config_file import load

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text()
TABLES: list[tuple[str, type[pydantic.BaseModel]]] = [
    ("orchestrator", OrchestratorConfig),
    ("functions", FunctionOptions),
]


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table."""
    [part] = re.findall(rf"^## `{section}`$(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def span(schema: dict[str, Any]) -> str:
    """What a value may be, as the tables say it."""
    [schema, *_] = schema.get("anyOf", [schema])
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if "exclusiveMinimum" in schema:
        return f"above {schema['exclusiveMinimum']} and at most {schema['maximum']}"
    return f"{schema['minimum']} to {schema['maximum']}" if "minimum" in schema else ""


@pytest.mark.parametrize(("section", "model"), TABLES)
def test_the_tables_have_the_options_there_are(
    section: str, model: type[pydantic.BaseModel]
) -> None:
    assert [row[0] for row in rows(section)] == [f"`{name}`" for name in model.model_fields]


@pytest.mark.parametrize(("section", "model"), TABLES)
def test_the_tables_have_the_defaults_and_ranges_there_are(
    section: str, model: type[pydantic.BaseModel]
) -> None:
    schemas = model.model_json_schema()["properties"]
    for row, (name, field) in zip(rows(section), model.model_fields.items(), strict=True):
        if field.is_required():
            assert row[4] == "", name
        else:
            default = field.get_default(call_default_factory=True, validated_data={})
            said = yaml.safe_load(row[4])
            assert (said, type(said)) == (
                (list(default), list) if isinstance(default, tuple) else (default, type(default))
            ), name
        if name != "id":
            assert row[3] == span(schemas[name]), name


def test_the_table_has_the_variables() -> None:
    assert [row[5] for row in rows("orchestrator")] == [
        f"`AETHERLESS_{name.upper()}`" for name in OrchestratorConfig.model_fields
    ]


def test_the_example_can_be_used(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "functions.yaml").write_text(example)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "images.py").write_text("def resize(request): ...")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "report").touch(0o755)
    overrides = ["functions.resize.timeout_ms=500", "functions.resize.environment.QUALITY='70'"]
    config = load(tmp_path / "functions.yaml", {}, overrides)
    assert [each.id for each in config.functions] == ["resize", "report"]
    assert config.functions[0].environment["QUALITY"] == "70"
    assert config.functions[0].timeout_ms == 500
