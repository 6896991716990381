"""Reading `asv.conf.json`, which may hold comments and trailing commas, without asv."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and says why."""


def results_folder(path: Path) -> Path:
    """The folder in which asv keeps its results, by that configuration.

    Raises:
        ConfigError: it cannot be read, or makes no sense.
    """
    configured = _read(path).get("results_dir", "results")
    if not isinstance(configured, str):
        raise ConfigError(f"{path}: results_dir is not a text")
    return path.parent / configured


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error}") from error
    text = _COMMENT.sub(lambda found: found.group(1) or " ", text)
    text = _TRAILING_COMMA.sub(lambda found: found.group(1) or "", text)
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return config
