"""How far a picture is from those that a detector or an oracle was trained on.

A network that was trained on one kind of picture answers about any other with the same confidence. One that can tell
says so: a detector with what it found, an oracle by a method ``domain(scene) -> Domain | None`` (see
:func:`neptune.scene.types.domain_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Domain:
    """What a network says of a picture.

    Parameters
    ----------
    by
        Who says it, e.g. ``"the detector 'embedded'"``.
    world
        The pictures that it was trained on.in words, e.g. ``"CLEVR renderings"``.
    score
        How far the picture is from them, ≥ 0; up to 1 it is one of them.
    """

    by: str
    world: str
    score: float

    @property
    def outside(self) -> bool:
        """Whether the picture is out of domain: what the network says of it means nothing."""
        return self.score > 1

    def __str__(self) -> str:
        likeness = "unlike" if self.outside else "like"
        known = f"the {self.world} that {self.by} was trained on"
        return f"the picture is {likeness} {known} (score {self.score:.2f}, limit 1)"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return asdict(self)

    @staticmethod
    def from_dict(fields: Mapping[str, Any] | None) -> Domain | None:
        """Return what :meth:`as_dict` kept; ``None`` of nothing.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        return None if fields is None else Domain(str(fields["by"]), str(fields["world"]), float(fields["score"]))
