"""Atoms: a predicate's name and its arguments become a plan node.

The meaning of an argument decides the shape of the node: a variable or a given object is a place of the atom; a
description (``iota``) makes the node an expectation over it; a value of a sort selects the predicate
(``color(x, "red")`` is ``red(x)``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dsl import plan, work
from dsl.errors import LimitError, ProgramError
from dsl.limits import Limits
from dsl.plan import Atom, ExpectationOver, Forall, Node, Predicate, Term, make
from dsl.syntax import ast
from dsl.vocabulary import OBJECT, Vocabulary
from dsl.vocabulary.geometry import Geometry
from dsl.vocabulary.sorts import ANY
from dsl.work import Work
from neptune.engine.interpret.values import AttributeOf, DescribedObject, Formula, ObjectRef, Variable, kind_name

_VARIABLE_NAME = re.compile(r"[a-z]\d*\Z")
MAX_PLAN_DEPTH = 100


@lru_cache(maxsize=4096)
def predicate_of(vocabulary: Vocabulary, name: str, arity: int) -> Predicate:
    """Return the predicate of a name: synonyms resolved, with what the vocabulary says of it."""
    canonical = vocabulary.canonical(name, arity)
    same = arity == 2 and (canonical.startswith("same_") or vocabulary.same(canonical) is not None)
    symmetric = vocabulary.symmetric(canonical) or same
    derived = vocabulary.derived(canonical, arity)
    if derived is None:
        return Predicate(canonical, arity, "", symmetric, same)
    if derived.kind == "boxes":
        return Predicate(canonical, arity, "", symmetric, same, boxes=derived.geometry)
    ways = derived.ways(vocabulary.values(derived.of))
    return Predicate(canonical, arity, "", symmetric, same, ways=ways)


class Atoms:
    """Makes atoms, and counts the nodes that a program builds."""

    def __init__(self, vocabulary: Vocabulary, limits: Limits, work: Work) -> None:
        self.vocabulary, self.limits, self._work = vocabulary, limits, work
        self._built = 0

    def apply(
        self, name: str, args: list[Any], where: ast.Node, *, argmax: bool, note: Callable[[str], None]
    ) -> Node | AttributeOf:
        """Return the formula for ``name(args)``.

        Parameters
        ----------
        name
            As written; the vocabulary's synonyms are resolved.
        args
            Variables, objects, descriptions, or values of sorts.
        argmax
            Descriptions stand for their most probable object instead of an expectation.
        note
            Called with what was normalised.

        Raises
        ------
        dsl.ProgramError
            If an argument is nothing that a predicate can be applied to.
        """
        if len(args) > self.limits.predicate_arity:
            raise LimitError("predicate_arity", self.limits.predicate_arity, len(args), where.span)
        if not args:
            raise ProgramError(f"'{name}' is applied to nothing", where.span, expected=f"{name}(x)")
        sort = self.vocabulary.sort_named(name)
        if sort is not None and sort != "Object":
            return self._attribute(name, sort, args, where, argmax)
        values = [a for a in args if isinstance(a, str) and not self.is_variable(a)]
        if values:
            objects = [a for a in args if not isinstance(a, str) or self.is_variable(a)]
            if not objects:
                raise ProgramError(
                    f"'{name}' is applied to texts only", where.span, expected="an object variable, e.g. a lambda's"
                )
            own, name, args = name, " ".join([name, *values]), objects
            if self.vocabulary.closed and not self.vocabulary.knows(name, len(args)):
                said = " and ".join(f"'{v}'" for v in values)
                raise ProgramError(
                    f"'{own}' is said of objects, and {said} is none",
                    where.span,
                    expected="objects: quantifiers' variables or iota(…)",
                    hint=self.vocabulary.suggest_with(own, values[0], len(args)) or "leave the value out",
                )
        if len(args) == 1 and self.vocabulary.is_vacuous(name):
            self.place(args[0], where, name)
            return plan.const(1.0)
        return self._atom(name, args, where, argmax, note)

    def _attribute(self, name: str, sort: str, args: list[Any], where: ast.Node, argmax: bool) -> Node | AttributeOf:
        values = [a for a in args if isinstance(a, str)]
        objects = [a for a in args if not isinstance(a, str)]
        if len(args) == 1 and objects:
            return AttributeOf(sort, objects[0])
        if len(values) == 1 and len(objects) == 1:
            value = self.vocabulary.value_named(values[0])
            if value not in self.vocabulary.values(sort):
                raise ProgramError(
                    f"'{values[0]}' is no {name}",
                    where.span,
                    expected=f"one of {', '.join(self.vocabulary.values(sort))}",
                )
            return self._atom(value, objects, where, argmax, lambda _: None)
        if len(objects) == 2 and not values:
            return self._atom(f"same_{self.vocabulary.attribute(sort)}", objects, where, argmax, lambda _: None)
        raise ProgramError(f"'{name}' takes an object, or an object and a value", where.span, expected=f"{name}(x)")

    def of_kind(self, kind: str, term: Term) -> Node:
        """Return that a thing is an object, or a container of a sort; true where the world has no containers."""
        if not self.vocabulary.containers:
            return plan.const(1.0)
        return make(Atom, Predicate(kind.lower(), 1, boxes=Geometry("sort", within=kind)), (term,))

    def predicate(self, name: str, arity: int) -> Predicate:
        """Return the predicate of a name: synonyms resolved, with what the vocabulary says of it."""
        return predicate_of(self.vocabulary, name, arity)

    def _atom(self, name: str, args: list[Any], where: ast.Node, argmax: bool, note: Callable[[str], None]) -> Node:
        predicate = self.predicate(name, len(args))
        if self.vocabulary.containers:
            self._check_kinds(name, args, where)
        places = [self.place(arg, where, name) for arg in args]
        if predicate.name == "same_object" and len(args) == 2:
            return self.about(places, lambda terms: plan.same(terms[0], terms[1]), argmax)
        meant = [p.description for p in places if isinstance(p, DescribedObject)]
        if predicate.reflexive and len(meant) == 2 and meant[0] is meant[1]:
            note(f"{name} of two equal descriptions was read as a plural: of all objects that fit")
            return self._plural(predicate, meant[0])
        converse = self.vocabulary.converse(predicate.name) if len(args) == 2 else None
        if converse is not None and converse < predicate.name:
            # One relation of each converse pair is asked: right(x, y) is left(y, x).
            predicate = self.predicate(converse, 2)
            places = places[::-1]
        return self.about(places, lambda terms: self.atom(predicate, terms), argmax)

    def _check_kinds(self, name: str, args: list[Any], where: ast.Node) -> None:
        """Refuse what is said of a thing of another kind, which the checker of programs can not see behind a function.

        Raises
        ------
        dsl.ProgramError
            For ``def dark(b): return black(b)`` and ``exists(Box, dark)``.
        """
        wanted = self.vocabulary.of(name, len(args))
        for place, arg in zip(wanted, args, strict=False):
            given = self._kind(arg)
            if place != ANY and given and given != self.vocabulary.kind(place):
                raise ProgramError(
                    f"'{name}' is not said of {'an' if given[0] in 'AEIOU' else 'a'} {given}",
                    where.span,
                    expected=f"{name}({', '.join(wanted)})",
                    hint=f"range over {place}",
                )

    def _kind(self, arg: Any) -> str:
        """Return what kind of thing an argument is, ``""`` where it is not known."""
        if isinstance(arg, Variable | ObjectRef):
            return arg.kind
        if not isinstance(arg, DescribedObject):
            return ""
        body, var = arg.description.body, arg.description.var
        parts = body.children if isinstance(body, plan.And) else (body,)
        of_kind = {self.of_kind(kind, var): kind for kind in (OBJECT, *self.vocabulary.containers)}
        return next((of_kind[part] for part in parts if part in of_kind), "")

    def atom(self, predicate: Predicate, terms: tuple[Term, ...]) -> Node:
        """Return the atom, the places of a symmetric predicate in one order."""
        if predicate.symmetric:
            terms = tuple(sorted(terms, key=str))
        return make(Atom, predicate, terms)

    def about(
        self, places: list[Term | DescribedObject], atom: Callable[[tuple[Term, ...]], Node], argmax: bool
    ) -> Node:
        """Return the atom of the places, as an expectation over those that are descriptions."""
        used = [int(p[1:]) for p in places if isinstance(p, str) and p.startswith("@")]
        for place in places:
            if isinstance(place, DescribedObject):
                used += [int(v[1:]) for v in place.description.free if v.startswith("@")]
        k = max(used, default=-1)
        terms: list[Term] = []
        described: list[tuple[str, DescribedObject]] = []
        for place in places:
            if isinstance(place, DescribedObject):
                k += 1
                described.append((f"@{k}", place))
                terms.append(f"@{k}")
            else:
                terms.append(place)
        node = atom(tuple(terms))
        for var, place in reversed(described):
            node = make(ExpectationOver, var, place.description, node, place.argmax or argmax)
        return node

    def _plural(self, predicate: Predicate, meant: plan.Description) -> Node:
        first = plan.fresh(meant)
        second = f"@{int(first[1:]) + 1}"
        fits = [plan.substitute(meant.body, {meant.var: v}) for v in (first, second)]
        body = plan.disjunction([*(plan.negation(f) for f in fits), self.atom(predicate, (first, second))])
        return make(Forall, first, make(Forall, second, body))

    def place(self, arg: Any, where: ast.Node, name: str) -> Term | DescribedObject:
        """Return an argument of what `name` says as a place of an atom.

        Raises
        ------
        dsl.ProgramError
            If it is no object.
        """
        match arg:
            case Variable():
                return arg.name
            case ObjectRef():
                return arg.index
            case DescribedObject():
                return arg
            case str() if self.is_variable(arg):
                return arg
        raise ProgramError(
            f"'{name}' is applied to {kind_name(arg)}",
            where.span,
            expected="an object: a quantifier's variable or iota(…)",
            hint="name the object with iota(Object, lambda y: …)" if isinstance(arg, Formula) else "",
        )

    def is_variable(self, text: str) -> bool:
        """Tell whether a text names a variable: ``"x"``, ``"y2"``."""
        return _VARIABLE_NAME.match(text) is not None and self.vocabulary.sort_of_value(text) is None

    def check_size(self, node: Node, where: ast.Node) -> None:
        """Count one more node; raise :class:`dsl.LimitError` if the plan has grown too large or too deep."""
        built = 1 + len(node.children) // 16
        self._built += built
        self._work.spend(work.NODES, built, where.span)
        if self._built > self.limits.nodes:
            raise LimitError("nodes", self.limits.nodes, None, where.span)
        if node.depth > MAX_PLAN_DEPTH:
            raise LimitError("depth", MAX_PLAN_DEPTH, node.depth, where.span, what="the formula")
