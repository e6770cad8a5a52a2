"""Programs about films: what they say of time becomes quantifiers over frames, what they say of a frame a program.

``some_frame(φ)`` is ∃f φ(f), ``every_frame(φ)`` ¬∃f ¬φ(f), ``before(φ, ψ)`` ∃f (φ(f) ∧ ∃g (ψ(g) ∧ f < g)), and
``until(φ, ψ)`` ∃g (ψ(g) ∧ ¬∃f (f < g ∧ ¬φ(f))). All are ∃ of what may be seen in a frame, so that one frame can settle
them. Each φ is a program about one picture, and is asked of a frame only where it can still change the answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dsl
from dsl.errors import ProgramError
from dsl.limits import Limits
from dsl.patches.dialect import dialect_of
from dsl.syntax import ast
from dsl.syntax.printer import print_expression, print_program
from dsl.syntax.spelling import PATCHES

ARITIES = {"some_frame": 1, "every_frame": 1, "before": 2, "until": 2}
"""The words of time, with the number of formulas that each takes."""

SIGNATURES = ("some_frame(formula)", "every_frame(formula)", "before(formula, formula)", "until(formula, formula)")
EARLIER = "earlier"
"""The relation of two frames, read off their times."""


@dataclass(frozen=True, slots=True)
class FilmProgram:
    """A program about a film.

    Parameters
    ----------
    over_frames
        The program whose objects are frames.
    seen
        Its predicates by name: programs about the picture that a frame is. ``seen_1(f)`` says that the program is true
        of a frame, ``unseen_1(f)`` that it is false.
    notes
        How it was read.
    """

    over_frames: ast.Program
    seen: dict[str, str]
    notes: tuple[str, ...] = ()


def over_frames(program: str, limits: Limits) -> FilmProgram:
    """Read a program about a film. One that says nothing of time is asked of each frame: whether it is so in one.

    Raises
    ------
    dsl.ProgramError
        If it is no program, or speaks of time wrongly.
    """
    try:
        tree = dsl.parse(program, limits=limits)
        if dialect_of(tree) == PATCHES or not any(_time(n) for n in ast.walk(tree)):
            found = joined("some_frame", [program])
            return FilmProgram(
                found.over_frames, found.seen, ("the program says nothing of time: asked is whether a frame fits",)
            )
        return _Reader(tree).read()
    except ProgramError as error:
        if error.source is None:
            error.with_source(program)
        raise


def about_film(program: str) -> bool:
    """Tell whether a program is over regions and takes the film itself: it names ``video``."""
    try:
        tree = dsl.parse(program)
    except ProgramError:
        return False
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    names |= {p.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) for p in n.params}
    return dialect_of(tree) == PATCHES and bool({"video", "VideoSegment"} & names)


def joined(word: str, programs: Sequence[str]) -> FilmProgram:
    """Return the program that a word of time makes of programs about pictures: ``until`` of two."""
    names = {f"seen_{k + 1}": program for k, program in enumerate(programs)}
    quantified = _quantified(word, list(names))
    used = {n.id for n in ast.walk(quantified) if isinstance(n, ast.Name)}
    seen = {negated: names[name] for name in names for negated in (name, f"un{name}") if negated in used}
    return FilmProgram(ast.Program((ast.Return(quantified),)), seen)


def _quantified(word: str, names: list[str]) -> ast.Expr:
    """Return the quantifiers of a word of time, over what is seen in frames."""
    first, last = _of(names[0], "f"), _of(names[-1], "g")
    if word == "some_frame":
        return _exists("f", first)
    if word == "every_frame":
        return ast.Unary("not", _exists("f", _of(f"un{names[0]}", "f")))
    if word == "before":
        later = ast.Connective("and", (last, _earlier()))
        return _exists("f", ast.Connective("and", (first, _exists("g", later))))
    fails = ast.Connective("and", (_earlier(), _of(f"un{names[0]}", "f")))
    return _exists("g", ast.Connective("and", (last, ast.Unary("not", _exists("f", fails)))))


def _time(node: ast.Node) -> str:
    """Return the word of time that a node calls, or ``""``."""
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ARITIES
    return node.func.id if named and isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


class _Reader:
    """Puts quantifiers over frames in the place of the words of time of one program."""

    def __init__(self, tree: ast.Program) -> None:
        self._tree = tree
        self._seen: dict[str, str] = {}
        self._before: tuple[ast.Stmt, ...] = ()

    def read(self) -> FilmProgram:
        body: list[ast.Stmt] = []
        for statement in self._tree.body:
            body.append(self._replaced(statement))
            if isinstance(statement, ast.Assign | ast.FunctionDef) and not any(_time(n) for n in ast.walk(statement)):
                self._before = (*self._before, statement)
        # What only frames needed is not a matter of the film: its words are not of frames.
        while unused := [s for s in body if s in self._before and not _used(_bound(s), [b for b in body if b != s])]:
            body = [s for s in body if s not in unused]
        used = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name)}
        return FilmProgram(ast.Program(tuple(body)), {name: text for name, text in self._seen.items() if name in used})

    def _replaced(self, node: Any) -> Any:
        word = _time(node) if isinstance(node, ast.Node) else ""
        if word:
            return self._quantified(word, node)
        if isinstance(node, tuple):
            return tuple(self._replaced(n) for n in node)
        if not isinstance(node, ast.Node):
            return node
        fields = {name: self._replaced(getattr(node, name)) for name in ast.field_names(type(node))}
        return dataclasses.replace(node, **fields)

    def _quantified(self, word: str, call: ast.Call) -> ast.Expr:
        if len(call.args) != ARITIES[word] or call.keywords:
            count = ARITIES[word]
            raise ProgramError(
                f"'{word}' takes {count} formula{'s' if count > 1 else ''}, not {len(call.args) + len(call.keywords)}",
                call.span,
                expected=next(s for s in SIGNATURES if s.startswith(word)),
            )
        for argument in call.args:
            inner = next((n for n in ast.walk(argument) if _time(n)), None)
            if inner is not None:
                raise ProgramError(
                    f"'{_time(inner)}' stands inside '{word}': in one frame no time passes",
                    inner.span,
                    expected="a formula about one picture",
                    hint="join them with and, or, not outside",
                )
        found = _quantified(word, [self._named(argument) for argument in call.args])
        for node in ast.walk(found):
            if isinstance(node, ast.Name) and node.id.startswith("unseen_"):
                self._seen[node.id] = self._seen[node.id.removeprefix("un")]
        return found

    def _named(self, formula: ast.Expr) -> str:
        """Return the name of what is seen in a frame; the same formula has the same."""
        names = {n.id for n in ast.walk(formula) if isinstance(n, ast.Name)}
        needed: list[ast.Stmt] = []
        for statement in reversed(self._before):
            if _bound(statement) & names:
                needed.insert(0, statement)
                names |= {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        text = print_program(ast.Program((*needed, ast.Return(formula)))) if needed else print_expression(formula)
        plain = {name: known for name, known in self._seen.items() if name.startswith("seen_")}
        for name, known in plain.items():
            if known == text:
                return name
        name = f"seen_{len(plain) + 1}"
        self._seen[name] = text
        return name


def _bound(statement: ast.Stmt) -> set[str]:
    """Return the names that an assignment or a definition binds."""
    if isinstance(statement, ast.FunctionDef):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else ()
    return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def _used(names: set[str], statements: list[ast.Stmt]) -> bool:
    """Tell whether a statement names one of them."""
    return any(isinstance(n, ast.Name) and n.id in names for s in statements for n in ast.walk(s))


def _of(name: str, variable: str) -> ast.Expr:
    return ast.Call(ast.Name(name), (ast.Name(variable),))


def _earlier() -> ast.Expr:
    return ast.Call(ast.Name(EARLIER), (ast.Name("f"), ast.Name("g")))


def _exists(variable: str, body: ast.Expr) -> ast.Expr:
    return ast.Call(ast.Name("exists"), (ast.Name("Object"), ast.Lambda((variable,), body)))
