"""What is known of a predicate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from dsl.vocabulary.derived import Derivation, derivation
from dsl.vocabulary.fields import VocabularyError, flag, only, text
from dsl.vocabulary.geometry import ARITIES, Geometry
from dsl.vocabulary.sorts import ANY, OBJECT, Sort

PLACES = ("first", "second", "third", "fourth", "fifth")
"""What the arguments are called in wording: ``"is {first} inside {second}?"``."""
MOST_ARGUMENTS = len(PLACES)


@dataclass(frozen=True, slots=True)
class PredicateFacts:
    """What is known of a predicate: arities, symmetry, its name with arguments swapped, the attribute that it compares,
    its words in a question, what it is derived from (then it is never asked), and the sorts of its arguments."""

    arities: frozenset[int]
    symmetric: bool = False
    converse: str | None = None
    same: str | None = None
    wording: str | None = None
    derived: Derivation | None = None
    of: tuple[str, ...] = ()


def facts(row: Mapping[str, Any], sorts: Mapping[str, Sort], geometry: Geometry, where: str) -> PredicateFacts:
    """Return what the fields of a predicate say.

    Raises
    ------
    VocabularyError
        If a field is unknown, or says what can not be.
    """
    only(row, {"arity", "symmetric", "converse", "same", "wording", "derive", "of"}, where)
    kind = row["derive"].get("geometry") if isinstance(row.get("derive"), Mapping) else None
    usual = min(ARITIES.get(kind, (1,))) if isinstance(kind, str) else 1
    said_of = row.get("of", [])
    if not isinstance(said_of, list) or not all(isinstance(s, str) for s in said_of):
        raise VocabularyError(f'{where}.of: expected a list of sorts, such as ["Object", "Box"]')
    arity = row.get("arity", len(said_of) or usual)
    arities = arity if isinstance(arity, list) else [arity]
    if not arities or not all(isinstance(a, int) and not isinstance(a, bool) and a >= 0 for a in arities):
        raise VocabularyError(f"{where}: 'arity' is a number or a list of numbers, not {arity!r}")
    if max(arities) > MOST_ARGUMENTS:
        raise VocabularyError(f"{where}: 'arity' is {max(arities)}; a predicate has at most {MOST_ARGUMENTS} arguments")
    things = [OBJECT, ANY, *(s.name for s in sorts.values() if s.of_things)]
    for sort in said_of:
        if sort not in things:
            raise VocabularyError(f"{where}.of: expected one of {', '.join(things)}, not {sort!r}")
    if said_of and len(said_of) != max(arities):
        raise VocabularyError(f"{where}.of: {len(said_of)} sorts for {max(arities)} argument(s)")
    same, symmetric = row.get("same"), flag(row, "symmetric", where)
    derived = derivation(row["derive"], arities, sorts, geometry, where) if "derive" in row else None
    if derived is not None and derived.kind == "same":
        attribute = sorts[derived.of].attribute
        if same not in (None, attribute):
            raise VocabularyError(f"{where}: it compares '{same}', but is derived from '{derived.of}'")
        same, symmetric = attribute, True
    elif derived is not None and derived.symmetric:
        symmetric = True
    elif derived is not None and symmetric:
        raise VocabularyError(f"{where}: what is derived from '{derived.kind}' is not symmetric")
    attributes = {s.attribute for s in sorts.values()} | {"object"}
    if same is not None and same not in attributes:
        raise VocabularyError(f"{where}.same: no sort has the attribute {same!r}: expected {', '.join(attributes)}")
    for name in ("symmetric", "converse", "same"):
        if (row.get(name) or (name == "symmetric" and symmetric)) and 2 not in arities:
            raise VocabularyError(f"{where}: '{name}' is said of a predicate of two arguments, not of {arity}")
    wording = text(row, "wording", where)
    if wording is not None:
        check_wording(wording, max(arities), f"{where}.wording")
    made = PredicateFacts(frozenset(arities), symmetric, text(row, "converse", where), same, wording, derived)
    return replace(made, of=tuple(said_of) or _usual_sorts(derived, max(arities), sorts))


def check_wording(words: str, arity: int, where: str) -> None:
    """Raise :class:`VocabularyError` if words of a question name what is none of its arguments."""
    try:
        named = {name for _, name, _, _ in Formatter().parse(words) if name is not None}
    except ValueError as error:
        raise VocabularyError(f"{where}: {error}") from error
    allowed = PLACES[:arity]
    if not words.strip() or not named <= set(allowed):
        fields = ", ".join(f"{{{place}}}" for place in allowed)
        raise VocabularyError(f"{where}: expected words, or a question with {fields}, not {words!r}")
    if named and named != set(allowed):
        missing = ", ".join(f"{{{place}}}" for place in allowed if place not in named)
        raise VocabularyError(f"{where}: the question does not say where {missing} is: {words!r}")


def _usual_sorts(derived: Derivation | None, arity: int, sorts: Mapping[str, Sort]) -> tuple[str, ...]:
    """Return the sorts of a predicate's arguments where it does not say them: of what contains, containers."""
    if derived is not None and derived.kind == "boxes" and derived.of in ("inside", "contains"):
        containers = [s.name for s in sorts.values() if s.container]
        outer = derived.geometry.within or (containers[0] if len(containers) == 1 else ANY)
        return (OBJECT, outer) if derived.of == "inside" else (outer, OBJECT)
    return (OBJECT,) * arity
