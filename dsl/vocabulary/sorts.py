"""Sorts: what kinds of things a domain speaks of."""

from __future__ import annotations

from dataclasses import dataclass

OBJECT = "Object"
ANY = "Any"
"""In what a predicate is said of: an object or a container of any sort."""

Share = tuple[float, float, float, float]
"""A box ``x0 y0 x1 y1`` in shares of the picture's width and height, each in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Sort:
    """A kind of thing: values such as colours; containers, which hold objects; or a part of another kind of thing.

    Parameters
    ----------
    name
        ``"Color"``.
    attribute
        The word for it in a question: ``"color"``.
    values
        Its values in order; empty if they are not known (then the oracle is asked openly).
    ordered
        Whether the order of `values` means something (small before large).
    container
        Whether its members are boxes of the scene that hold objects, and are no objects themselves.
    places
        Where the containers are in every picture; empty if a scene says so itself.
    of
        Of a part of another sort (``Block``, the objects that are square): that sort. What makes a member one is the
        definition of the same name.
    wording
        Value → its words in a question, where they are declared.
    """

    name: str
    attribute: str
    values: tuple[str, ...] = ()
    ordered: bool = False
    container: bool = False
    places: tuple[Share, ...] = ()
    of: str = ""
    wording: tuple[tuple[str, str], ...] = ()

    @property
    def of_things(self) -> bool:
        """Whether its members are boxes of the scene: containers, or a part of objects or containers."""
        return self.container or bool(self.of)
