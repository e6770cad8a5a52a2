"""The checks of a block of a conversation: a program over regions that goes on from what earlier blocks defined."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from dsl.check.checker import Checked
from dsl.check.regions import RegionChecker
from dsl.check.scopes import Scope
from dsl.errors import ProgramError, closest
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.patches.declared import ANY, METHODS, PICTURE, REGION, Function, base
from dsl.patches.normal import normal_form
from dsl.patches.turns import TURN_FUNCTIONS
from dsl.syntax import ast
from dsl.syntax.parser import parsed
from dsl.syntax.spelling import PATCHES, marks_regions
from dsl.vocabulary import Vocabulary

Known = Mapping[str, tuple[ast.Param, ...] | None]
"""What earlier blocks gave names: a function's parameters, or ``None`` for a value."""

_MOST_ERRORS = 10
_PLOTS = {"imshow", "show", "figure", "axis", "title", "tight_layout", "close", "subplots_adjust"}
_ATTRIBUTES = ("size",)
_LIBRARIES = re.compile(
    r"^([ \t]*)(?:import matplotlib(?:\.pyplot)?(?: as plt)?|from matplotlib import pyplot(?: as plt)?"
    r"|from PIL import [\w, ]+|import PIL(?:\.Image)?)[ \t]*$",
    re.MULTILINE,
)
"""Imports that conversations with pictures begin with: what they would bring is built in, or read."""


