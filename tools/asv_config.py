"""Reads asv's configuration as asv does: JSON5, in either of the two files it looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import json5

NAMES = ("asv.conf.json", "asv.conf.jsonc")


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and says why."""


def results_folder(where: Path) -> Path:
    """The folder in which asv keeps its results.

    Args:
        where: the configuration, or the folder that it lies in.

    Raises:
        ConfigError: there is none, it cannot be read, or it makes no sense.
    """
    path = _file(where)
    configured = _read(path).get("results_dir", "results")
    if not isinstance(configured, str):
        raise ConfigError(f"{path}: results_dir is not a text")
    return path.parent / configured


def _file(where: Path) -> Path:
    if not where.is_dir():
        return where
    found = next((where / name for name in NAMES if (where / name).is_file()), None)
    if found is None:
        raise ConfigError(f"{where}: there is no {' and no '.join(NAMES)}")
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json5.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON5: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return config
