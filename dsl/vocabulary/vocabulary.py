"""The words of a domain: sorts and their values, predicates and what is known of them, synonyms.

A vocabulary is data: ``prompts/vocabulary/<name>.json``, or any file of that form. It saves oracle calls
(symmetric and converse predicates are asked once, derived ones never), gives quantifiers over values their ranges, and
turns a misspelt name into an error with a suggestion.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dsl import resources
from dsl.errors import closest, did_you_mean
from dsl.vocabulary import fields
from dsl.vocabulary.derived import Derivation, derivation
from dsl.vocabulary.fields import VocabularyError
from dsl.vocabulary.sorts import OBJECT, Sort


@dataclass(frozen=True, slots=True)
class PredicateFacts:
    """What is known of a predicate: arities, symmetry, its name with arguments swapped, the attribute that it compares,
    its words in a question, and what it is derived from (then it is never asked)."""

    arities: frozenset[int]
    symmetric: bool = False
    converse: str | None = None
    same: str | None = None
    wording: str | None = None
    derived: Derivation | None = None


_UNKNOWN = PredicateFacts(frozenset())


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of one domain, made with :meth:`load`, :meth:`from_data` or :meth:`open`.

    Parameters
    ----------
    name
        Its name.
    sorts
        Name → sort.
    predicates
        Canonical name → facts. The values of sorts are predicates of one object without being listed.
    synonyms
        Word → canonical name of a predicate or value.
    sort_synonyms
        Word → name of a sort.
    vacuous
        Predicates that are true of everything, such as ``object``.
    superlatives
        ``largest`` → ``larger``.
    closed
        Whether a predicate that is not listed is an error. Otherwise the oracle is asked about it.
    """

    name: str
    sorts: Mapping[str, Sort] = field(default_factory=dict)
    predicates: Mapping[str, PredicateFacts] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)
    sort_synonyms: Mapping[str, str] = field(default_factory=dict)
    vacuous: frozenset[str] = frozenset()
    superlatives: Mapping[str, str] = field(default_factory=dict)
    closed: bool = False
    _by_key: dict[str, str] = field(default_factory=dict, repr=False)
    _sorts_by_key: dict[str, str] = field(default_factory=dict, repr=False)
    _value_sort: dict[str, str] = field(default_factory=dict, repr=False)
    _misspelt_sort: dict[str, bool] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for sort in self.sorts.values():
            for value in sort.values:
                self._value_sort[value] = sort.name
                self._by_key[_key(value)] = value
            self._sorts_by_key[_key(sort.name)] = sort.name
            self._sorts_by_key.setdefault(_key(sort.attribute), sort.name)
        for word, sort_name in self.sort_synonyms.items():
            self._sorts_by_key[_key(word)] = sort_name
        for name in (*self.predicates, *self.vacuous, *self.superlatives):
            self._by_key[_key(name)] = name
        for word, target in self.synonyms.items():
            self._by_key.setdefault(_key(word), self._by_key.get(_key(target), target))

    # --- making ---

    @classmethod
    def load(cls, name: str | Path) -> Vocabulary:
        """Return the vocabulary of a name (``"clevr"``) or a JSON file; the same object each time for a name.

        Raises
        ------
        VocabularyError
            If there is no such file, or it does not have the documented form.
        """
        text = str(name)
        if fields.is_file_name(text):
            return cls.from_data(fields.read(Path(text)), where=text)
        return _named(text)

    @classmethod
    def open(cls) -> Vocabulary:
        """Return the vocabulary that knows nothing and allows every predicate; the same object each time."""
        return _open()

    @classmethod
    def from_data(cls, data: Mapping[str, Any], where: str = "vocabulary") -> Vocabulary:
        """Return the vocabulary of a JSON object.

        Raises
        ------
        VocabularyError
            If a field is unknown, missing or of the wrong type, or names something that is not there.
        """
        fields.only(data, [f.name for f in dataclasses.fields(cls) if not f.name.startswith("_")], where)
        if not isinstance(data.get("name"), str):
            raise VocabularyError(f"{where}: 'name' is missing")
        sorts = {}
        for name, row in fields.object(data, "sorts", where).items():
            place = f"{where}: sorts.{name}"
            fields.only(row, {"attribute", "values", "ordered"}, place)
            values = fields.words(row.get("values", []), f"{place}.values")
            sorts[name] = Sort(name, str(row.get("attribute", name.lower())), values, bool(row.get("ordered", False)))
        predicates = {}
        for name, row in fields.object(data, "predicates", where).items():
            predicates[name] = _facts(row, sorts, f"{where}: predicates.{name}")
        for facts in list(predicates.values()):
            other = facts.converse
            if facts.derived is not None and other in predicates and predicates[other].derived is None:
                predicates[other] = replace(predicates[other], derived=facts.derived.converse)
        superlatives = {}
        for name, row in fields.object(data, "superlatives", where).items():
            fields.only(row, {"comparative"}, f"{where}: superlatives.{name}")
            superlatives[name] = str(row.get("comparative", ""))
        made = cls(
            name=data["name"],
            sorts=sorts,
            predicates=predicates,
            synonyms=fields.pairs(data, "synonyms", where),
            sort_synonyms=fields.pairs(data, "sort_synonyms", where),
            vacuous=frozenset(fields.words(data.get("vacuous", []), f"{where}: vacuous")),
            superlatives=superlatives,
            closed=bool(data.get("closed", False)),
        )
        made._check(where)
        return made

    def _check(self, where: str) -> None:
        names = {*self.predicates, *self._value_sort, *self.vacuous, *self.superlatives}
        targets = [(f"synonyms.{w}", t) for w, t in self.synonyms.items()]
        targets += [(f"superlatives.{w}", t) for w, t in self.superlatives.items()]
        targets += [(f"predicates.{w}", f.converse) for w, f in self.predicates.items() if f.converse]
        for place, target in targets:
            if target not in names:
                raise VocabularyError(f"{where}: {place}: no word '{target}'. {did_you_mean(target, names)}")
        for word, sort in self.sort_synonyms.items():
            if sort not in self.sorts:
                raise VocabularyError(f"{where}: sort_synonyms.{word}: no sort '{sort}'")
        for word, facts in self.predicates.items():
            if facts.converse and self.predicates.get(facts.converse, facts).converse != word:
                raise VocabularyError(f"{where}: '{word}' and '{facts.converse}' do not name each other as converse")
            other = self.predicates.get(facts.converse or "")
            if facts.derived and other and other.derived != facts.derived.converse:
                raise VocabularyError(
                    f"{where}: '{word}' and '{facts.converse}' are each other's converse, but what they are derived "
                    "from is not"
                )

    # --- predicates ---

    def canonical(self, name: str, arity: int) -> str:
        """Return the name that `name` with `arity` arguments stands for; case and underscores do not matter.

        A name that is not known is returned in lower case.
        """
        found = self._by_key.get(_key(name))
        if found is not None and arity in self.arities(found):
            return found
        return name.lower()

    def arities(self, name: str) -> frozenset[int]:
        """Return the numbers of arguments that a canonical name is known with."""
        if name in self.predicates:
            return self.predicates[name].arities
        if name in self._value_sort or name in self.vacuous:
            return frozenset({1})
        return frozenset({1, 2}) if name in self.superlatives else frozenset()

    def knows(self, name: str, arity: int) -> bool:
        """Tell whether the predicate is listed here with this arity, directly or by a synonym."""
        found = self._by_key.get(_key(name))
        if found is not None:
            return arity in self.arities(found)
        return arity in (1, 2) and self._sorts_by_key.get(_key(name)) is not None

    def symmetric(self, name: str) -> bool:
        """Tell whether ``name(x, y)`` and ``name(y, x)`` are the same question."""
        return self.predicates.get(self.canonical(name, 2), _UNKNOWN).symmetric

    def converse(self, name: str) -> str | None:
        """Return the predicate that means the same with its two arguments swapped, or ``None``."""
        return self.predicates.get(self.canonical(name, 2), _UNKNOWN).converse

    def same(self, name: str) -> str | None:
        """Return the attribute that a predicate such as ``same_color`` compares, or ``None``."""
        return self.predicates.get(self.canonical(name, 2), _UNKNOWN).same

    def derived(self, name: str, arity: int) -> Derivation | None:
        """Return what a predicate of so many objects is derived from, or ``None``: then the oracle is asked."""
        derived = self.predicates.get(self.canonical(name, arity), _UNKNOWN).derived
        return derived if derived is not None and derived.tells(arity) else None

    def wording(self, name: str) -> str | None:
        """Return the words for a predicate in a question, if the file gives them."""
        return self.predicates.get(name, _UNKNOWN).wording

    def is_vacuous(self, name: str) -> bool:
        """Tell whether the predicate is true of every object, so that nobody needs to be asked."""
        return self._by_key.get(_key(name), name) in self.vacuous

    def comparative(self, name: str) -> str | None:
        """Return the relation of a superlative (``larger`` for ``largest``), or ``None``."""
        return self.superlatives.get(self._by_key.get(_key(name), name))

    # --- sorts and values ---

    def sort_named(self, name: str) -> str | None:
        """Return the sort that a name stands for (``colour`` → ``Color``), or ``None``.

        ``Object`` is a sort of every vocabulary. Where the vocabulary is not closed, a capitalised name
        that is no known word is a sort without known values.
        """
        key = _key(name)
        if key in ("object", "objects"):
            return OBJECT
        found = self._sorts_by_key.get(key)
        if found is not None:
            return found
        if self.closed or not name[:1].isupper() or key in self._by_key:
            return None
        # Remembered: a loop may come by the same name again and again, and closeness is slow to tell.
        misspelt = self._misspelt_sort.get(key)
        if misspelt is None:
            misspelt = bool(closest(key, self._sorts_by_key, 1, 0.75))
            if len(self._misspelt_sort) < 10_000:
                self._misspelt_sort[key] = misspelt
        return None if misspelt else name

    def values(self, sort: str) -> tuple[str, ...]:
        """Return the values of a sort in order; empty if they are not known."""
        return self.sorts[sort].values if sort in self.sorts else ()

    def attribute(self, sort: str) -> str:
        """Return the word for a sort in a question: ``color`` for ``Color``."""
        return self.sorts[sort].attribute if sort in self.sorts else _spaced(sort)

    def is_ordered(self, sort: str) -> bool:
        """Tell whether the values of a sort have an order."""
        return sort in self.sorts and self.sorts[sort].ordered

    def value_named(self, word: str) -> str | None:
        """Return the value that a word or its synonym stands for (``shiny`` → ``metal``), or ``None``."""
        found = self._by_key.get(_key(word))
        return found if found in self._value_sort else None

    def sort_of_value(self, word: str) -> str | None:
        """Return the sort of a value, given as such or by a synonym, or ``None``."""
        value = self.value_named(word)
        return self._value_sort[value] if value is not None else None

    def suggest(self, name: str, arity: int | None = None) -> str:
        """Return ``"did you mean …?"`` for a name that looks like a known one, or ``""``."""
        return did_you_mean(name, self.words(arity))

    def words(self, arity: int | None = None) -> list[str]:
        """Return the known predicate names and values, with their synonyms, of an arity or of all."""
        named = {**{w: self._by_key[_key(w)] for w in self.synonyms}, **{w: w for w in self._by_key.values()}}
        return [word for word, target in named.items() if arity is None or arity in self.arities(target)]

    def sort_names(self) -> list[str]:
        """Return the names of the sorts, ``Object`` first."""
        return [OBJECT, *self.sorts]


