"""The pictures of a conversation: those it began with, those that blocks made, and names of those that were shown."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property

from neptune.scene.picture import Picture
from neptune.tools import Made

MOST_SHOWN_PIXELS = 2_000_000
"""A picture is shown to a model with so many pixels at most; the picture itself keeps its own."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture that a block handles: one that was given, or what tools made of one. Equal keys are one picture.

    Parameters
    ----------
    made
        The picture with the operations that made it.
    """

    made: Made

    @property
    def picture(self) -> Picture:
        """The picture itself."""
        value = self.made.value
        return value if isinstance(value, Picture) else value.picture

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels."""
        return self.picture.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shot) and self.made.key == other.made.key

    def __hash__(self) -> int:
        return hash(self.made.key)

    def __str__(self) -> str:
        steps = " → ".join(step.operation for step in self.made.history)
        return f"picture {self.size[0]}x{self.size[1]}{f' ({steps})' if steps else ''}"


@dataclass(frozen=True)
class Clue:
    """A picture that the model has seen, under its name.

    Parameters
    ----------
    name
        ``image_clue_0``, …
    picture
        The picture.
    history
        The operations that made it, in words.
    """

    name: str
    picture: Picture
    history: tuple[str, ...] = ()

    @cached_property
    def png(self) -> bytes:
        """The picture's file, as it is shown to the model and given to a sandbox."""
        image = self.picture.image
        if image.width * image.height > MOST_SHOWN_PIXELS:
            factor = (MOST_SHOWN_PIXELS / (image.width * image.height)) ** 0.5
            image = image.resize((max(1, int(image.width * factor)), max(1, int(image.height * factor))))
        kept = io.BytesIO()
        image.save(kept, "PNG")
        return kept.getvalue()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file: the picture's name in a record."""
        return hashlib.sha256(self.png).hexdigest()


@dataclass
class Gallery:
    """The pictures of one conversation by name, in the order in which the model saw them."""

    clues: list[Clue] = field(default_factory=list)

    def add(self, picture: Picture, history: tuple[str, ...] = ()) -> Clue:
        """Give a picture a name, unless it has one."""
        for clue in self.clues:
            if clue.picture.digest == picture.digest:
                return clue
        clue = Clue(f"image_clue_{len(self.clues)}", picture, history)
        self.clues.append(clue)
        return clue

    def named(self, name: str) -> Clue | None:
        """Return the picture of a name."""
        return next((clue for clue in self.clues if clue.name == name), None)

    def __len__(self) -> int:
        return len(self.clues)
