"""Definitions: predicates, counts and objects that a vocabulary says in other words of its own.

``"on": "lambda x, y: above(x, y) and touching(x, y)"``. A definition is read once, with the file; it may use others,
but never itself. What it stands for is put in its place before anything is planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from dsl.errors import ProgramError
from dsl.syntax import ast
from dsl.syntax.parser import parse
from dsl.vocabulary.fields import VocabularyError, only
from dsl.vocabulary.sorts import ANY, Sort

Key = tuple[str, int]
"""The name of a definition in small letters without ``_``, and the number of its arguments."""

_GIVES = {
    **dict.fromkeys(("iota", "the", "point", "best", "argmax"), "object"),
    **dict.fromkeys(("count", "len", "sum", "abs", "round", "int", "float", "max", "min"), "number"),
    **dict.fromkeys(("describe", "mode"), "value"),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition.

    Parameters
    ----------
    name
        As the file spells it.
    function
        What it stands for.
    text
        The same, as it is written.
    doc
        What it means, for people and prompts; may be empty.
    gives
        ``truth``, ``object``, ``number`` or ``value``.
    of
        The sort of each argument, as far as what it is made of says so; else :data:`~dsl.vocabulary.sorts.ANY`.
    """

    name: str
    function: ast.Lambda
    text: str
    doc: str = ""
    gives: str = "truth"
    of: tuple[str, ...] = ()

    @property
    def arity(self) -> int:
        """The number of its arguments."""
        return len(self.function.params)


@lru_cache(maxsize=4096)
def key(word: str) -> str:
    """Return a word as it is looked up: case, blanks, ``_`` and ``-`` do not matter."""
    return word.lower().replace("_", "").replace(" ", "").replace("-", "")


def definitions(
    rows: Mapping[str, Any],
    sorts: Mapping[str, Sort],
    membership: Mapping[str, str],
    of: Mapping[Key, tuple[str, ...]],
    synonyms: Mapping[str, str],
    where: str,
) -> dict[Key, Definition]:
    """Read all definitions of a file, those that others are made of first.

    Parameters
    ----------
    rows
        The field ``definitions``: name → a lambda, an object with ``means`` and ``doc``, or a list of such.
    sorts
        The sorts of the file.
    membership
        What makes a thing a member of a sort: its name → a lambda of one argument.
    of
        The sorts of the arguments of predicates that are no definitions.
    synonyms
        Word → the word that it stands for.
    where
        The file, for errors.

    Raises
    ------
    VocabularyError
        If one is no lambda, or is made of itself.
    """
    found: dict[Key, Definition] = {}
    for name, row in [*rows.items(), *membership.items()]:
        for given in row if isinstance(row, list) else [row]:
            place = f"{where}: {'sorts' if name in membership else 'definitions'}.{name}"
            made = _one(name, given, place)
            at = (key(name), made.arity)
            if at in found:
                raise VocabularyError(f"{place}: it is defined twice with {made.arity} argument(s)")
            if name in membership and made.arity != 1:
                raise VocabularyError(f"{place}.where: expected a lambda of one argument, not {made.arity}")
            found[at] = made
    files = _Files(found, sorts, of, {key(word): key(target) for word, target in synonyms.items()}, where)
    for at in found:
        files.add(at, [])
    return files.done


def _one(name: str, row: Any, where: str) -> Definition:
    doc = ""
    if isinstance(row, Mapping):
        only(row, {"means", "doc"}, where)
        row, doc = row.get("means"), str(row.get("doc", ""))
    if not isinstance(row, str):
        raise VocabularyError(f'{where}: expected a text such as "lambda x, y: above(x, y) and touching(x, y)"')
    try:
        tree = parse(row)
    except ProgramError as error:
        raise VocabularyError(f"{where}: {error.one_line()}") from error
    last = tree.body[-1]
    if len(tree.body) != 1 or not isinstance(last, ast.ExprStatement) or not isinstance(last.value, ast.Lambda):
        raise VocabularyError(f'{where}: expected one lambda, such as "lambda x: …", not {row!r}')
    if not last.value.params:
        raise VocabularyError(f'{where}: the lambda has no argument. Write "lambda x: …"')
    if len(set(last.value.params)) != len(last.value.params):
        raise VocabularyError(f"{where}: two arguments of the lambda have one name")
    return Definition(name, last.value, row, doc)


class _Files:
    """The definitions of a file, put in an order in which each is made of those before it."""

    def __init__(
        self,
        found: Mapping[Key, Definition],
        sorts: Mapping[str, Sort],
        of: Mapping[Key, tuple[str, ...]],
        synonyms: Mapping[str, str],
        where: str,
    ) -> None:
        self.found, self.synonyms, self.where = found, synonyms, where
        self.parts = {key(s.name): s.of for s in sorts.values() if s.of}
        self.of = dict(of)
        self.done: dict[Key, Definition] = {}

    def add(self, at: Key, path: list[Key]) -> None:
        """Add a definition, after those that it is made of."""
        if at in self.done:
            return
        if at in path:
            names = " → ".join(self.found[k].name for k in [*path[path.index(at) :], at])
            name = self.found[at].name
            raise VocabularyError(f"{self.where}: definitions.{name}: it is made of itself ({names})")
        one = self.found[at]
        for used in self._used(one.function):
            if used in self.found:
                self.add(used, [*path, at])
        body = one.function.body
        of = (self.parts[at[0]],) if at[0] in self.parts else tuple(self._sort_of(p, body) for p in one.function.params)
        self.done[at] = replace(one, gives=self._gives(body), of=of)
        self.of[at] = of

    def _key(self, name: str, arity: int) -> Key:
        return self.synonyms.get(key(name), key(name)), arity

    def _used(self, function: ast.Node) -> list[Key]:
        """Return what a lambda calls, and the sorts that it ranges over: what makes a member one is used too."""
        calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        used = [self._key(n.func.id, len(n.args)) for n in calls if isinstance(n.func, ast.Name)]
        names = [n.id for n in ast.walk(function) if isinstance(n, ast.Name)]
        return used + [self._key(n, 1) for n in names]

    def _gives(self, body: ast.Node) -> str:
        if isinstance(body, ast.Call) and isinstance(body.func, ast.Name):
            other = self.done.get(self._key(body.func.id, len(body.args)))
            return other.gives if other is not None else _GIVES.get(body.func.id, "truth")
        arithmetic = isinstance(body, ast.Binary) and body.op in ("+", "-", "*", "/", "//", "%", "**")
        return "number" if arithmetic or isinstance(body, ast.Number) else "truth"

    def _sort_of(self, name: str, body: ast.Node) -> str:
        """Return the sort of an argument, by the predicates that a body applies to it."""
        said: set[str] = set()
        for node in ast.walk(body):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                places = self.of.get(self._key(node.func.id, len(node.args)), ())
                said.update(s for s, a in zip(places, node.args, strict=False) if a == ast.Name(name) and s != ANY)
        return said.pop() if len(said) == 1 else ANY
