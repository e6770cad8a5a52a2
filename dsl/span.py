"""A place in the text of a program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the source: lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int
