"""Errors of programs: what, where (with a caret), what was expected, how to mend it.

A person and the repair prompt of a language model read the same text. Nothing here knows the rest of
the language, so every other file may raise these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from dsl.span import Span

_WIDEST = 110


class ProgramError(Exception):
    """Something is wrong with a program: its text, its names, or what it does.

    Parameters
    ----------
    what
        What is wrong, in one short sentence.
    span
        Where; ``None`` if the place is not known.
    expected
        What would have been accepted.
    hint
        What to do about it.
    source
        The program's text, for the line with the caret.
    errors
        All the errors found, if there are several; the first one gives this error its parts.

    Attributes
    ----------
    what, expected, hint, source, span
        As given.
    line, column, end_line, end_column : int or None
        The place, counted from 1, the end exclusive.
    errors : tuple of ProgramError
        All the errors bundled here; ``(self,)`` for a single one.
    """

    def __init__(
        self,
        what: str,
        span: Span | None = None,
        *,
        expected: str = "",
        hint: str = "",
        source: str | None = None,
        errors: Sequence[ProgramError] = (),
    ) -> None:
        super().__init__(what)
        self.what, self.span, self.expected, self.hint = what, span, expected, hint
        self.source = source
        self.errors: tuple[ProgramError, ...] = tuple(errors) or (self,)

    @property
    def line(self) -> int | None:
        """The line of the fault, from 1."""
        return self.span.line if self.span else None

    @property
    def column(self) -> int | None:
        """The first column of the fault, from 1."""
        return self.span.column if self.span else None

    @property
    def end_line(self) -> int | None:
        """The line on which the fault ends."""
        return self.span.end_line if self.span else None

    @property
    def end_column(self) -> int | None:
        """The column after the fault's last character."""
        return self.span.end_column if self.span else None

    @classmethod
    def bundle(cls, errors: Sequence[ProgramError]) -> ProgramError:
        """Return one error for `errors` (at least one), which ``.errors`` then lists."""
        first = errors[0]
        if len(errors) == 1:
            return first
        return cls(first.what, first.span, expected=first.expected, hint=first.hint, source=first.source, errors=errors)

    def with_source(self, source: str) -> ProgramError:
        """Give this error (and those bundled in it) the text that it speaks of; return it."""
        for error in self.errors:
            error.source = source
        self.source = source
        return self

    def one_line(self) -> str:
        """Return the four parts in one line, without the caret."""
        text = self.what.rstrip(".")
        if self.span:
            text += f" (line {self.span.line}, column {self.span.column})"
        if self.expected:
            text += f"; expected {self.expected.rstrip('.')}"
        if self.hint:
            # A question ("did you mean …?") has its mark already.
            hint = self.hint.rstrip(".")
            text += f". {hint[:1].upper()}{hint[1:]}" + ("" if self.hint.endswith(("?", "!")) else ".")
        if len(self.errors) > 1:
            text += f" ({len(self.errors) - 1} more)"
        return " ".join(text.split())

    def render(self) -> str:
        """Return the four parts of this error alone, over several lines, with the source line and a caret."""
        lines = [self.what.rstrip(".")]
        if self.span:
            lines[0] += f" (line {self.span.line}, column {self.span.column})"
            lines += self._caret()
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def _caret(self) -> list[str]:
        if self.source is None or self.span is None:
            return []
        rows = self.source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not 1 <= self.span.line <= len(rows):
            return []
        row = rows[self.span.line - 1].replace("\t", " ")
        start = min(self.span.column - 1, len(row))
        end = self.span.end_column - 1 if self.span.end_line == self.span.line else len(row)
        end = max(min(end, len(row)), start + 1)
        if len(row) > _WIDEST:
            cut = max(0, min(start - 40, len(row) - _WIDEST))
            more = "…" if cut + _WIDEST < len(row) else ""
            row = ("…" if cut else "") + row[cut : cut + _WIDEST] + more
            shift = cut - (1 if cut else 0)
            start, end = start - shift, min(end - shift, len(row))
        return [f"    {row}", f"    {' ' * start}{'^' * max(1, end - start)}"]

    def __str__(self) -> str:
        return "\n".join(error.render() for error in self.errors) if len(self.errors) > 1 else self.render()


class LimitError(ProgramError):
    """A program needs more than a limit of :class:`dsl.Limits` allows.

    Parameters
    ----------
    limit
        The field of :class:`dsl.Limits`.
    allowed
        Its value.
    amount
        What the program has or needs; ``None`` if it was stopped on the way.
    """

    def __init__(
        self,
        limit: str,
        allowed: int,
        amount: int | None = None,
        span: Span | None = None,
        *,
        what: str = "",
        hint: str = "",
        source: str | None = None,
    ) -> None:
        self.limit, self.allowed, self.amount = limit, allowed, amount
        need = f"{amount:,}" if amount is not None else f"more than {allowed:,}"
        super().__init__(
            f"{what or 'the program'} needs {need} {limit.replace('_', ' ')}",
            span,
            expected=f"at most {allowed:,} (limit '{limit}')",
            hint=hint or f"make the program smaller, or raise the limit '{limit}' in the configuration",
            source=source,
        )


def did_you_mean(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return ``"did you mean 'a' or 'b'?"`` for the known names closest to `name`, or ``""``."""
    return any_of(closest(name, known, limit))


def any_of(names: Sequence[str]) -> str:
    """Return ``"did you mean 'a' or 'b'?"`` for the names, or ``""`` if there are none."""
    return "did you mean " + " or ".join(f"'{n}'" for n in names) + "?" if names else ""


def closest(name: str, known: Iterable[str], limit: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return up to `limit` of the known names that look most like `name`, best first."""
    by_lower = {k.lower(): k for k in known}
    word = name.lower()
    cutoff = max(cutoff, 0.7) if len(word) < 5 else cutoff
    found = difflib.get_close_matches(word, by_lower, n=limit, cutoff=cutoff)
    if not found:
        return []
    scores = [difflib.SequenceMatcher(None, word, f).ratio() for f in found]
    return [by_lower[f] for f, s in zip(found, scores, strict=True) if s >= scores[0] - 0.12]
