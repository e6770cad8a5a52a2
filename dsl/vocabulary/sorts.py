"""Sorts: what kinds of things a domain speaks of."""

from __future__ import annotations

from dataclasses import dataclass

OBJECT = "Object"


@dataclass(frozen=True, slots=True)
class Sort:
    """A finite kind of value, such as Color.

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
    """

    name: str
    attribute: str
    values: tuple[str, ...] = ()
    ordered: bool = False
