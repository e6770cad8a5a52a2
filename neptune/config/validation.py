"""From fields and the words of a command line to a validated model, with every problem said in one line.

Knows no field: the models do (`neptune.config.Config`, and those that tasks bring).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from neptune.errors import ConfigError, did_you_mean
from neptune.foreign import printable
from neptune.words import choices, describe_type, describe_value, is_model, is_nested, parse_untyped, parse_words

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound="BaseModel")


class ConfigProblems(ConfigError):
    """Everything that is wrong with a configuration.

    Parameters
    ----------
    problems
        One line each, at least one.
    where
        The config file, or the command line.
    """

    def __init__(self, problems: Sequence[str], where: str = "") -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("; ".join(self.problems), where=where)


Semantics = Callable[[M, Iterable[str]], list[str]]
"""Says what is wrong with a config beyond types; its second argument names fields to ignore, whose types are wrong."""


def validate(
    model: type[M], data: Mapping[str, Any], where: str = "config", semantics: Semantics[M] | None = None
) -> M:
    """Validate fields by a model.

    Parameters
    ----------
    model
        The fields and their types.
    data
        Field → value.
    where
        What errors name as the source.
    semantics
        Says what is wrong beyond types.

    Raises
    ------
    ConfigProblems
        With one line for each problem.
    """
    config, problems = examine(model, data, semantics)
    if problems or config is None:
        raise ConfigProblems(problems, where)
    return config


def examine(
    model: type[M], data: Mapping[str, Any], semantics: Semantics[M] | None = None
) -> tuple[M | None, list[str]]:
    """Return the config of the fields that are right, and a line for each problem, so that one run shows them all.

    There is no config where a field that the model needs is wrong or missing.
    """
    from pydantic import ValidationError

    problems: list[str] = []
    bad: set[str] = set()
    try:
        config = model.model_validate(dict(data))
    except ValidationError as error:
        problems = _problem_lines(model, error, data)
        bad = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
        try:
            config = model.model_validate({k: v for k, v in data.items() if k not in bad})
        except ValidationError:
            return None, problems
    return config, problems + (semantics(config, bad) if semantics else [])


def override(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with fields replaced; a dotted name replaces a field of a field."""
    result = dict(data)
    for dotted, value in overrides.items():
        *parents, last = dotted.split(".")
        target = result
        for parent in parents:
            child = target.get(parent)
            target[parent] = dict(child) if isinstance(child, dict) else {}
            target = target[parent]
        target[last] = value
    return result


def _problem_lines(model: type[BaseModel], error: ValidationError, data: Mapping[str, Any]) -> list[str]:
    """Return one line a field; what pydantic says of each branch of a union becomes the field's type."""
    lines: dict[str, str] = {}
    for e in error.errors():
        name, owner, value = str(e["loc"][0]) if e["loc"] else "config", model, data.get(str(e["loc"][0]))
        field = owner.model_fields.get(name)
        inner = field.annotation if field else None
        if len(e["loc"]) > 1 and is_model(inner):
            owner, last = inner, str(e["loc"][1])
            name, field = f"{name}.{last}", inner.model_fields.get(last)
            value = value.get(last) if isinstance(value, Mapping) else value
        if e["type"] == "extra_forbidden":
            lines[name] = unknown_field(name, owner)
        elif e["type"] == "value_error":  # a model's own check, which says it all
            lines.setdefault(name, f"'{name}': {e['ctx']['error']}")
        elif name not in lines:
            wanted = describe_type(field.annotation) if field else e["msg"]
            if e["type"].startswith(("greater_than", "less_than", "string_pattern", "too_short", "too_long")):
                wanted = e["msg"].partition(" should ")[2].removeprefix("be ").removeprefix("have ")
            given = "not given" if e["type"] == "missing" else describe_value(value)
            lines[name] = f"'{name}' is {given}; expected {wanted}"
            if e["type"] == "literal_error" and field:
                hint = did_you_mean(str(e["input"]), choices(field.annotation))
                lines[name] += f"; {hint}" if hint else ""
    return list(lines.values())


def unknown_field(name: str, model: type[BaseModel]) -> str:
    """Return the line that says that a field does not exist, with the closest names."""
    hint = did_you_mean(name.rpartition(".")[2], model.model_fields)
    return f"unknown field '{name}'; {hint or 'run with --help for the list of fields'}"


def parse_value(name: str, words: Sequence[str], model: type[BaseModel]) -> Any:
    """Return the value that the words after ``--name`` give, by the field's type.

    Parameters
    ----------
    name
        Field, dotted for nested.
    words
        The words after it: none (a bool's true), one, or several (a list).
    model
        Whose field it is.

    Raises
    ------
    ConfigProblems
        If the field does not exist or its type does not take these words.
    """
    field, *nested = name.split(".")
    fields = model.model_fields
    if field not in fields:
        raise ConfigProblems([unknown_field(field, model)], "command line")
    annotation = fields[field].annotation
    if nested:
        if not is_nested(annotation) or "" in nested:
            raise ConfigProblems([f"'{field}' has no nested field '{'.'.join(nested)}'"], "command line")
        return parse_untyped(words)
    try:
        return parse_words(annotation, words)
    except ValueError as error:
        given = describe_value(" ".join(words)) if words else "empty"
        raise ConfigProblems([f"'--{name}' is {given}; {error}"], "command line") from None
