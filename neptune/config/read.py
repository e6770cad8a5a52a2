"""From a JSON file and the fields of the command line to a validated `Config`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from neptune.config.model import Config
from neptune.config.semantic import nonsense
from neptune.config.tasks import MODELS
from neptune.config.validation import override, read_json, validate


def model_of(task: Any) -> type[BaseModel]:
    """Return the model that validates the fields of a task: `Config`, but for tasks that bring their own."""
    address = MODELS.get(task) if isinstance(task, str) else None
    if address is None:
        return Config
    module, _, name = address.partition(":")
    return cast(type[BaseModel], getattr(import_module(module), name))


def load_config(path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file, apply `overrides` (dotted names for nested fields) and validate all of it.

    Parameters
    ----------
    path
        A JSON file, or ``None`` for defaults only.
    overrides
        Field → value, already of the field's type (see `parse_value`).

    Raises
    ------
    ConfigProblems
        With every problem of file and overrides together.
    """
    data = read_json(path) if path is not None else {}
    where = str(path) if path is not None else "command line"
    return make_config(override(data, overrides or {}), where)


def make_config(data: Mapping[str, Any], where: str = "config") -> Config:
    """Validate the fields of a run.

    Raises
    ------
    ConfigProblems
        With one line for each problem.
    """
    return validate(Config, data, where, nonsense)
