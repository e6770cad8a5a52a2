"""From a JSON file and the fields of the command line to a validated `Config`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

from pydantic import BaseModel

from neptune.config.model import Config
from neptune.config.semantic import semantic_problems
from neptune.config.tasks import MODELS
from neptune.config.validation import ConfigProblems, examine, override, parse_value, read_json, validate


def model_of(task: Any) -> type[BaseModel]:
    """Return the model that validates the fields of a task: `Config`, but for tasks that bring their own."""
    address = MODELS.get(task) if isinstance(task, str) else None
    return Config if address is None else cast(type[BaseModel], resolve_name(address))


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
    return validate(Config, data, where, semantic_problems)


def read_run(path: str, given: Mapping[str, Sequence[str]]) -> tuple[BaseModel, str]:
    """Return the validated config of a command line, and the run's name.

    Parameters
    ----------
    path
        The config file.
    given
        Field (dotted for nested) → the words after it.

    Raises
    ------
    ConfigProblems
        With every problem of the file and of the command line together.
    """
    config, problems = examine_run(path, given)
    if problems or config is None:
        raise ConfigProblems(problems, path)
    return config, Path(path).stem


def examine_run(path: str, given: Mapping[str, Sequence[str]]) -> tuple[BaseModel | None, list[str]]:
    """Return the config of the fields of a command line that are right, if there can be one, and every problem.

    Parameters as for :func:`read_run`.

    Raises
    ------
    ConfigProblems
        If the file can not be read.
    """
    data = read_json(path)
    model = model_of(given["task"][0] if given.get("task") else data.get("task"))
    overrides: dict[str, Any] = {}
    problems: list[str] = []
    for field, words in given.items():
        try:
            overrides[field] = parse_value(field, words, model)
        except ConfigProblems as error:
            problems += error.problems
    semantics = cast(Any, semantic_problems) if model is Config else None
    config, more = examine(model, override(data, overrides), semantics)
    return config, problems + more
