"""What a predicate is derived from, so that no oracle is asked about it: values of a sort, or the boxes.

A vocabulary says it in the field ``derive`` of a predicate: ``{"same": "Color"}``, ``{"greater": "Size"}``,
``{"less": "Size"}`` or ``{"boxes": "left"}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dsl.errors import did_you_mean
from dsl.vocabulary.fields import VocabularyError, only
from dsl.vocabulary.sorts import Sort

BOXES: dict[str, str] = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
    "larger": "smaller",
    "smaller": "larger",
}
"""What can be read off two boxes, with its converse."""

OF_ONE = frozenset({"left", "right", "above", "below"})
"""What can be read off one box: in which half of the picture it is."""

_CONVERSE = {"same": "same", "greater": "less", "less": "greater"}


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a predicate follows from.

    Parameters
    ----------
    kind
        ``same``: the two objects have one value of a sort; ``greater``, ``less``: the value of the first comes later
        (earlier) in the order of the sort; ``boxes``: the two boxes, or the box and the picture, compared.
    of
        The sort, or what is read off the boxes: a key of :data:`BOXES`.
    """

    kind: str
    of: str

    @property
    def converse(self) -> Derivation:
        """What the predicate with its two arguments swapped follows from."""
        if self.kind == "boxes":
            return Derivation("boxes", BOXES[self.of])
        return Derivation(_CONVERSE[self.kind], self.of)

    def tells(self, arity: int) -> bool:
        """Tell whether it says something of so many objects."""
        return arity == 2 or (arity == 1 and self.kind == "boxes" and self.of in OF_ONE)

    def ways(self, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Return the pairs of values, of the first and the second object, that make the relation true.

        Parameters
        ----------
        values
            The values of the sort, in order.
        """
        if self.kind == "same":
            return tuple((value, value) for value in values)
        pairs = tuple((high, low) for k, high in enumerate(values) for low in values[:k])
        return pairs if self.kind == "greater" else tuple((low, high) for high, low in pairs)


def derivation(row: Any, arities: Iterable[int], sorts: Mapping[str, Sort], where: str) -> Derivation:
    """Return the derivation of a field ``derive``.

    Parameters
    ----------
    row
        The field's value.
    arities
        Of the predicate.
    sorts
        The sorts of the vocabulary.
    where
        The predicate's place in the file, for errors.

    Raises
    ------
    VocabularyError
        If it is not of the documented form, or says nothing of a predicate of these arities.
    """
    place = f"{where}.derive"
    only(row, {"same", "greater", "less", "boxes"}, place)
    if len(row) != 1:
        raise VocabularyError(f"{place}: expected one of same, greater, less, boxes")
    ((kind, of),) = row.items()
    if kind == "boxes" and of not in BOXES:
        raise VocabularyError(f"{place}.boxes: expected one of {', '.join(BOXES)}, not {of!r}")
    if kind != "boxes" and (of not in sorts or not sorts[of].values):
        raise VocabularyError(f"{place}.{kind}: no sort {of!r} with values. {did_you_mean(str(of), sorts)}")
    if kind in ("greater", "less") and not sorts[of].ordered:
        raise VocabularyError(f"{place}.{kind}: the values of '{of}' are not ordered")
    found = Derivation(kind, of)
    if not any(found.tells(arity) for arity in arities):
        raise VocabularyError(f"{where}: what is derived from '{of}' is a relation of two objects")
    return found
