"""A sandbox: blocks of Python, one child a conversation, what came of each."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from neptune.errors import ConfigError, one_of
from neptune.sandbox.bubblewrap import Bubblewrap
from neptune.sandbox.gvisor import GVisor
from neptune.sandbox.limits import SandboxLimits
from neptune.sandbox.pipes import ChildEndedError, MalformedError, TooLateError
from neptune.sandbox.process import Child, TooManyFilesError

KINDS: Final[dict[str, type[Bubblewrap] | type[GVisor]]] = {"bwrap": Bubblewrap, "gvisor": GVisor}
MOST_VALUES, MOST_ANSWER = 40, 10_000
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one block.

    Parameters
    ----------
    text
        What it printed, cut in the middle.
    pictures
        What it showed, PNG each; as it comes from the sandbox, nothing in it is checked but its size in pixels.
    values
        The plain values that it gave names, and ``"function"`` for functions.
    answer, answered
        What it returned outside any function, and whether it did.
    error
        What went wrong in it, in one line, with the line of its code; ``""``: nothing.
    ended
        Why the child was ended: ``timeout``, ``files``, ``died`` (a limit on memory or processor time, or by itself),
        ``protocol`` (it sent what is no message); ``""``: it lives.
    fresh
        Whether this block was the first of its child.
    seconds
        How long it took.
    """

    text: str = ""
    pictures: tuple[bytes, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    answer: Any = None
    answered: bool = False
    error: str = ""
    ended: str = ""
    fresh: bool = False
    seconds: float = 0.0


class Sandbox:
    """Runs blocks of Python in a child that can reach nothing.

    Parameters
    ----------
    kind
        ``bwrap`` (bubblewrap) or ``gvisor``.
    limits
        What a child may use.

    Raises
    ------
    ConfigError
        If there is no such kind.
    MissingExtraError
        If what it needs is not installed. There is no other way: code is never run outside a sandbox.

    Examples
    --------
    >>> with Sandbox("bwrap") as sandbox:                                   # doctest: +SKIP
    ...     sandbox.run("2 + 2").text
    '4\\n'
    """

    def __init__(self, kind: str = "bwrap", limits: SandboxLimits | None = None) -> None:
        if kind not in KINDS:
            raise ConfigError(f"There is no sandbox '{kind}'", where="sandbox", **one_of(kind, KINDS))
        self.kind = kind
        self.limits = limits or SandboxLimits()
        self._starter = KINDS[kind]()
        self._child: Child | None = None
        self._given: set[str] = set()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether a child runs, with what earlier blocks defined."""
        return self._child is not None

    def start(self) -> None:
        """Start the child now, and not with the first block.

        Raises
        ------
        SandboxError
            If it can not be started.
        """
        if self._child is None:
            self._child = Child(self._starter, self.limits)

    def run(self, code: str, pictures: Mapping[str, bytes] | None = None) -> Ran:
        """Run a block.

        Parameters
        ----------
        code
            Python.
        pictures
            All pictures that it may name, PNG each; a child is sent each once.

        Raises
        ------
        SandboxError
            If no child can be started.
        """
        fresh, begun = not self.alive, time.monotonic()
        self.start()
        assert self._child is not None
        new = {name: png for name, png in (pictures or {}).items() if name not in self._given}
        self._given |= new.keys()
        limits = self.limits
        try:
            said, shown = self._child.exchange(code, new)
            ran = _read(said, shown, limits)
        except TooLateError:
            ran = Ran(ended="timeout", error=f"TimeoutError: the block was stopped after {limits.seconds:g} s")
        except TooManyFilesError:
            ran = Ran(ended="files", error=f"OSError: the block wrote more than {limits.files} files and was stopped")
        except ChildEndedError:
            why = "by itself, or at the limit of its memory or processor time"
            ran = Ran(ended="died", error=f"SystemExit: the Python process ended: {why}")
        except MalformedError as fault:
            ran = Ran(ended="protocol", error=f"SystemExit: the Python process sent no result, but {fault}")
        if ran.ended:
            self.close()
        return replace(ran, fresh=fresh, seconds=time.monotonic() - begun)

    def close(self) -> None:
        """End the child, with every process of its group."""
        child, self._child = self._child, None
        self._given = set()
        if child is not None:
            child.close()


def _read(said: dict[str, Any], shown: tuple[bytes, ...], limits: SandboxLimits) -> Ran:
    """Return what a child says as a result, each part checked: a block may say whatever it likes."""
    text, values, answers, fault = (said.get(name) for name in ("text", "values", "answers", "error"))
    if not isinstance(text, str) or not isinstance(values, dict) or not isinstance(answers, list) or len(answers) > 1:
        raise MalformedError("a result of another form")
    for png in shown:
        size = struct.unpack(">II", png[16:24]) if png.startswith(_PNG) and len(png) > 24 else (0, 0)
        if not 0 < size[0] * size[1] <= limits.picture_pixels:
            raise MalformedError("a picture that is none")
    error = ""
    if isinstance(fault, dict):
        kind, message, line = (fault.get(name) for name in ("type", "message", "line"))
        error = f"{str(kind)[:100]}: {str(message)[:1000]}" + (f" (line {line})" if type(line) is int and line else "")
    return Ran(
        text=text[: limits.text_chars + 200],
        pictures=shown,
        values={str(name)[:100]: _plain(value) for name, value in list(values.items())[:MOST_VALUES]},
        answer=_plain(answers[0]) if answers else None,
        answered=bool(answers),
        error=error,
    )


def _plain(value: Any) -> Any:
    """Return a value of JSON that is no larger than an answer is."""
    return value if len(repr(value)) <= MOST_ANSWER else repr(value)[:MOST_ANSWER]
