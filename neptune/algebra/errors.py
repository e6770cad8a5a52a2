"""The one error of the algebra: what went wrong, what was expected, how to mend it."""

from __future__ import annotations


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
