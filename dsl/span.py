"""A place in the text of a program."""

from __future__ import annotations

from typing import Any, NamedTuple


class Span(NamedTuple):
    """A place in the source: lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


def join(first: Any, last: Any) -> Span:
    """Return the span from the start of `first` to the end of `last` (tokens or nodes)."""
    a, b = first.span, last.span
    return Span(a.line, a.column, b.end_line, b.end_column)
