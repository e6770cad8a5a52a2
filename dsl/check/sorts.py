"""The checker's half for sorts: what a variable ranges over, and whether a predicate can be said of it."""

from __future__ import annotations

import re

from dsl.builtins import BINDERS, BUILTINS
from dsl.check.scopes import Binding, Scope
from dsl.errors import ProgramError, any_of, closest, did_you_mean
from dsl.syntax import ast
from dsl.syntax.ast import Expr
from dsl.vocabulary import OBJECT, Vocabulary
from dsl.vocabulary.sorts import ANY

_RELATIONS = ("equal", "different", "greater_than", "less_than", "distinct", "among", "implies", "xor")
"""Built-ins that take what predicates take."""


_KEEPING = frozenset({"list", "sorted", "tuple", "set"})
"""Built-ins that give back the items that they are given."""


class Sorts:
    """Knows the sorts of expressions, as far as they are written, and collects faults.

    Parameters
    ----------
    vocabulary
        The domain's words.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.errors: list[ProgramError] = []
        self.inside: set[int] = set()
        """Calls that stand in the arguments of predicates."""
        self.grown: set[str] = set()
        """Names of lists that get more items later: of what sort is not known."""

    def fault(self, what: str, node: ast.Node, *, expected: str = "", hint: str = "") -> None:
        """Record something wrong."""
        self.errors.append(ProgramError(what, node.span, expected=expected, hint=hint))

    def ranged_over(self, node: ast.Call, scope: Scope) -> str:
        """Return the sort that a quantifier ranges over; ``""`` where it is not known."""
        others = [a for a in node.args if not isinstance(a, ast.Lambda)]
        if not others:
            return OBJECT
        return self._sort_named(others[0], scope) if len(others) == 1 else ""

    def member_of(self, node: Expr, scope: Scope) -> Binding | None:
        """Return how a loop over an expression binds its variable, if that is known."""
        sort = self._members_of(node, scope)
        return Binding("value", sort=sort) if sort else None

    def held_by(self, node: Expr, scope: Scope) -> Binding:
        """Return how an assignment binds a name: a thing of a sort, a list of such things, or some value."""
        things, known = self.vocabulary.is_of_things, (self.sort_of(node, scope), self._members_of(node, scope))
        sort, members = (s if s and things(s) else "" for s in known)
        return Binding("value", sort=sort, members=members)

    def _members_of(self, node: Expr, scope: Scope) -> str:
        """Return what the items of a sort, a list or a comprehension are, ``""`` where it is not known."""
        if isinstance(node, ast.Name):
            bound = scope.find(node.id)
            if node.id in self.grown:
                return ""
            return bound.members if bound is not None else self._sort_named(node, scope)
        if isinstance(node, ast.Subscript) and isinstance(node.index, ast.Slice):
            return self._members_of(node.value, scope)
        if isinstance(node, ast.ListDisplay | ast.TupleDisplay | ast.SetDisplay):
            sorts = {self.sort_of(item, scope) for item in node.items}
            return sorts.pop() if len(sorts) == 1 else ""
        if isinstance(node, ast.Comprehension) and node.value is None:
            inner = scope
            for clause in node.clauses:
                member = self._members_of(clause.iterable, inner)
                inner = Scope(inner)
                if isinstance(clause.target, ast.Name):
                    inner.bind(clause.target.id, Binding("value", sort=member))
                for name in _unpacked(clause.target):
                    inner.bind(name, Binding("value"))
            return self.sort_of(node.element, inner)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and scope.find(node.func.id) is None:
            return self._members_of(node.args[0], scope) if node.func.id in _KEEPING and node.args else ""
        return ""

    def sort_asked(self, node: ast.Call, scope: Scope) -> str:
        """Return the sort that ``describe`` asks a value of, or ``""``."""
        return self._sort_named(node.args[0], scope)

    def _sort_named(self, node: Expr, scope: Scope) -> str:
        if not isinstance(node, ast.Name) or scope.find(node.id) is not None:
            return ""
        return OBJECT if node.id == "objects" else self.vocabulary.sort_named(node.id) or ""

    def sort_of(self, node: Expr, scope: Scope) -> str:
        """Return the sort of an expression, ``""`` where it is not known."""
        words = self.vocabulary
        if isinstance(node, ast.Name):
            bound = scope.find(node.id)
            if bound is not None:
                return bound.sort
            return words.sort_of_value(node.id) or ""
        if isinstance(node, ast.Text):
            return words.sort_of_value(node.value) or ""
        if isinstance(node, ast.Conditional):
            then, otherwise = self.sort_of(node.then, scope), self.sort_of(node.otherwise, scope)
            return then if then == otherwise else ""
        if isinstance(node, ast.Subscript) and not isinstance(node.index, ast.Slice):
            return self._members_of(node.value, scope)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and scope.find(node.func.id) is None:
            if node.func.id == "describe" and len(node.args) == 2:
                return self._sort_named(node.args[0], scope)
            if node.func.id in BINDERS & {"iota", "the", "point", "best", "argmax"}:
                return self.ranged_over(node, scope)
        return ""

    def no_sort(self, node: ast.Call, first: Expr, scope: Scope) -> bool:
        """Refuse what a quantifier with a lambda is to range over where it is no sort; tell whether it was refused.

        A word of objects (``count(Block, lambda x: …)`` where blocks are cubes) belongs into the condition.
        """
        words = self.vocabulary
        if not isinstance(first, ast.Name) or not isinstance(node.args[-1], ast.Lambda) or first.id in BUILTINS:
            return False
        name, called = first.id, node.func.id if isinstance(node.func, ast.Name) else "exists"
        if scope.find(name) is not None or self._sort_named(first, scope):
            return False
        one = [w for w in dict.fromkeys((name, name.removesuffix("s"), name.lower())) if words.knows(w, 1)]
        if not one and not words.closed:
            return False
        word = words.canonical(one[0], 1) if one else name.lower()
        variable = node.args[-1].params[0] if node.args[-1].params else "x"
        near = closest(name, [*words.sort_names(), *words.sort_synonyms], 1, 0.75)
        declared = f"; or let the vocabulary '{words.name}' define it" if not one else ""
        self.fault(
            f"'{name}' is no sort",
            first,
            expected=f"one of {', '.join(words.sort_names())}",
            hint=any_of(near) or f"write {called}({OBJECT}, lambda {variable}: {word}({variable}) and …){declared}",
        )
        return True

    def word_with(self, node: ast.Call, argument: Expr, scope: Scope) -> bool:
        """Refuse an unknown name in a predicate's argument where it makes a word of a closed vocabulary with the
        predicate: ``touching(x, edge)``, for ``touching_edge(x)``; tell whether it was refused."""
        words = self.vocabulary
        if not words.closed or not isinstance(node.func, ast.Name) or not isinstance(argument, ast.Name):
            return False
        name = argument.id
        if len(node.args) < 2 or scope.find(node.func.id) is not None or node.func.id in BUILTINS:
            return False
        known = scope.find(name) is not None or name in BUILTINS or self._sort_named(argument, scope)
        if known or words.knows(name, 1) or words.knows(name, 2) or re.fullmatch(r"[a-z]\d*", name):
            return False
        near = words.suggest_with(node.func.id, name, len(node.args) - 1)
        if not near:
            return False
        self.fault(f"unknown name '{name}'", argument, expected="an object, e.g. a lambda's variable", hint=near)
        return True

    def meant_by(self, node: ast.Call, scope: Scope) -> str:
        """Return a hint for an unknown predicate: a built-in of like name that takes such arguments, or how to speak of
        the object that a call inside another was to be."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        alike = [b for b in _RELATIONS if BUILTINS[b].least <= len(node.args) <= BUILTINS[b].most]
        near = did_you_mean(name, alike)
        if near or id(node) not in self.inside:
            return near
        of = node.args[0].id if node.args and isinstance(node.args[0], ast.Name) else "…"
        return (
            f"an object in a predicate is described: iota(Object, lambda y: …), with what makes y the {name} of {of};"
            f" or let the vocabulary '{self.vocabulary.name}' define '{name}' so"
        )

    def arguments_of_sorts(self, node: ast.Call, name: str, scope: Scope) -> None:
        """Check that what a predicate is said of is of the sorts that it can be said of.

        Of a closed vocabulary all arguments are checked, of another one only what it declares: containers and parts of
        sorts.
        """
        words, arity = self.vocabulary, len(node.args)
        sort = words.sort_named(name)
        if sort is not None and words.is_of_things(sort) and arity != 1 and sort != OBJECT:
            self.fault(
                f"'{name}' is a sort, and is said of one thing, not of {arity}",
                node,
                expected=f"{name}(x)",
                hint=f"to range over it write exists({sort}, lambda x: …)",
            )
            return
        places = words.of(name, arity) if sort is None else ()
        if sort is not None and not words.is_of_things(sort):
            self.has_values(node.args[0], sort, scope)
        sorts = [self.sort_of(a, scope) for a in node.args]
        if words.closed and places and not self._joins(name, node, sorts):
            self._objects_only(node, name, sorts)
        for place, given, argument in zip(places, sorts, node.args, strict=False):
            if place == ANY or not words.is_of_things(given) or words.kind(given) == words.kind(place):
                continue
            self.fault(
                f"'{name}' is not said of {'an' if given[0] in 'AEIOU' else 'a'} {given}",
                argument,
                expected=f"{name}({', '.join(places)})",
                hint=self._related(given, place, argument),
            )

    def has_values(self, of: Expr, sort: str, scope: Scope) -> None:
        """Refuse what is no object where a value is asked for: containers have none."""
        words, given = self.vocabulary, self.sort_of(of, scope)
        if words.is_of_things(given) and words.kind(given) != OBJECT:
            self.fault(
                f"{'an' if given[0] in 'AEIOU' else 'a'} {given} has no {words.attribute(sort)}",
                of,
                expected="an object",
                hint=self._related(given, OBJECT, of),
            )

    def _objects_only(self, node: ast.Call, name: str, sorts: list[str]) -> None:
        """Refuse values among the arguments of a predicate of objects: no words of theirs are in the vocabulary."""
        words = self.vocabulary
        if words.same(name) is not None or words.canonical(name, len(node.args)) == "same_object":
            return
        for given, argument in zip(sorts, node.args, strict=True):
            text = argument.value if isinstance(argument, ast.Text) else ""
            variable = len(text) == 1 or (text[:1].isalpha() and text[1:].isdigit())
            own = len(node.args) == 1 and given and words.sort_of_value(name) == given
            if own or words.is_of_things(given) or not (given or (text and not variable)):
                continue
            said = f"'{text}'" if text else f"a value of {given}"
            near = words.suggest_with(name, text, len(node.args) - 1) if text else ""
            self.fault(
                f"'{name}' is said of objects, and {said} is none",
                argument,
                expected=f"{name}({', '.join(words.of(name, len(node.args)))})",
                hint=near or (f"to ask for it write {words.attribute(given)}(x, …)" if given else "name an object"),
            )

    def _joins(self, name: str, node: ast.Call, sorts: list[str]) -> bool:
        """Tell whether a predicate and the values among its arguments are one word: ``made_of(x, "metal")``."""
        texts = [a for a, s in zip(node.args, sorts, strict=True) if isinstance(a, ast.Text | ast.Name) and s]
        said = [a.value if isinstance(a, ast.Text) else a.id for a in texts]
        return bool(said) and self.vocabulary.knows(" ".join([name, *said]), len(node.args) - len(said))

    def _related(self, given: str, place: str, argument: Expr) -> str:
        """Return how to come from what is given to what is wanted, by a predicate that relates the two."""
        words = self.vocabulary
        of = argument.id if isinstance(argument, ast.Name) else "b"
        wanted = {words.kind(given), words.kind(place)}
        for name, known in words.predicates.items():
            if 2 in known.arities and {words.kind(s) for s in known.of} == wanted and len(wanted) == 2:
                inner = "y" if of != "y" else "z"
                order = (inner, of) if words.kind(known.of[0]) == words.kind(place) else (of, inner)
                return f"speak of what is there: exists({place}, lambda {inner}: {name}({', '.join(order)}) and …)"
        return f"range over {place}"


def _unpacked(target: Expr) -> list[str]:
    """Return the names of a target of several."""
    items = target.items if isinstance(target, ast.TupleDisplay) else ()
    return [name for item in items for name in ([item.id] if isinstance(item, ast.Name) else _unpacked(item))]
