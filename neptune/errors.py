"""Errors that teach: what went wrong, where, what was expected and how to mend it.

Every mistake a user can make ends as a :class:`NeptuneError` (exit code 2, one line, no traceback).
Program errors are :class:`dsl.ProgramError`, which has the same four parts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from neptune.foreign import printable


class NeptuneError(Exception):
    """A user's mistake, or bad input.

    Parameters
    ----------
    what
        What went wrong, in one short sentence.
    where
        The file, field, sample or request in which it was found.
    expected
        What would have been accepted.
    hint
        What to do about it.
    """

    def __init__(self, what: str, *, where: str = "", expected: str = "", hint: str = "") -> None:
        # Errors quote what servers and files say: no key and no control character of theirs is passed on.
        self.what, self.where, self.expected, self.hint = (
            printable(str(part)) for part in (what, where, expected, hint)
        )
        super().__init__(self.one_line())

    def one_line(self) -> str:
        """Return the four parts as one line."""
        text = self.what.rstrip(".")
        if self.where:
            text += f" ({self.where})"
        if self.expected:
            text += f"; expected {self.expected.rstrip('.')}"
        if self.hint:
            # A question ("did you mean …?") has its mark already.
            text += f". {self.hint.rstrip('.')}" + ("" if self.hint.endswith(("?", "!")) else ".")
        return " ".join(text.split())

    def rename(self, names: Mapping[str, str]) -> None:
        """Say fields by other names: those of whoever reads this error."""
        if not names:
            return
        # A flag of the command line goes with its field; a longer name that holds a field's is another.
        pattern = re.compile(rf"(?<![\w/.-])(?:--)?({'|'.join(map(re.escape, names))})(?![\w/])")
        for part in ("what", "where", "expected", "hint"):
            setattr(self, part, pattern.sub(lambda found: names[found[1]], getattr(self, part)))
        self.args = (self.one_line(),)


_NAMES: ContextVar[Mapping[str, str] | None] = ContextVar("names", default=None)


@contextmanager
def fields_named(names: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Rename the fields of a configuration in the errors that leave this block; of blocks in blocks the outermost does.

    Yields
    ------
    Mapping
        The names that hold here.
    """
    outer = _NAMES.get()
    if outer is not None:
        yield outer
        return
    token = _NAMES.set(names)
    try:
        yield names
    except NeptuneError as error:
        error.rename(names)
        raise
    finally:
        _NAMES.reset(token)


class ConfigError(NeptuneError):
    """The configuration or the command line is wrong."""


class DatasetError(NeptuneError):
    """A dataset's file is missing, unreadable or does not have the expected fields."""


class ForeignPathError(DatasetError):
    """A path that somebody else's file names leads out of its folder, or to no regular file."""


class PictureError(NeptuneError):
    """A picture can not be read, or does not fit its annotation."""


class FilmError(NeptuneError):
    """A film can not be read."""


class ToolError(NeptuneError):
    """A picture tool that there is not, or arguments that do not fit it."""


class ModelFailedError(NeptuneError):
    """A model fails, whatever it is asked: the run ends, no sample is charged with it, and it resumes."""


class DetectorError(NeptuneError):
    """The detector failed, or found nothing."""


class DetectorFailedError(DetectorError, ModelFailedError):
    """The detector fails, whatever picture it is shown (no memory, a broken device): no sample is charged with it."""


class PerceptionError(NeptuneError):
    """A segmenter, a depth estimator or a reader of texts can not answer."""


class PerceptionFailedError(PerceptionError, ModelFailedError):
    """Its model failed in a way that ends the run: a device, memory, a file that can not be used."""


class OracleError(NeptuneError):
    """The oracle can not answer a question."""


class NotRecordedError(OracleError):
    """A recording does not hold what is asked of it: this says nothing of the answer, right or wrong."""


class OracleFailedError(OracleError, ModelFailedError):
    """The oracle fails, whatever it is asked (no key, no server, no memory): no sample is charged with it."""


class WriteError(NeptuneError):
    """A file can not be written: the disk is full, went away, or fails."""


class MissingExtraError(NeptuneError):
    """An optional dependency is not installed."""


def one_of(name: str, known: Iterable[str]) -> dict[str, str]:
    """Return ``expected`` and ``hint`` of an error about a name that is none of those known."""
    known = list(known)
    return {"expected": f"one of {', '.join(known)}", "hint": did_you_mean(name, known)}


def did_you_mean(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return ``"did you mean 'a' or 'b'?"`` for the known names closest to `name`, or ``""``."""
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=limit, cutoff=0.6)
    if not close:
        return ""
    return "did you mean " + " or ".join(f"'{by_lower[c]}'" for c in close) + "?"
