"""The words of a domain: sorts and their values, predicates and what is known of them, synonyms.

A vocabulary is data: ``prompts/vocabulary/<name>.json``, or any file of that form. It saves oracle calls
(symmetric and converse predicates are asked once, derived ones never), gives quantifiers over values their ranges, and
turns a misspelt name into an error with a suggestion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from dsl import resources
from dsl.errors import closest, did_you_mean
from dsl.percepts import PERCEPTS
from dsl.vocabulary import fields
from dsl.vocabulary.definitions import Definition, Key
from dsl.vocabulary.definitions import key as _key
from dsl.vocabulary.derived import Derivation
from dsl.vocabulary.facts import PredicateFacts
from dsl.vocabulary.fields import VocabularyError
from dsl.vocabulary.geometry import Geometry
from dsl.vocabulary.loading import arguments
from dsl.vocabulary.sorts import OBJECT, Share, Sort

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
    definitions
        What is said in other words of the vocabulary; what makes a thing a member of a part of a sort is the
        definition of the sort's name.
    geometry
        The gap, tolerance and unit of what is read off boxes.
    presuppositions
        What becomes of an answer that speaks of something that is not there, where a run does not say so: ``abstain``,
        ``answer``, or ``auto`` (see :class:`neptune.Engine`).
    """

    name: str
    sorts: Mapping[str, Sort] = field(default_factory=dict)
    predicates: Mapping[str, PredicateFacts] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)
    sort_synonyms: Mapping[str, str] = field(default_factory=dict)
    vacuous: frozenset[str] = frozenset()
    superlatives: Mapping[str, str] = field(default_factory=dict)
    closed: bool = False
    definitions: Mapping[Key, Definition] = field(default_factory=dict)
    geometry: Geometry = field(default_factory=lambda: Geometry(""))
    presuppositions: str = "auto"
    _by_key: dict[str, str] = field(default_factory=dict, repr=False)
    _sorts_by_key: dict[str, str] = field(default_factory=dict, repr=False)
    _value_sort: dict[str, str] = field(default_factory=dict, repr=False)
    _misspelt_sort: dict[str, bool] = field(default_factory=dict, repr=False)
    _arities: dict[str, frozenset[int]] = field(default_factory=dict, repr=False)
    _containers: tuple[str, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_containers", tuple(s.name for s in self.sorts.values() if s.container))
        for sort in self.sorts.values():
            for value in sort.values:
                self._value_sort[value] = sort.name
                self._by_key[_key(value)] = value
            self._sorts_by_key[_key(sort.name)] = sort.name
            self._sorts_by_key.setdefault(_key(sort.attribute), sort.name)
            for end in ("s", "es") if sort.of_things else ():
                self._sorts_by_key.setdefault(_key(sort.name) + end, sort.name)
        for word, sort_name in self.sort_synonyms.items():
            self._sorts_by_key[_key(word)] = sort_name
        defined = [d.name for d in self.definitions.values() if d.name not in self.sorts]
        for name in (*defined, *self.predicates, *self.vacuous, *self.superlatives):
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
            If a field is unknown, missing or of the wrong type, or names something that is not there or can not be.
        """
        return cls(**arguments(data, where))

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
        known = self._arities.get(name)
        if known is None:
            known = frozenset(arity for word, arity in self.definitions if word == _key(name))
            if name in self.predicates:
                known |= self.predicates[name].arities
            if name in self._value_sort or name in self.vacuous:
                known |= {1}
            if name in self.superlatives:
                known |= {1, 2}
            if len(self._arities) < 10_000:
                self._arities[name] = known
        return known

    def knows(self, name: str, arity: int) -> bool:
        """Tell whether the predicate is listed here with this arity, directly or by a synonym."""
        found = self._by_key.get(_key(name))
        if found is not None:
            return arity in self.arities(found)
        sort = self._sorts_by_key.get(_key(name))
        return sort is not None and arity in ((1,) if self.sorts[sort].of_things else (1, 2))

    def perceives(self, name: str, arity: int) -> bool:
        """Tell whether a name is asked of masks, depths or words (`dsl.percepts`): this has no meaning of its own."""
        declared = PERCEPTS.get(name)
        if declared is None or declared.arity != arity:
            return False
        return not self.knows(name, arity) and self.sort_named(name) is None and self.definition(name, arity) is None

    def definition(self, name: str, arity: int) -> Definition | None:
        """Return what a name with so many arguments is defined as, directly or by a synonym, or ``None``."""
        if not self.definitions:
            return None
        found = self._by_key.get(_key(name), name)
        return self.definitions.get((_key(found), arity))

    def gives_truth(self, name: str) -> bool:
        """Tell whether a name, called, is true or false, as far as it is defined."""
        found = _key(self._by_key.get(_key(name), name)) if self.definitions else ""
        return all(d.gives == "truth" for (word, _), d in self.definitions.items() if word == found)

    def of(self, name: str, arity: int) -> tuple[str, ...]:
        """Return the sorts of a predicate's or definition's arguments; empty where nothing is known of them."""
        meant = self.definition(name, arity)
        if meant is not None:
            return meant.of
        found = self._by_key.get(_key(name), name)
        known = self.predicates.get(found)
        if known is not None and arity in known.arities:
            return known.of[:arity]
        if found in self._value_sort or found in self.superlatives or found in self.vacuous:
            return (OBJECT,) * arity
        return ()

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
        """Return the words for a predicate or a value in a question, if the file gives them."""
        sort = self._value_sort.get(name)
        if sort is not None and name not in self.predicates:
            return dict(self.sorts[sort].wording).get(name)
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

    @property
    def containers(self) -> tuple[str, ...]:
        """The sorts of containers: boxes of the scene that hold objects and are no objects themselves."""
        return self._containers

    @property
    def places(self) -> tuple[tuple[str, Share], ...]:
        """The containers that are in every picture: the sort of each, and where it is."""
        return tuple((s.name, place) for s in self.sorts.values() for place in s.places)

    def is_of_things(self, sort: str) -> bool:
        """Tell whether the members of a sort are boxes of the scene: ``Object``, containers, and parts of either."""
        return sort == OBJECT or (sort in self.sorts and self.sorts[sort].of_things)

    def kind(self, sort: str) -> str:
        """Return what the members of a sort of things are: ``Object``, or a sort of containers."""
        while sort in self.sorts and self.sorts[sort].of:
            sort = self.sorts[sort].of
        return sort

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
        found = self._by_key.get(word) or self._by_key.get(_key(word))  # most words are written as their key is
        return found if found in self._value_sort else None

    def sort_of_value(self, word: str) -> str | None:
        """Return the sort of a value, given as such or by a synonym, or ``None``."""
        value = self.value_named(word)
        return self._value_sort[value] if value is not None else None

    def suggest(self, name: str, arity: int | None = None) -> str:
        """Return ``"did you mean …?"`` for a name that looks like a known one, or ``""``."""
        return did_you_mean(name, self.words(arity))

    def suggest_with(self, name: str, value: str, arity: int) -> str:
        """Return ``"did you mean …?"`` for a predicate's name that begins as `name` and goes on as a value, or ``""``:
        ``touching_edge`` for ``touching`` and ``edge``."""
        longer = [w for w in self.words(arity) if _key(w).startswith(_key(name)) and _key(w) != _key(name)]
        return did_you_mean(f"{name}_{value}".replace(" ", "_"), longer)

    def words(self, arity: int | None = None) -> list[str]:
        """Return the known predicate names and values, with their synonyms, of an arity or of all."""
        named = {**{w: self._by_key[_key(w)] for w in self.synonyms}, **{w: w for w in self._by_key.values()}}
        return [word for word, target in named.items() if arity is None or arity in self.arities(target)]

    def sort_names(self) -> list[str]:
        """Return the names of the sorts, ``Object`` first."""
        return [OBJECT, *self.sorts]


def _spaced(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).replace("_", " ").strip()


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
