"""What a detector should look for: the nouns of a program.

``count(Object, lambda x: red(x) and ball(x))`` is about balls; that they are red, the oracle is asked. A variable that
no noun names may be any object, so ``count(Object, lambda x: red(x))`` looks for objects of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import dsl
from dsl.builtins import BUILTINS
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.syntax import ast
from dsl.vocabulary import OBJECT, Vocabulary
from neptune.engine.evidence.questions import Wording
from neptune.engine.scenes import ANYTHING

_NOTHING: frozenset[str] = frozenset()
_PLACE = re.compile(r"\b(?:the |this |that )?(?:\w+ )?in(?:side)? (?:the |a )?\w+ (?:bounding )?box\b")
_FIRST_WORDS = re.compile(r"^(?:is|are|was|does|do|can|could|would)\b\s*(?:it|this|that|the object)?\b\s*")
_ARTICLE = re.compile(r"^(?:a|an|the|some|any|one)\s+")
_END = re.compile(r"\b(?:that|which|who|whose|with|without|in|on|at|of|near|next|from|behind|under|above|\w+ing)\b")


def labels_of(
    programs: Iterable[str | ast.Program],
    wording: Wording,
    vocabulary: Vocabulary | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[str, ...]:
    """Return the nouns of programs, in alphabetical order, and ``object`` last where any object may be meant.

    Parameters
    ----------
    programs
        Texts or trees, the programs that will be run on one picture. A wrong one has no nouns: running it says why.
    wording, vocabulary
        Which words are nouns, and which of them mean the same (``ball`` and ``sphere`` are one label).
    limits
        As for :func:`dsl.check`.

    Returns
    -------
    tuple of str
        At least one label.
    """
    nouns: set[str] = set()
    anything = False
    for program in programs:
        try:
            tree = dsl.check(program, vocabulary=vocabulary, limits=limits).program
        except dsl.ProgramError:
            continue
        found = _Nouns(wording, vocabulary or Vocabulary.open())
        found.read(tree)
        nouns |= found.nouns
        anything |= found.anything
    nouns.discard(ANYTHING)
    return (*sorted(nouns), *([ANYTHING] if anything or not nouns else []))


def noun_of_question(text: str, wording: Wording) -> str | None:
    """Return the noun in a question about one object, or ``None``: "is the object in the red box a red ball?" → ball.

    >>> noun_of_question("is the object in the red box a wine glass?", Wording.load())
    'wine glass'
    """
    words = " ".join(text.lower().rstrip("?!. ").split())
    rest, places = _PLACE.subn("", words)
    if places > 1:
        return None  # a relation
    rest = _FIRST_WORDS.sub("", rest.strip()).strip()
    phrase = _ARTICLE.sub("", rest)
    if phrase == rest:
        return wording.noun(rest) if wording.is_noun(rest) else None
    end = _END.search(phrase)
    phrase = phrase[: end.start()].strip() if end and end.start() else phrase
    while phrase:
        noun = wording.noun(phrase)
        if noun is not None and not wording.is_adjective(phrase.split()[0]):
            return noun
        phrase = phrase.partition(" ")[2]  # "red ball": an attribute is not what is looked for
    return None


class _Nouns:
    """Reads a tree. A node gives the variables that it names: those for which it holds only if a noun does."""

    def __init__(self, wording: Wording, vocabulary: Vocabulary) -> None:
        self.wording, self.vocabulary = wording, vocabulary
        self.nouns: set[str] = set()
        self.anything = False
        self._scores: dict[str, ast.Call] = {}
        self._asked: set[str] = set()
        self._named: set[str] = set()
        self._serial = 0

    def read(self, tree: ast.Program) -> None:
        """Read a program into `nouns` and `anything`."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _is_score(node.value):
                self._scores |= {t.id: node.value for t in node.targets if isinstance(t, ast.Name)}  # type: ignore[misc]
        self._names(tree, {})
        # Variables of score("…")("x") have no scope: a noun anywhere names them.
        self.anything |= bool(self._asked - self._named)

    def _names(self, node: ast.Node, scope: dict[str, str]) -> frozenset[str]:
        match node:
            case ast.Unary(op="not" | "~"):
                self._names(node.operand, scope)
                return _NOTHING
            case ast.Connective(op="or"):
                return frozenset.intersection(*[self._names(n, scope) for n in node.operands])
            case ast.Binary(op="|" | "^"):
                return self._names(node.left, scope) & self._names(node.right, scope)
            case ast.Binary(op=">>"):
                left = self._names(node.left, scope)
                self._names(node.right, scope)
                return left
            case ast.For():
                return self._bound(node, [(node.target, node.iterable)], [*node.body, *node.orelse], scope)
            case ast.Comprehension():
                parts: list[ast.Node] = [n for n in (node.element, node.value) if n is not None]
                parts += [c for clause in node.clauses for c in clause.conditions]
                return self._bound(node, [(c.target, c.iterable) for c in node.clauses], parts, scope)
            case ast.Call():
                return self._call(node, scope)
        return self._all(ast.children(node), scope)

    def _all(self, nodes: Iterable[ast.Node], scope: dict[str, str]) -> frozenset[str]:
        return frozenset().union(*[self._names(n, scope) for n in nodes])

    def _bound(
        self, node: ast.Node, pairs: list[tuple[ast.Expr, ast.Expr]], parts: list[ast.Node], scope: dict[str, str]
    ) -> frozenset[str]:
        """Read what is under ``for x in Object``."""
        inner, fresh = dict(scope), []
        for target, domain in pairs:
            if isinstance(target, ast.Name):
                inner.pop(target.id, None)
                if self._is_objects(domain):
                    fresh.append(self._variable(target.id, inner))
        found = self._all([*(domain for _, domain in pairs), *parts], inner)
        self.anything |= not set(fresh) <= found
        return found - set(fresh)

    def _call(self, node: ast.Call, scope: dict[str, str]) -> frozenset[str]:
        arguments: list[ast.Node] = [*node.args, *(k.value for k in node.keywords)]
        func = node.func
        if isinstance(func, ast.Name) and func.id in self._scores:
            return self._scored(self._scores[func.id], node, scope)
        if _is_score(func):
            return self._scored(func, node, scope)  # type: ignore[arg-type]
        if _is_score(node):
            self._question(node)
            return _NOTHING
        if isinstance(func, ast.Name) and func.id == "implies" and len(node.args) == 2:
            left = self._names(node.args[0], scope)
            self._names(node.args[1], scope)
            return left
        if isinstance(func, ast.Name) and func.id == "not_":
            self._all(arguments, scope)
            return _NOTHING
        if isinstance(func, ast.Name) and func.id == "or_" and node.args:
            return frozenset.intersection(*[self._names(a, scope) for a in node.args])
        lambdas = [a for a in node.args if isinstance(a, ast.Lambda)]
        if lambdas:
            objects = bool(node.args) and self._is_objects(node.args[0])
            found = self._all([a for a in arguments if not isinstance(a, ast.Lambda)], scope)
            for function in lambdas:
                inner = {k: v for k, v in scope.items() if k not in function.params}
                fresh = {self._variable(p, inner) for p in function.params} if objects else set()
                named = self._names(function.body, inner)
                self.anything |= not fresh <= named
                found |= named - fresh
            return found
        found = self._all([func, *arguments] if not isinstance(func, ast.Name) else arguments, scope)
        plain = isinstance(func, ast.Name) and not self.vocabulary.perceives(func.id, len(node.args))
        if isinstance(func, ast.Name) and plain and func.id not in BUILTINS and len(node.args) == 1:
            noun = self._noun(func.id)
            if noun is not None:
                self.nouns.add(noun)
                argument = node.args[0]
                if isinstance(argument, ast.Name) and argument.id in scope:
                    found |= {scope[argument.id]}
        return found

    def _scored(self, score: ast.Call, call: ast.Call, scope: dict[str, str]) -> frozenset[str]:
        """Read ``score("…")("x")``, or ``score("…")(x)`` under a quantifier."""
        noun = self._question(score)
        texts = {a.value for a in call.args if isinstance(a, ast.Text)}
        self._asked |= texts
        if noun is None or len(call.args) != 1:
            return _NOTHING
        self._named |= texts
        return frozenset(scope[a.id] for a in call.args if isinstance(a, ast.Name) and a.id in scope)

    def _question(self, score: ast.Call) -> str | None:
        """Return the noun that a question asks about."""
        question = score.args[0] if score.args else None
        if not isinstance(question, ast.Text):
            self.anything = True  # the words are made while the program runs
            return None
        noun = noun_of_question(question.value, self.wording)
        if noun is not None:
            noun = self._noun(noun)
        if noun is not None:
            self.nouns.add(noun)
        return noun

    def _noun(self, name: str) -> str | None:
        """Return the label for a predicate of one object, or ``None`` where it is no noun."""
        known = self.vocabulary
        canonical = known.canonical(name.replace(" ", "_"), 1)
        name = name if canonical == name.lower() else canonical  # "fireHydrant" is two words
        if known.is_vacuous(name):
            return None
        noun = self.wording.noun(name)
        listed = known.sort_of_value(name) is not None or bool(known.arities(name))
        return noun if noun is not None and (not listed or self.wording.is_noun(noun)) else None

    def _is_objects(self, domain: ast.Expr) -> bool:
        return isinstance(domain, ast.Name) and self.vocabulary.sort_named(domain.id) == OBJECT

    def _variable(self, name: str, scope: dict[str, str]) -> str:
        self._serial += 1
        scope[name] = f"{name}#{self._serial}"
        return scope[name]


def _is_score(node: ast.Node) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "score"
