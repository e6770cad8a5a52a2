"""In words: types of config fields, values parsed from the words of a command line, formulas for a reader."""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel

_NAMES = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null", Path: "a path"}


def describe_type(annotation: Any) -> str:
    """Return a field's type in words: ``"an integer or null"``."""
    words = []
    for part in _parts(annotation):
        origin = get_origin(part)
        if origin is Literal:
            words += [str(v) for v in get_args(part)]
        elif origin is list:
            (item,) = get_args(part)
            named = ", ".join(choices(item))
            (kind, *_) = _parts(item)
            words.append("a list of " + (named or {int: "integers", str: "texts"}.get(kind, "values")))
        elif origin is dict or is_model(part):
            words.append("an object")
        else:
            words.append(_NAMES.get(part) or str(getattr(part, "__name__", part)))
    return " or ".join(words)


def all_if_minus_one(value: Any) -> Any:
    """NePTune's ``num_samples: -1`` is all of them."""
    return None if value == -1 and not isinstance(value, bool) else value


def listed(value: Any) -> Any:
    """NePTune's ``"0,1"`` as a list."""
    if isinstance(value, str) and value.strip():
        parts = [part.strip() for part in value.split(",")]
        return [int(p) if p.isdecimal() else p for p in parts]
    return value


def choices(annotation: Any) -> list[str]:
    """Return the values that a field, or an item of its list, is chosen from, as texts; none where it is free."""
    found = []
    for part in _parts(annotation):
        if get_origin(part) is Literal:
            found += [str(value) for value in get_args(part)]
        elif get_origin(part) is list:
            found += choices(get_args(part)[0])
    return found


def describe_value(value: Any) -> str:
    """Return a value as JSON, cut to 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def jsonable(value: Any) -> Any:
    """Return `value` as JSON can hold it: tuples and arrays as lists, NaN and infinities as null, else text."""
    if callable(to_list := getattr(value, "tolist", None)):  # arrays, and numbers of numpy
        value = to_list()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [jsonable(v) for v in value]
    return str(value)


def is_nested(annotation: Any) -> bool:
    """Whether a field is an object whose own fields may be set by dotted names."""
    return any(kind is dict or is_model(kind) for kind in _kinds(annotation))


def takes_several(annotation: Any) -> bool:
    """Whether several words after ``--field`` can be its value: those of a list."""
    return list in _kinds(annotation)


def parse_words(annotation: Any, words: Sequence[str]) -> Any:
    """Return the value that the words after ``--field`` give: no word is a bool's true, several are a list.

    Numbers of a list may have commas between them (``0,1``). Lists and objects may also be written as JSON.

    Raises
    ------
    ValueError
        If the type does not take these words; the message says what was expected.
    """
    kinds = _kinds(annotation)
    expected = "expected " + describe_type(annotation)
    if not words:
        if bool in kinds:
            return True
        raise ValueError(expected)
    as_json = is_nested(annotation) or (list in kinds and words[0].lstrip().startswith("["))
    if as_json and len(words) == 1:
        try:
            return json.loads(words[0])
        except (json.JSONDecodeError, RecursionError):
            raise ValueError(expected + ", as JSON") from None
    if list in kinds and (len(words) > 1 or str not in kinds):
        items = next(_kinds(get_args(p)[0]) for p in _parts(annotation) if get_origin(p) is list)
        if str not in items:  # numbers may also stand with commas between them: 0,1
            words = [part for word in words for part in word.split(",")]
        return [_scalar(w, items, expected) for w in words]
    if len(words) > 1:
        raise ValueError(f"expected one value, not {len(words)} (put text in quotes)")
    return _scalar(words[0], kinds, expected)


def parse_untyped(words: Sequence[str]) -> Any:
    """Return the value of a nested field, whose type is not known here: JSON where it is JSON, else text."""
    values = []
    for word in words:
        try:
            values.append(json.loads(word))
        except (json.JSONDecodeError, RecursionError):
            values.append(word)
    return True if not values else values[0] if len(values) == 1 else values


def _scalar(text: str, kinds: set[Any], expected: str) -> Any:
    lowered = text.strip().lower()
    if type(None) in kinds and lowered in ("null", "none"):
        return None
    if bool in kinds and lowered in ("true", "false", "yes", "no"):
        return lowered in ("true", "yes")
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
    if str in kinds or Path in kinds:
        return text
    raise ValueError(expected)


def _parts(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [part for arg in get_args(annotation) for part in _parts(arg)]
    return [annotation]


def _kinds(annotation: Any) -> set[Any]:
    """The runtime types that a field takes; a literal counts as the types of its values."""
    kinds: set[Any] = set()
    for part in _parts(annotation):
        origin = get_origin(part)
        kinds |= {type(v) for v in get_args(part)} if origin is Literal else {origin or part}
    return kinds


def is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    """Tell whether a type is a model of pydantic's: fields with types of their own."""
    from pydantic import BaseModel

    return isinstance(kind, type) and issubclass(kind, BaseModel)


_VARIABLES = "xyzwuvst"
_SIGNS = (
    (re.compile(r"ι(\w+) "), r"the \1 with "),
    (re.compile(r"#(\w+) "), r"how many \1 with "),
    (re.compile(r"∃(\w+) "), r"some \1 with "),
    (re.compile(r"∀(\w+) "), r"every \1 has "),
    (re.compile(" ∧ "), " and "),
    (re.compile(" ∨ "), " or "),
    (re.compile("¬"), "not "),
    (re.compile(" ≠ "), " is not "),
)
_MEANT = re.compile(r"(?:E|at)\[(\w+) ~ ([^\[\]]*)\] ")


def in_words(text: str) -> str:
    """Return a formula's text with words for its signs and short names for its variables; other texts as they are.

    ``ι@0 (red(@0) ∧ cube(@0))`` is "the x with (red(x) and cube(x))". The report's page says the same words
    (``runs/report/page/words.js``) and shows the notation on demand.
    """
    text = re.sub(r"@(\d+)", lambda m: _VARIABLES[int(m[1])] if int(m[1]) < len(_VARIABLES) else m[0], text)
    while True:  # E[y ~ the y meant] …: innermost first
        inside = _MEANT.sub(r"\1 being \2: ", text)
        if inside == text:
            break
        text = inside
    for sign, words in _SIGNS:
        text = sign.sub(words, text)
    return text
