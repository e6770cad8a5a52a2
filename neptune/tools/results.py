"""What tools make: pictures, masks, numbers, each with the operations that made it and a key that tells it apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from neptune.scene.picture import Picture

Argument: TypeAlias = "str | float | bool | tuple[float, ...] | None"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a tool.

    Parameters
    ----------
    operation
        The tool's name.
    arguments
        Pairs of a parameter's name and its value, all parameters in order. A picture stands as its key.
    """

    operation: str
    arguments: tuple[tuple[str, Argument], ...] = ()

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.arguments)
        return f"{self.operation}({said})"


@dataclass(frozen=True, eq=False)
class Made:
    """A result of tools, or the picture they begin with.

    Parameters
    ----------
    value
        A :class:`~neptune.scene.picture.Picture`, a :class:`~neptune.scene.seen.masks.Mask`, a list of numbers or
        texts, or a dict of numbers.
    step
        The operation that made it; ``None``: the picture that was given.
    parent
        What it was made from.
    """

    value: Any
    step: Step | None = None
    parent: Made | None = None

    @classmethod
    def of(cls, picture: Picture | Made) -> Made:
        """Return a picture as the beginning of a history; what tools made as it is."""
        return picture if isinstance(picture, Made) else cls(picture)

    @cached_property
    def key(self) -> str:
        """What tells it apart: of a picture its digest; else of (operation, arguments, parent), 64 hex digits."""
        if self.step is None or self.parent is None:
            digest: str = self.value.digest
            return digest
        return key_of(self.step, self.parent.key)

    @property
    def history(self) -> tuple[Step, ...]:
        """The operations that made it, the first one first."""
        if self.step is None or self.parent is None:
            return ()
        return (*self.parent.history, self.step)

    def __repr__(self) -> str:
        return f"Made({' → '.join(map(str, self.history)) or 'picture'}: {self.value!r})"


def key_of(step: Step, parent: str) -> str:
    """Return the key of what an operation makes of the result with the key `parent`: SHA-256, 64 hex digits."""
    content = json.dumps([step.operation, step.arguments, parent], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
