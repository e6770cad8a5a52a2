"""A vocabulary file made of its fields, and what can be wrong with it: each fault names its field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dsl.builtins import BUILTINS, RESERVED
from dsl.errors import did_you_mean
from dsl.syntax.keywords import KEYWORDS
from dsl.vocabulary import fields
from dsl.vocabulary.definitions import Definition, Key, definitions, key
from dsl.vocabulary.facts import PredicateFacts, check_wording, facts
from dsl.vocabulary.fields import VocabularyError
from dsl.vocabulary.geometry import CONVERSE, Geometry, measures
from dsl.vocabulary.sorts import ANY, OBJECT, Share, Sort

PRESUPPOSITIONS = ("auto", "abstain", "answer")
FIELDS = (
    *("name", "closed", "sorts", "sort_synonyms", "predicates", "definitions", "vacuous", "superlatives", "synonyms"),
    *("geometry", "presuppositions"),
)
_NAME = re.compile(r"[A-Za-z_]\w*\Z")


def arguments(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the arguments of :class:`~dsl.vocabulary.vocabulary.Vocabulary` that a JSON object describes.

    Raises
    ------
    VocabularyError
        If a field is unknown, missing or of the wrong type, or names something that is not there or can not be.
    """
    fields.only(data, FIELDS, where)
    if not isinstance(data.get("name"), str):
        raise VocabularyError(f"{where}: 'name' is missing")
    rows = fields.object(data, "sorts", where)
    sorts = {name: _sort(name, row, f"{where}: sorts.{name}") for name, row in rows.items()}
    _check_parts(sorts, where)
    given = fields.object(data, "geometry", where)
    fields.only(given, {"unit", "tolerance", "gap"}, f"{where}: geometry")
    geometry = measures(given, Geometry(""), f"{where}: geometry")
    known = {
        name: facts(row, sorts, geometry, f"{where}: predicates.{name}")
        for name, row in fields.object(data, "predicates", where).items()
    }
    known = _with_converses(known, where)
    superlatives = {}
    for name, row in fields.object(data, "superlatives", where).items():
        fields.only(row, {"comparative"}, f"{where}: superlatives.{name}")
        superlatives[name] = str(row.get("comparative", ""))
    membership = {name: row["where"] for name, row in rows.items() if sorts[name].of}
    of = {(key(name), n): f.of[:n] for name, f in known.items() for n in f.arities}
    synonyms = fields.pairs(data, "synonyms", where)
    presuppositions = data.get("presuppositions", "auto")
    if presuppositions not in PRESUPPOSITIONS:
        raise VocabularyError(
            f"{where}: presuppositions is one of {', '.join(PRESUPPOSITIONS)}, not {presuppositions!r}"
        )
    made: dict[str, Any] = {
        "name": data["name"],
        "sorts": sorts,
        "predicates": known,
        "definitions": definitions(fields.object(data, "definitions", where), sorts, membership, of, synonyms, where),
        "synonyms": synonyms,
        "sort_synonyms": fields.pairs(data, "sort_synonyms", where),
        "vacuous": frozenset(fields.words(data.get("vacuous", []), f"{where}: vacuous")),
        "superlatives": superlatives,
        "closed": fields.flag(data, "closed", where),
        "geometry": geometry,
        "presuppositions": presuppositions,
    }
    _check(made, where)
    return made


# --- sorts ---------------------------------------------------------------------------------------


def _sort(name: str, row: Any, where: str) -> Sort:
    fields.only(row, {"attribute", "values", "ordered", "wording", "container", "places", "of", "where"}, where)
    values = fields.words(row.get("values", []), f"{where}.values")
    seen: dict[str, str] = {}
    for value in values:
        if seen.setdefault(key(value), value) != value or values.count(value) > 1:
            raise VocabularyError(f"{where}.values: '{value}' is there twice, once as '{seen[key(value)]}'")
    container, of = fields.flag(row, "container", where), fields.text(row, "of", where) or ""
    if of or container:
        kind = "a part of another sort" if of else "a sort of containers"
        for other in ("values", "ordered", "wording", *(("container", "places") if of else ("where",))):
            if row.get(other):
                raise VocabularyError(f"{where}: {kind} has no '{other}'")
    if of and not row.get("where"):
        raise VocabularyError(f"{where}: 'where' is missing: what makes a thing of {of} one, as lambda x: …")
    if not of and "where" in row:
        raise VocabularyError(f"{where}: 'of' is missing: the sort that it is a part of")
    if "places" in row and not container:
        raise VocabularyError(f'{where}: only containers have places. Add "container": true')
    wording = fields.pairs(row, "wording", where)
    for value, words in wording.items():
        if value not in values:
            near = did_you_mean(value, values)
            raise VocabularyError(f"{where}.wording: '{value}' is none of its values. {near}".rstrip())
        check_wording(words, 1, f"{where}.wording.{value}")
    attribute = fields.text(row, "attribute", where) or name.lower()
    places = tuple(_share(p, f"{where}.places") for p in row.get("places", []))
    ordered = fields.flag(row, "ordered", where)
    return Sort(name, attribute, values, ordered, container, places, of, tuple(wording.items()))


