"""The one error of the algebra: what went wrong, what was expected, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlgebraError(ValueError):
    """A mistake in the use of the algebra.

    Parameters
    ----------
    what
        What went wrong, with the variables and shapes concerned.
    expected
        What would have been accepted.
    hint
        What to do about it.
    """

    def __init__(self, what: str, *, expected: str = "", hint: str = "") -> None:
        self.what, self.expected, self.hint = what, expected, hint
        text = what.rstrip(".")
        if expected:
            text += f"; expected {expected.rstrip('.')}"
        if hint:
            text += f". {hint}" + ("" if hint.endswith(("?", ".")) else ".")
        super().__init__(text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the known names closest to `name`, or ``""``."""
    close = difflib.get_close_matches(name.lower(), list(known), n=2, cutoff=0.6)
    return "did you mean " + " or ".join(f"'{c}'" for c in close) + "?" if close else ""
