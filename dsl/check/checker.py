"""Static checks: everything that can be known to be wrong before a single oracle call."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakSet

from dsl.check.expressions import Expressions
from dsl.check.scopes import Binding, Scope, function_binding, recursion
from dsl.errors import ProgramError
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.normalise.normaliser import normalise
from dsl.syntax import ast
from dsl.syntax.lexer import ARROWS, SIGNS
from dsl.syntax.parser import check_depth, parsed
from dsl.vocabulary import Vocabulary, VocabularyError

_MOST_ERRORS = 10
_READ_AS = {**SIGNS, **dict.fromkeys(ARROWS, "implies")}
_SIGNS = re.compile("|".join(map(re.escape, _READ_AS)))
_REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class Checked:
    """A program that passed the checks.

    Parameters
    ----------
    program
        Its tree, in normal form (see :mod:`dsl.normalise.normaliser`).
    predicates
        The predicates it asks about, as (canonical name, number of arguments).
    notes
        What was normalised on the way, in words.
    """

    program: ast.Program
    predicates: frozenset[tuple[str, int]]
    notes: tuple[str, ...] = ()


def check(
    program: str | ast.Program, *, vocabulary: Vocabulary | None = None, limits: Limits = DEFAULT_LIMITS
) -> Checked:
    """Return the checked program, or raise everything that is wrong with it.

    Parameters
    ----------
    program
        Text, or a tree of :func:`dsl.parse`.
    vocabulary
        The domain's words; by default nothing is known and every predicate is allowed.
    limits
        ``source_chars``, ``nesting``, ``depth``, ``number_digits`` and ``predicate_arity`` are checked here.

    Raises
    ------
    ProgramError
        With up to ten faults in ``.errors``, in the order of the text.
    """
    known = vocabulary if vocabulary is not None else Vocabulary.open()
    check_definitions(known)
    return _check(program, known, limits)


def check_definitions(vocabulary: Vocabulary) -> None:
    """Check the definitions of a vocabulary, each once.

    Raises
    ------
    VocabularyError
        If one of them is no correct program.
    """
    if not vocabulary.definitions or vocabulary in _sound:
        return
    for meant in vocabulary.definitions.values():
        try:
            _check(meant.text, vocabulary, DEFAULT_LIMITS)
        except ProgramError as error:
            place = "sorts" if meant.name in vocabulary.sorts else "definitions"
            raise VocabularyError(f"vocabulary '{vocabulary.name}': {place}.{meant.name}: {error}") from error
    _sound.add(vocabulary)


def definition_of(vocabulary: Vocabulary, name: str, arity: int) -> ast.Lambda:
    """Return what a name with so many arguments is defined as, in normal form.

    Raises
    ------
    KeyError
        If the vocabulary does not define it.
    """
    meant = vocabulary.definition(name, arity)
    if meant is None:
        raise KeyError(f"{name}/{arity}")
    last = _check(meant.text, vocabulary, DEFAULT_LIMITS).program.body[-1]
    assert isinstance(last, ast.ExprStatement)
    assert isinstance(last.value, ast.Lambda)
    return last.value


def _asked(predicates: Iterable[tuple[str, int]], known: Vocabulary) -> frozenset[tuple[str, int]]:
    """Return the predicates that are asked about, what is defined written out."""
    found: set[tuple[str, int]] = set()
    for name, arity in predicates:
        meant = known.definition(name, arity)
        found |= {(name, arity)} if meant is None else _check(meant.text, known, DEFAULT_LIMITS).predicates
    return frozenset(found)


def _check(program: str | ast.Program, known: Vocabulary, limits: Limits) -> Checked:
    key = (program, known, limits) if isinstance(program, str) else None
    known_before = _memory.get(key) if key is not None else None  # one look: another thread may drop it
    if known_before is not None:
        return known_before
    notes: tuple[str, ...] = ()
    source = None
    if isinstance(program, str):
        tree, notes = parsed(program, limits=limits)
        source = program
        if _SIGNS.search(program):
            signs = dict.fromkeys(_SIGNS.findall(program))
            notes = (*notes, *(f"'{s}' was read as '{_READ_AS[s]}'" for s in signs))
    else:
        tree = program
        check_depth(tree, limits)
    try:
        tree, changed = normalise(tree, known, limits)
    except ProgramError as fault:
        raise (fault.with_source(source) if source is not None else fault) from None
    checker = _Checker(known, limits)
    checker.program(tree)
    if checker.errors:
        faults = sorted(checker.errors, key=lambda e: (e.line or 0, e.column or 0))[:_MOST_ERRORS]
        error = ProgramError.bundle(faults)
        raise error.with_source(source) if source is not None else error
    done = Checked(tree, _asked(checker.predicates, known), tuple(dict.fromkeys((*notes, *changed, *checker.notes))))
    if key is not None and source is not None and len(source) <= 2000:
        if len(_memory) >= _REMEMBERED:
            _memory.popitem(last=False)
        _memory[key] = done
    return done


_memory: OrderedDict[tuple[str, Vocabulary, Limits], Checked] = OrderedDict()
_sound: WeakSet[Vocabulary] = WeakSet()
"""Vocabularies whose definitions were checked."""


class _Checker(Expressions):
    """Walks the statements in order; bodies of functions last, when every name around them is bound."""

    def program(self, tree: ast.Program) -> None:
        """Check a whole program; faults go to ``errors``."""
        top = Scope()
        self.block(tree.body, top, loop=False)
        for node, path in recursion(tree):
            self.fault(
                f"'{path[0]}' calls itself ({' → '.join(path)})",
                node,
                expected="functions that do not call themselves",
                hint="use a for statement, or a quantifier",
            )
        if not _gives_result(tree.body):
            self.fault(
                "the program gives no result",
                tree.body[-1],
                expected="an expression on the last line, or a return",
                hint="end with return and the value",
            )

    def block(self, body: tuple[ast.Stmt, ...], scope: Scope, *, loop: bool) -> None:
        """Check statements, then the bodies of the functions among them."""
        later: list[ast.FunctionDef] = []
        self._statements(body, scope, loop, later)
        for node in later:
            inner = Scope(scope)
            for param in node.params:
                self.bind(inner, param.name, param, Binding("value"))
            self.block(node.body, inner, loop=False)

    def _statements(self, body: tuple[ast.Stmt, ...], scope: Scope, loop: bool, later: list[ast.FunctionDef]) -> None:
        for node in body:
            if isinstance(node, ast.ExprStatement):
                self.expression(node.value, scope)
            elif isinstance(node, ast.Return):
                if node.value is not None:
                    self.expression(node.value, scope)
            elif isinstance(node, ast.Assign):
                self._assign(node, scope)
            elif isinstance(node, ast.AugAssign):
                self.expression(node.target, scope)
                self.expression(node.value, scope)
                if isinstance(node.target, ast.Name):
                    self.bind(scope, node.target.id, node.target, Binding("value"))
            elif isinstance(node, ast.If):
                self.expression(node.test, scope)
                self._statements(node.body, scope, loop, later)
                self._statements(node.orelse, scope, loop, later)
            elif isinstance(node, ast.For):
                self.expression(node.iterable, scope)
                self.target(node.target, scope, self.member_of(node.iterable, scope))
                self._statements(node.body, scope, True, later)
            elif isinstance(node, ast.FunctionDef):
                self._function(node, scope)
                later.append(node)
            elif isinstance(node, ast.Break | ast.Continue) and not loop:
                word = "break" if isinstance(node, ast.Break) else "continue"
                self.fault(f"'{word}' outside a for statement", node, hint=f"leave '{word}' out, or put it in a loop")

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        if isinstance(node.value, ast.Lambda):
            binding = function_binding(tuple(ast.Param(p) for p in node.value.params))
            for target in node.targets:
                if isinstance(target, ast.Name):  # before the body: the lambda sees its own name
                    self.bind(scope, target.id, target, binding)
            self.expression(node.value, scope)
            names: tuple[ast.Expr, ...] = tuple(t for t in node.targets if not isinstance(t, ast.Name))
        else:
            self.expression(node.value, scope)
            names = node.targets
        for target in names:
            self.target(target, scope)

    def _function(self, node: ast.FunctionDef, scope: Scope) -> None:
        seen: set[str] = set()
        optional = False
        for param in node.params:
            if param.name in seen:
                self.fault(f"the parameter '{param.name}' occurs twice", param, hint="give it another name")
            seen.add(param.name)
            if param.default is not None:
                optional = True
                self.expression(param.default, scope)
            elif optional:
                self.fault(
                    f"the parameter '{param.name}' without a default follows one with a default",
                    param,
                    hint="put parameters with defaults last",
                )
        self.bind(scope, node.name, node, function_binding(node.params))


def _gives_result(body: tuple[ast.Stmt, ...]) -> bool:
    last = body[-1]
    named = isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name)
    return named or isinstance(last, ast.ExprStatement) or _returns(body)


def _returns(body: tuple[ast.Stmt, ...]) -> bool:
    for node in body:
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if isinstance(node, ast.If) and (_returns(node.body) or _returns(node.orelse)):
            return True
        if isinstance(node, ast.For) and _returns(node.body):
            return True
    return False
