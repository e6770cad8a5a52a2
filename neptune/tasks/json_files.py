"""Reads JSON that somebody else wrote: what is wrong with one record never costs the others.

JSON that is cut off is an error of the file. Three things that parsers choke on, or pass over, are errors of the record
that holds them instead: a number of thousands of digits (read as infinite), values nested deeper than anyone means
(:data:`DEEPEST`, read as ``null``), and a field that is given twice (read as :class:`Twice`, which is of no type).
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from neptune.errors import DatasetError

DEEPEST = 100
"""Levels of nesting that are read."""

_MOST_KEPT = 30
"""Levels of what a reader takes over into a sample."""

_MOST_VALUES = 100_000
"""Values of what a reader takes over into a sample."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)

_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""What bytes that are no UTF-8 are read as; what is UTF-8 never holds one."""


class Twice:
    """Stands for the value of a field that an object gives twice: which one is meant can not be known."""

    def __repr__(self) -> str:
        return "given twice"


class Refused:
    """Stands for a record that was not read, and why."""

    def __init__(self, why: str) -> None:
        self.why = why


def parse_json(text: str) -> Any:
    """Return the values in a JSON text; see the module for what is read leniently.

    Raises
    ------
    json.JSONDecodeError
        If it is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_fields)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        text = _cut(text)
    except ValueError:
        pass  # Python converts no number of more than 4,300 digits
    return json.loads(text, object_pairs_hook=_fields, parse_int=_whole)


def read_json_file(
    path: Path,
    expected: str = "",
    *,
    missing: str = "--dry_run true says what to download and where to put it",
    damaged: str = "The file may be cut off: download it again",
) -> Any:
    """Return the content of a JSON file of a dataset.

    Raises
    ------
    DatasetError
        If it is missing, unreadable or no JSON; `expected` says what the file is, the others what to do then.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DatasetError(
            "The dataset's file does not exist", where=str(path), expected=expected, hint=missing
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"The dataset's file can not be read: {error}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"The dataset's file is no valid JSON: {error}", where=str(path), expected=expected, hint=damaged
        ) from error


def read_records(path: Path, key: str) -> list[Any]:
    """Read the list under `key` of a JSON file.

    Raises
    ------
    DatasetError
        If the file is missing, unreadable, no JSON, has no such list, or the list is empty.
    """
    content = read_json_file(
        path, missing="Check data_dir (and split)", damaged="The file may be cut off: make or download it again"
    )
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list):
        found = "the fields " + ", ".join(list(content)[:6]) if isinstance(content, dict) else type(content).__name__
        expected = f'{{"{key}": […]}}; found {found}'
        raise DatasetError(f"The file has no list '{key}'", where=str(path), expected=expected)
    if not records:
        raise DatasetError(f"The list '{key}' is empty", where=str(path), expected="at least one record")
    return records


def read_lines(path: Path, what: str) -> list[tuple[int, str]]:
    """Return the lines of a file of one JSON value a line that are not blank, each with its number from 1.

    A line with bytes that are no UTF-8 is among them: it is :func:`parse_line` that refuses it.

    Raises
    ------
    DatasetError
        If the file can not be read, is empty, or not one line of it is text; `what` says what it holds.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DatasetError(f"The {what} can not be read: {error}", where=str(path)) from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DatasetError(f"The file of {what} is empty", where=str(path), expected="one JSON object a line")
    if all("\0" in line or _foreign(line) for _, line in lines):
        raise DatasetError(f"The {what} can not be read", where=str(path), expected="text in UTF-8")
    return lines


def parse_line(line: str, where: str, expected: str) -> Any:
    """Return the value in a line of :func:`read_lines`.

    Raises
    ------
    DatasetError
        If it is no UTF-8 or no JSON; `expected` shows a good line.
    """
    if byte := _foreign(line):
        raise DatasetError(
            f"The line is no UTF-8 at column {byte.start() + 1}",
            where=where,
            expected=expected,
            hint="Save it as UTF-8",
        )
    try:
        return parse_json(line)
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"The line is no JSON: {error.msg}, column {error.colno}", where=where, expected=expected
        ) from error


def _foreign(line: str) -> re.Match[str] | None:
    """Return the first byte of a line that is no UTF-8."""
    return _NO_UTF8.search(line)


def shallow(value: Any, where: str) -> None:
    """Check that what a sample keeps of a record can be written and shown.

    Raises
    ------
    DatasetError
        If it is nested too deeply.
    """
    level: list[Any] = [value]
    left = _MOST_VALUES
    for _ in range(_MOST_KEPT):
        left -= len(level)
        if left < 0:
            raise DatasetError("The record is too large", where=where, expected=f"at most {_MOST_VALUES:,} values")
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise DatasetError("The record is nested too deeply", where=where, expected=f"at most {_MOST_KEPT} levels")


def shown(value: Any) -> str:
    """Return a value of a record as an error shows it: as JSON, short."""
    if isinstance(value, dict | list | tuple):
        whole = len(value) > 20 or any(isinstance(v, dict | list | tuple) for v in value)
        if whole:
            return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        return json.dumps(value, default=str, ensure_ascii=False)[:60]
    except ValueError:
        return "a number without end"


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                fields[name] = Twice()
            seen.add(name)
    return fields


def _whole(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:
        return -math.inf if digits.startswith("-") else math.inf


def _cut(text: str) -> str:
    """Return the text with every list and object below :data:`DEEPEST` levels as ``null``."""
    kept: list[str] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept += [text[start : token.start()], "null"]
        elif mark in "]}":
            if depth == DEEPEST + 1:
                start = token.end()
            depth -= 1
    return "".join(kept) + (text[start:] if depth <= DEEPEST else "")