def _key(word: str) -> str:
    return word.lower().replace("_", "").replace(" ", "").replace("-", "")


def _spaced(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).replace("_", " ").strip()


def _facts(row: Mapping[str, Any], sorts: Mapping[str, Sort], where: str) -> PredicateFacts:
    fields.only(row, {"arity", "symmetric", "converse", "same", "wording", "derive"}, where)
    arity = row.get("arity", 1)
    arities = arity if isinstance(arity, list) else [arity]
    if not arities or not all(isinstance(a, int) and a >= 0 for a in arities):
        raise VocabularyError(f"{where}: 'arity' is a number or a list of numbers, not {arity!r}")
    same, symmetric = row.get("same"), bool(row.get("symmetric", False))
    derived = derivation(row["derive"], arities, sorts, where) if "derive" in row else None
    if derived is not None and derived.kind == "same":
        attribute = sorts[derived.of].attribute
        if same not in (None, attribute):
            raise VocabularyError(f"{where}: it compares '{same}', but is derived from '{derived.of}'")
        same, symmetric = attribute, True
    elif derived is not None and symmetric:
        raise VocabularyError(f"{where}: what is derived from '{derived.kind}' is not symmetric")
    return PredicateFacts(frozenset(arities), symmetric, row.get("converse"), same, row.get("wording"), derived)


@lru_cache(maxsize=32)
def _named(name: str) -> Vocabulary:
    try:
        path = resources.find("prompts", f"vocabulary/{name}.json")
    except FileNotFoundError as error:
        raise VocabularyError(f"no vocabulary '{name}': {error}") from error
    return Vocabulary.from_data(fields.read(path), where=str(path))


@lru_cache(maxsize=1)
def _open() -> Vocabulary:
    return Vocabulary("open")