def _share(place: Any, where: str) -> Share:
    numbers = isinstance(place, list) and len(place) == 4 and all(type(v) in (int, float) for v in place)
    if not numbers or not (0 <= place[0] < place[2] <= 1 and 0 <= place[1] < place[3] <= 1):
        raise VocabularyError(f"{where}: expected [x0, y0, x1, y1] in shares of the picture from 0 to 1, not {place!r}")
    return float(place[0]), float(place[1]), float(place[2]), float(place[3])


def _check_parts(sorts: Mapping[str, Sort], where: str) -> None:
    for sort in sorts.values():
        path = [sort.name]
        while sort.of and sort.of != OBJECT:
            outer = sorts.get(sort.of)
            if outer is None or not outer.of_things:
                things = [OBJECT, *(s.name for s in sorts.values() if s.of_things)]
                near = did_you_mean(sort.of, things)
                raise VocabularyError(
                    f"{where}: sorts.{sort.name}.of: no sort of things '{sort.of}': expected one of "
                    f"{', '.join(things)}. {near}".rstrip()
                )
            path.append(outer.name)
            if path.count(outer.name) > 1:
                raise VocabularyError(f"{where}: sorts.{path[0]}: it is a part of itself ({' of '.join(path)})")
            sort = outer


# --- predicates ----------------------------------------------------------------------------------


def _with_converses(known: Mapping[str, PredicateFacts], where: str) -> dict[str, PredicateFacts]:
    """Return the predicates, each with what follows from what is said of its converse."""
    found = dict(known)
    for name, one in known.items():
        other = one.converse
        if one.derived is None or other not in found:
            continue
        if one.derived.kind == "boxes" and one.derived.of not in CONVERSE:
            raise VocabularyError(f"{where}: predicates.{name}: '{one.derived.of}' has no converse")
        if found[other].derived is None:
            found[other] = replace(found[other], derived=one.derived.converse, of=one.of[:2][::-1] or found[other].of)
    return found


# --- names ---------------------------------------------------------------------------------------


def _check(made: Mapping[str, Any], where: str) -> None:
    owners = _owners(made, where)
    names = {word for _, word, _ in owners}
    known: Mapping[str, PredicateFacts] = made["predicates"]
    synonyms: Mapping[str, str] = made["synonyms"]
    for word, target in synonyms.items():
        _check_synonym(word, target, synonyms, names, where)
    for word, target in made["superlatives"].items():
        _check_target(f"superlatives.{word}", target, names, where)
        if 2 not in _arities(target, made):
            raise VocabularyError(f"{where}: superlatives.{word}: its comparative '{target}' is no relation of two")
    things = {*made["sorts"], OBJECT}
    for word, sort in made["sort_synonyms"].items():
        if sort not in things:
            near = did_you_mean(sort, things)
            raise VocabularyError(f"{where}: sort_synonyms.{word}: no sort '{sort}'. {near}".rstrip())
    for word, one in known.items():
        if not one.converse:
            continue
        _check_target(f"predicates.{word}", one.converse, names, where)
        other = known.get(one.converse)
        if other is None or other.converse != word:
            raise VocabularyError(f"{where}: '{word}' and '{one.converse}' do not name each other as converse")
        if one.derived and other.derived != one.derived.converse:
            raise VocabularyError(
                f"{where}: '{word}' and '{one.converse}' are each other's converse, but what they are derived "
                "from is not"
            )


