"""From a config file and the fields of the command line to a validated `Config`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

from pydantic import BaseModel

from neptune.config.files import read_fields
from neptune.config.find import FoundConfig, find_config
from neptune.config.model import Config
from neptune.config.paths import resolve_paths
from neptune.config.semantic import semantic_problems
from neptune.config.tasks import MODELS
from neptune.config.validation import ConfigProblems, examine, override, parse_value, validate


def model_of(task: Any) -> type[BaseModel]:
    """Return the model that validates the fields of a task: `Config`, but for tasks that bring their own."""
    address = MODELS.get(task) if isinstance(task, str) else None
    return Config if address is None else cast(type[BaseModel], resolve_name(address))


def load_config(path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config file, apply `overrides` (dotted names for nested fields) and validate all of it.

    Parameters
    ----------
    path
        A JSON or YAML file, a run folder, or the name of a packaged config; ``None`` for defaults only. Relative
        paths in it are taken from where it is (:mod:`neptune.config.paths`).
    overrides
        Field → value, already of the field's type (see `parse_value`).

    Raises
    ------
    ConfigProblems
        With every problem of file and overrides together.
    """
    if path is None:
        return make_config(override({}, overrides or {}), "defaults")
    found = find_config(path)
    data = resolve_paths(read_fields(found.path), Config, found.origin())
    return make_config(override(data, overrides or {}), str(path))


def make_config(data: Mapping[str, Any], where: str = "config") -> Config:
    """Validate the fields of a run.

    Raises
    ------
    ConfigProblems
        With one line for each problem.
    """
    return validate(Config, data, where, semantic_problems)


def read_run(path: str | FoundConfig, given: Mapping[str, Sequence[str]]) -> tuple[BaseModel, str]:
    """Return the validated config of a command line, and the run's name.

    Parameters
    ----------
    path
        The config file as ``--config`` names it, or one that was found by its name.
    given
        Field (dotted for nested) → the words after it.

    Raises
    ------
    ConfigProblems
        With every problem of the file and of the command line together.
    """
    config, problems = examine_run(path, given)
    if problems or config is None:
        raise ConfigProblems(problems, str(path))
    return config, path.name if isinstance(path, FoundConfig) else Path(path).stem


def examine_run(path: str | FoundConfig, given: Mapping[str, Sequence[str]]) -> tuple[BaseModel | None, list[str]]:
    """Return the config of the fields of a command line that are right, if there can be one, and every problem.

    Parameters as for :func:`read_run`.

    Raises
    ------
    ConfigProblems
        If the file can not be read.
    """
    found = path if isinstance(path, FoundConfig) else FoundConfig(Path(path), as_neptune=True)
    data = read_fields(found.path)
    model = model_of(given["task"][0] if given.get("task") else data.get("task"))
    data = resolve_paths(data, model, found.origin())
    overrides: dict[str, Any] = {}
    problems: list[str] = []
    for field, words in given.items():
        try:
            overrides[field] = parse_value(field, words, model)
        except ConfigProblems as error:
            problems += error.problems
    semantics = cast(Any, semantic_problems) if issubclass(model, Config) else None
    config, more = examine(model, override(data, overrides), semantics)
    return config, problems + more
