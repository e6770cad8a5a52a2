"""Whether a program asks anything of the picture: what a model writes and does not ask is no answer to a question."""

from __future__ import annotations

from collections.abc import Iterator

import dsl
from dsl.builtins import BUILTINS
from dsl.patches import declared
from dsl.patches.dialect import dialect_of
from dsl.patches.normal import BARE
from dsl.syntax import ast
from dsl.syntax.spelling import PATCHES

_ASKING = frozenset({"score", "query"})
"""Built-ins that ask by themselves; all others compute with what they are given: objects, predicates, values."""

_LONGEST_TEXT = 5000

_EXPECTED = {
    "formulas": "a program over the objects of the picture, such as count(Object, lambda x: red(x))",
    PATCHES: 'a program over regions of the picture, such as ImagePatch(image).find("dog")[0]',
}


_LOOKING = frozenset(
    name
    for functions in (declared.FUNCTIONS, declared.METHODS[declared.REGION])
    for name, function in functions.items()
    if function.needs
)
"""Functions and methods of regions that look at the picture, or ask for knowledge."""


def asks(tree: ast.Program, dialect: str | None = None) -> bool:
    """Whether a program names anything that it does not define itself: objects, predicates, questions.

    A program over regions asks if it looks at a region, or gives one back.
    """
    if dialect_of(tree, dialect) == PATCHES:
        nodes = ast.walk(tree)
        called = {n.name for n in nodes if isinstance(n, ast.Attribute)}
        named = {n.id for n in nodes if isinstance(n, ast.Name)}
        return not _LOOKING.isdisjoint(called | named) or "image" in named or bool(set(BARE) & named)
    own = {name for node in ast.walk(tree) for name in binds(node)}
    return any(
        isinstance(node, ast.Name) and (node.id in _ASKING or (node.id not in BUILTINS and node.id not in own))
        for node in ast.walk(tree)
    )


def asks_text(text: str, dialect: str | None = None) -> bool:
    """Whether a text is a program, and asks something."""
    if "(" not in text or len(text) > _LONGEST_TEXT:
        return False
    try:
        return asks(dsl.parse(text, dialect=dialect), dialect)
    except dsl.ProgramError:
        return False


def refuse_unasked(program: str, dialect: str | None = None) -> None:
    """Refuse a written program that asks nothing of the picture, or answers with a text that is a program.

    A program that does not parse is left to the checks. Programs of datasets may be constants: they are not written.

    Raises
    ------
    dsl.ProgramError
        If it does.
    """
    try:
        tree = dsl.parse(program, dialect=dialect)
    except dsl.ProgramError:
        return
    for answer in _answers(tree):
        held = next((text for text in texts_in(answer) if asks_text(text.value)), None)
        if held is not None:
            raise dsl.ProgramError(
                "the program answers with a text that is a program",
                held.span,
                expected="the program itself, not in quotes, a list or a dict",
                hint=f"write {held.value.strip()[:200]}",
                source=program,
            )
    if not asks(tree, dialect):
        raise dsl.ProgramError(
            "the program asks nothing of the picture: its answer is the same for every picture",
            tree.span,
            expected=_EXPECTED[dialect_of(tree, dialect)],
            hint="the picture is not known while the program is written: ask for what the question needs",
            source=program,
        )


def texts_in(node: ast.Node) -> Iterator[ast.Text]:
    """Yield the texts that a value is made of: itself, or items of a list, tuple, set or dict, however deep."""
    match node:
        case ast.Text():
            yield node
        case ast.ListDisplay() | ast.TupleDisplay() | ast.SetDisplay():
            for item in node.items:
                yield from texts_in(item)
        case ast.DictDisplay():
            for item in node.values:
                yield from texts_in(item)
        case ast.Conditional():
            for item in (node.then, node.otherwise):
                yield from texts_in(item)


def _answers(tree: ast.Program) -> Iterator[ast.Node]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.ExprStatement | ast.Assign):
        yield last.value


def binds(node: ast.Node) -> list[str]:
    """Return the names that a node gives a meaning: parameters, targets of assignments, loops and comprehensions."""
    match node:
        case ast.Lambda():
            return list(node.params)
        case ast.FunctionDef():
            return [node.name, *(p.name for p in node.params)]
        case ast.Assign():
            return [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        case ast.For() | ast.Clause():
            return [n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)]
        case _:
            return []
