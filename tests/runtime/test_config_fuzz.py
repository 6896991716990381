"""Whatever a document is, it becomes a configuration or a ConfigError."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

from aetherless_py.errors import ConfigError
from aetherless_py.runtime.config import Config, FunctionOptions, OrchestratorConfig
from aetherless_py.runtime.config_file import load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a folder with a function and an executable the current one."""
    (tmp_path / "app.py").write_text("def handle(request): ...\n")
    (tmp_path / "tool").touch(0o755)
    monkeypatch.chdir(tmp_path)


# What documents are made of: the options' names and values that come near what is allowed.
NAMES = st.sampled_from(
    [*OrchestratorConfig.model_fields, *FunctionOptions.model_fields, "A", "orchestrator", "<<"]
) | st.text(max_size=5)
VALUES: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["app:handle", "tool", "spawn", "json", "os.path", "a.b.c", 65536, 10**400])
    | st.dates()
    | st.binary(max_size=5)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=15,
)
FUNCTIONS = st.fixed_dictionaries(
    {"id": VALUES | st.just("a"), "handler_path": VALUES | st.just("app:handle")},
    optional={name: VALUES for name in FunctionOptions.model_fields if name[0] not in "ih"},
)
DOCUMENTS = VALUES | st.fixed_dictionaries(
    {"functions": st.lists(FUNCTIONS, max_size=3) | VALUES},
    optional={
        "orchestrator": VALUES
        | st.fixed_dictionaries({}, optional=dict.fromkeys(OrchestratorConfig.model_fields, VALUES))
    },
)
SIGNS = st.text("ab:- \n\t[]{},&*!|>'\"#%@`?<\\x0U1.~\xe4\x85\ufeff\U0001f600=_/", max_size=60)
TEXTS = st.builds(
    lambda document, at, noise: (text := yaml.dump(document))[: at % len(text)] + noise,
    DOCUMENTS,
    st.integers(0, 1000),
    SIGNS,
)
OPTIONS = st.lists(
    st.builds(
        "{}{}={}".format, st.sampled_from(["", "orchestrator.", "functions.a."]), NAMES, SIGNS
    )
    | st.text(max_size=10),
    max_size=2,
)
in_one_folder = hypothesis.settings(
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    max_examples=300,
    deadline=None,
)


def is_a_config_or_a_config_error(
    text: bytes, environment: dict[str, str], overrides: Sequence[str] = ()
) -> None:
    Path("f.yaml").write_bytes(text)
    try:
        assert isinstance(load("f.yaml", environment, overrides), Config)
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.isprintable()
            assert problem.startswith(("f.yaml:", "AETHERLESS_", "option "))


@in_one_folder
@hypothesis.example('functions: ["\\x1F"]', ["functions.a.start=spawn"], None)
@hypothesis.given(DOCUMENTS.map(yaml.dump), OPTIONS, st.none() | SIGNS | VALUES.map(yaml.dump))
def test_any_document_becomes_a_config_or_a_config_error(
    folder: None, text: str, overrides: list[str], variable: str | None
) -> None:
    environment = {} if variable is None else {"AETHERLESS_PORT": variable}
    is_a_config_or_a_config_error(text.encode(), environment, overrides)


@in_one_folder
@hypothesis.given((SIGNS | TEXTS | st.text()).map(str.encode) | st.binary())
def test_any_text_becomes_a_config_or_a_config_error(folder: None, text: bytes) -> None:
    is_a_config_or_a_config_error(text, {})