def _check_synonym(word: str, target: str, synonyms: Mapping[str, str], names: set[str], where: str) -> None:
    place = f"{where}: synonyms.{word}"
    _check_usable(word, place)
    if target not in names and target in synonyms:
        raise VocabularyError(f"{place}: '{target}' is a synonym itself. Name what it stands for: '{synonyms[target]}'")
    _check_target(f"synonyms.{word}", target, names, where)
    taken = {key(n): n for n in names}
    if key(word) in taken and taken[key(word)] != target:
        raise VocabularyError(
            f"{place}: '{taken[key(word)]}' has a meaning of its own, and can not mean '{target}' too"
        )
    for other, meant in synonyms.items():
        if key(other) == key(word) and meant != target:
            raise VocabularyError(f"{place}: '{other}' is the same word, and means '{meant}', not '{target}'")


def _check_target(place: str, target: str, names: Iterable[str], where: str) -> None:
    if target not in names:
        raise VocabularyError(f"{where}: {place}: no word '{target}'. {did_you_mean(target, names)}".rstrip())


def _arities(word: str, made: Mapping[str, Any]) -> set[int]:
    known = made["predicates"].get(word)
    return {n for k, n in made["definitions"] if k == key(word)} | set(known.arities if known else ())


def _owners(made: Mapping[str, Any], where: str) -> list[tuple[str, str, frozenset[int]]]:
    """Return every name with its place and its numbers of arguments; raise where one has two meanings."""
    found: list[tuple[str, str, frozenset[int]]] = []
    taken: dict[Key, tuple[str, str]] = {}
    for sort in made["sorts"].values():
        _check_usable(sort.name, f"{where}: sorts.{sort.name}")
        if key(sort.name) in (key(OBJECT), key(ANY)):
            raise VocabularyError(f"{where}: sorts.{sort.name}: {sort.name} is a sort of every world")
        for word in dict.fromkeys((key(sort.name), key(sort.attribute))):
            for n in (1, 2):
                _take(taken, (word, n), sort.name, f"sorts.{sort.name}", where)
    for place, word, arities in _named(made):
        if place.startswith("sorts"):
            if key(word) in _UNUSABLE:
                _check_usable(word, f"{where}: {place}", arities)
        else:
            _check_usable(word, f"{where}: {place}", arities)
        for n in arities:
            _take(taken, (key(word), n), word, place, where)
        found.append((place, word, arities))
    return found


def _named(made: Mapping[str, Any]) -> Iterator[tuple[str, str, frozenset[int]]]:
    one = frozenset({1})
    for sort in made["sorts"].values():
        for value in sort.values:
            yield f"sorts.{sort.name}.values", value, one
    for name, known in made["predicates"].items():
        yield f"predicates.{name}", name, known.arities
    defined: Iterable[Definition] = made["definitions"].values()
    for meant in defined:
        if meant.name not in made["sorts"]:
            yield f"definitions.{meant.name}", meant.name, frozenset({meant.arity})
    for name in made["vacuous"]:
        yield "vacuous", name, one
    for name in made["superlatives"]:
        yield f"superlatives.{name}", name, frozenset({1, 2})


def _take(taken: dict[Key, tuple[str, str]], at: Key, word: str, place: str, where: str) -> None:
    before = taken.setdefault(at, (word, place))
    if before != (word, place):
        spelt = "" if before[0] == word else f" ('{before[0]}')"
        raise VocabularyError(
            f"{where}: {place}: '{word}'{spelt} is in {before[1]} too. A word has one meaning: rename one of them"
        )


_UNUSABLE = {key(w) for w in (*KEYWORDS, *BUILTINS, *RESERVED)}


def _check_usable(word: str, place: str, arities: Iterable[int] = ()) -> None:
    """Raise :class:`VocabularyError` for a name that no program can use."""
    hint = f"Rename it, e.g. '{word}_it'" if _NAME.match(word) else "Use letters, digits and _"
    if not _NAME.match(word) or word.startswith("__"):
        raise VocabularyError(f"{place}: '{word}' is no name that a program can use. {hint}")
    if word in KEYWORDS or word in RESERVED:
        what = "a word of the language" if word in KEYWORDS else "kept out of the language"
        raise VocabularyError(f"{place}: '{word}' is {what}, and can name nothing else. {hint}")
    builtin = BUILTINS.get(word)
    if builtin is not None and not (builtin.also_predicate and set(arities) == {1}):
        raise VocabularyError(f"{place}: '{word}' is a built-in, and can name nothing else. {hint}")
