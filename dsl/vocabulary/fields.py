"""Reading the fields of a vocabulary file, with errors that name the field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dsl.errors import did_you_mean


class VocabularyError(ValueError):
    """A vocabulary file is missing, unreadable, or not of the documented form."""


def is_file_name(name: str) -> bool:
    """Tell whether the name of a vocabulary is that of a file, not of one that ships."""
    return name.endswith(".json") or "/" in name


def only(row: Any, known: Iterable[str], where: str) -> None:
    """Raise :class:`VocabularyError` if `row` is no object, or has a field that is not known."""
    if not isinstance(row, Mapping):
        raise VocabularyError(f"{where}: expected an object, not {type(row).__name__}")
    for name in row:
        if name not in known:
            raise VocabularyError(f"{where}: unknown field '{name}'. {did_you_mean(name, known)}")


def object(data: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """Return the object in a field; an empty one if there is none."""
    row = data.get(name, {})
    if not isinstance(row, Mapping):
        raise VocabularyError(f"{where}: '{name}' is an object, not {type(row).__name__}")
    return row


def pairs(data: Mapping[str, Any], name: str, where: str) -> dict[str, str]:
    """Return the words of a field that maps words to words."""
    row = object(data, name, where)
    if not all(isinstance(v, str) for v in row.values()):
        raise VocabularyError(f"{where}: '{name}' maps words to words")
    return dict(row)


def words(row: Any, where: str) -> tuple[str, ...]:
    """Return a list of words."""
    if not isinstance(row, list) or not all(isinstance(v, str) for v in row):
        raise VocabularyError(f"{where}: expected a list of words")
    return tuple(row)


def read(path: Path) -> Mapping[str, Any]:
    """Return the content of a file, a JSON object."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VocabularyError(f"vocabulary {path}: {error}") from error
    if not isinstance(data, Mapping):
        raise VocabularyError(f"vocabulary {path}: expected a JSON object")
    return data


def text(row: Mapping[str, Any], name: str, where: str) -> str | None:
    """Return the text in a field, or ``None`` if there is none."""
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise VocabularyError(f"{where}: '{name}' is a text, not {value!r}")
    return value


def flag(row: Mapping[str, Any], name: str, where: str) -> bool:
    """Return the truth in a field; false if there is none."""
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise VocabularyError(f"{where}: '{name}' is true or false, not {value!r}")
    return value
