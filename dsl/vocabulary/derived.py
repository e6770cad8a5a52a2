"""What a predicate is derived from, so that no oracle is asked about it: values of a sort, or the boxes.

A vocabulary says it in the field ``derive`` of a predicate: ``{"same": "Color"}``, ``{"greater": "Size"}``,
``{"less": "Size"}``, ``{"boxes": "left"}`` or ``{"geometry": "touching", "gap": 2}`` (:mod:`dsl.vocabulary.geometry`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dsl.errors import did_you_mean
from dsl.vocabulary.fields import VocabularyError, only
from dsl.vocabulary.geometry import ARITIES, Geometry, geometry
from dsl.vocabulary.sorts import Sort

BOXES: dict[str, str] = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
    "larger": "smaller",
    "smaller": "larger",
}
"""What can be read off two boxes without saying more of it, with its converse."""

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
        The sort, or what is read off the boxes: a key of :data:`dsl.vocabulary.geometry.ARITIES`.
    measured
        How it is read off the boxes, where more is said than what.
    """

    kind: str
    of: str
    measured: Geometry | None = None

    @property
    def geometry(self) -> Geometry:
        """What is read off the boxes, and how."""
        return self.measured or Geometry(self.of)

    @property
    def symmetric(self) -> bool:
        """Whether the order of two objects does not matter."""
        return self.kind == "same" or (self.kind == "boxes" and self.geometry.symmetric)

    @property
    def converse(self) -> Derivation:
        """What the predicate with its two arguments swapped follows from."""
        if self.kind == "boxes":
            found = self.geometry.converse
            return Derivation("boxes", found.kind, found if self.measured is not None else None)
        return Derivation(_CONVERSE[self.kind], self.of)

    def tells(self, arity: int) -> bool:
        """Tell whether it says something of so many objects."""
        return arity in (ARITIES[self.of] if self.kind == "boxes" else (2,))

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


def derivation(row: Any, arities: Iterable[int], sorts: Mapping[str, Sort], given: Geometry, where: str) -> Derivation:
    """Return the derivation of a field ``derive``.

    Parameters
    ----------
    row
        The field's value.
    arities
        Of the predicate.
    sorts
        The sorts of the vocabulary.
    given
        What the file declares of all geometry.
    where
        The predicate's place in the file, for errors.

    Raises
    ------
    VocabularyError
        If it is not of the documented form, or says nothing of a predicate of these arities.
    """
    place = f"{where}.derive"
    if isinstance(row, Mapping) and "geometry" in row:
        measured = geometry(row, given, sorts, place)
        if not all(arity in ARITIES[measured.kind] for arity in arities):
            takes = " or ".join(map(str, sorted(ARITIES[measured.kind])))
            raise VocabularyError(f"{where}: '{measured.kind}' says something of {takes} box(es)")
        return Derivation("boxes", measured.kind, measured)
    only(row, {"same", "greater", "less", "boxes", "geometry"}, place)
    if len(row) != 1:
        raise VocabularyError(f"{place}: expected one of same, greater, less, boxes, geometry")
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
