"""The templates of ``"…{}…".format(…)``: read here, by a grammar of their own, and never by Python's formatter.

A place is ``{}``, ``{0}`` or ``{name}``, with a plain format (``{:.2f}``). Nothing leads from a place into its value:
no attribute, no subscript, no place inside a format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dsl.errors import ProgramError
from dsl.span import Span
from dsl.syntax.strings import PLAIN_FORMAT

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"(?:[0-9]{1,3}|[A-Za-z_][A-Za-z0-9_]*)?")


@dataclass(frozen=True, slots=True)
class Field:
    """A place for a value: by position, from 0, or by name; and its format, such as ``.2f``."""

    name: int | str
    format: str = ""


def pieces(template: str, span: Span | None = None) -> tuple[str | Field, ...]:
    """Return the texts and the places of a template, in order.

    Raises
    ------
    ProgramError
        If it holds a brace alone, or a place with more than a name and a plain format.
    """
    out: list[str | Field] = []
    at, position = 0, 0
    numbered: set[bool] = set()
    for found in _PLACE.finditer(template):
        if found.start() > at:
            out.append(template[at : found.start()])
        at = found.end()
        if found.group() in ("{{", "}}"):
            out.append(found.group()[0])
            continue
        if found.group(1) is None:
            raise _fault(f"a '{found.group()}' alone in a text for .format", span, "write it twice, or close it")
        name, _, form = found.group(1).partition(":")
        if not _NAME.fullmatch(name) or name.startswith("__") or not PLAIN_FORMAT.fullmatch(form):
            raise _fault(
                f"the place '{_short(found.group())}' in a text for .format", span, "write {}, {name} or {:.2f}"
            )
        if name.isdigit() or not name:
            numbered.add(bool(name))
            out.append(Field(int(name) if name else position, form))
            position += not name
        else:
            out.append(Field(name, form))
    if len(numbered) > 1:
        raise _fault("places with and without numbers in one text for .format", span, "number all of them, or none")
    if at < len(template):
        out.append(template[at:])
    return tuple(out)


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"


def _fault(what: str, span: Span | None, hint: str) -> ProgramError:
    return ProgramError(what, span, expected="places such as {} or {name}, with a plain format", hint=hint)