def check_turn(
    program: str,
    known: Known,
    tools: Mapping[str, Function],
    *,
    vocabulary: Vocabulary | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Checked:
    """Return a block of a conversation, checked, or raise everything that is wrong with it.

    Parameters
    ----------
    program
        Its text. It needs no result: what it prints and shows is what comes of it.
    known
        What earlier blocks defined, and the names of pictures.
    tools
        The picture tools, by name.
    vocabulary, limits
        As for :func:`dsl.check`.

    Raises
    ------
    ProgramError
        With up to ten faults in ``.errors``, in the order of the text.
    """
    words = vocabulary if vocabulary is not None else Vocabulary.open()
    tree, notes = parsed(_LIBRARIES.sub(r"\1pass", program), limits=limits, dialect=PATCHES)
    try:
        tree, drawn = _without_plots(tree)
        marked = any(isinstance(s, ast.FunctionDef) and marks_regions(s.name) for s in tree.body)
        before = _standing_for(known, tree)
        if marked:  # a block that is one function, the program, is called; any other is a tool for later
            tree, called = normal_form(tree)
        else:
            called = ()
        end = ast.ExprStatement(ast.Nothing(span=tree.body[-1].span), span=tree.body[-1].span)
        whole, changed = normal_form(replace(tree, body=(*before, *tree.body, end), dialect=PATCHES))
        checker = TurnChecker(whole, words, limits, tools)
        checker.program(whole)
    except ProgramError as fault:
        raise fault.with_source(program) from None
    if checker.errors:
        faults = sorted(checker.errors, key=lambda e: (e.line or 0, e.column or 0))[:_MOST_ERRORS]
        raise ProgramError.bundle(faults).with_source(program)
    body = tuple(s for s in whole.body if s is not end and not any(s == b for b in before))
    said = tuple(dict.fromkeys((*notes, *drawn, *called, *changed, *checker.notes)))
    return Checked(replace(whole, body=body or (ast.Pass(span=end.span),)), frozenset(checker.predicates), said)


def _standing_for(known: Known, tree: ast.Program) -> tuple[ast.Stmt, ...]:
    """Return statements that bind the known names as earlier blocks did, of sorts that are not known."""
    span = tree.body[0].span
    got = ast.Attribute(ast.DictDisplay((), (), span=span), "get", span=span)
    anything = ast.Call(got, (ast.Number(0, span=span),), span=span)
    made: list[ast.Stmt] = []
    for name, params in known.items():
        if params is None:
            made.append(ast.Assign((ast.Name(name, span=span),), anything, span=span))
        else:
            body = (ast.Return(anything, span=span),)
            made.append(ast.FunctionDef(name, params, body, span=span))
    return tuple(made)


def _without_plots(tree: ast.Program) -> tuple[ast.Program, tuple[str, ...]]:
    """Return a block with matplotlib's ways to show a picture read as ``show``."""
    notes: dict[str, None] = {}

    def read(statements: tuple[ast.Stmt, ...]) -> tuple[ast.Stmt, ...]:
        made: list[ast.Stmt] = []
        for s in statements:
            call = s.value if isinstance(s, ast.ExprStatement) else None
            func = call.func if isinstance(call, ast.Call) else None
            plots = isinstance(func, ast.Attribute) and func.value == ast.Name("plt") and func.name in _PLOTS
            if plots and isinstance(func, ast.Attribute) and isinstance(call, ast.Call):
                if func.name == "imshow" and call.args:
                    notes.setdefault("'plt.imshow(…)' was read as 'show(…)'")
                    shown = ast.Call(ast.Name("show", span=s.span), call.args[:1], span=s.span)
                    made.append(ast.ExprStatement(shown, span=s.span))
                continue
            if isinstance(s, ast.If | ast.For):
                s = replace(s, body=read(s.body) or (ast.Pass(span=s.span),), orelse=read(s.orelse))
            elif isinstance(s, ast.FunctionDef):
                s = replace(s, body=read(s.body) or (ast.Pass(span=s.span),))
            made.append(s)
        return tuple(made)

    body = read(tree.body) or (ast.Pass(span=tree.body[0].span),)
    return replace(tree, body=body), tuple(notes)


class TurnChecker(RegionChecker):
    """Checks one block, in normal form, with what earlier ones defined before it.

    Parameters
    ----------
    tree, vocabulary, limits
        As for every checker of programs over regions.
    tools
        The picture tools, by name.
    """

    def __init__(
        self, tree: ast.Program, vocabulary: Vocabulary, limits: Limits, tools: Mapping[str, Function]
    ) -> None:
        super().__init__(tree, vocabulary, limits)
        self.tools = tools

    def _named_call(self, node: ast.Call, function: ast.Name, scope: Scope) -> None:
        if function.id in TURN_FUNCTIONS and scope.find(function.id) is None:
            self._arguments(node, scope)
            self._fits(node, [TURN_FUNCTIONS[function.id]])
            return
        super()._named_call(node, function, scope)

    def _attribute(self, node: ast.Attribute, scope: Scope, *, called: bool) -> None:
        if not called and node.name in _ATTRIBUTES and self._pictured(node.value):
            self.expression(node.value, scope)
            return
        if called and self._meant(node):
            self.expression(node.value, scope)
            return
        super()._attribute(node, scope, called=called)

    def _call(self, node: ast.Call, scope: Scope) -> None:
        func = node.func
        meant = self._meant(func) if isinstance(func, ast.Attribute) else []
        if not meant:
            super()._call(node, scope)
            return
        assert isinstance(func, ast.Attribute)
        self._attribute(func, scope, called=True)
        self._arguments(node, scope)
        keywords = [k.name for k in node.keywords]
        problems = [function.misfit(len(node.args), keywords) for function in meant]
        if all(problems):
            self.fault(problems[0], node, expected=meant[0].signature, hint=f"write {meant[0].signature}")

    def _pictured(self, node: ast.Expr) -> bool:
        return base(self.sorts.of(node)) in (REGION, PICTURE, ANY)

    def _meant(self, node: ast.Attribute) -> list[Function]:
        """Return what a method of a picture may be: a tool, or a method of regions; none where it is another's."""
        name, sort = node.name, base(self.sorts.of(node.value))
        if sort not in (REGION, PICTURE, ANY):
            return []
        found = [self.tools[name]] if name in self.tools else []
        if name in METHODS[REGION] and (found or sort == PICTURE):
            found.append(METHODS[REGION][name])
        if sort == ANY:
            found += [m[name] for s, m in METHODS.items() if s != REGION and name in m and found]
        return found

    def _no_member(self, node: ast.Attribute, sort: str) -> None:
        near = closest(node.name, self.tools, 3, 0.6)
        if sort in (REGION, PICTURE, ANY) and near:
            known = self.tools[near[0]]
            self.fault(f"there is no '.{node.name}'", node, expected="a picture tool such as .crop or .zoom",
                       hint=f"did you mean .{known.signature}: {known.doc}?")  # fmt: skip
            return
        super()._no_member(node, sort)
