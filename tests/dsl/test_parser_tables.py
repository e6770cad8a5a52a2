"""The parser's tables that are shipped are those of the grammar, and a parser made of them is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lark
import pytest
from helpers.malformed import MALFORMED

from dsl import resources
from dsl.errors import ProgramError
from dsl.syntax import ast, tables
from dsl.syntax.driver import REFUSED
from dsl.syntax.parser import Accept, Generate, parse

WRITE = "the grammar has changed: write its tables with make grammar"

PROGRAMS = (
    "exists(Object, lambda x: red(x) and not cube(x))",
    "a = 1\nif a > 0:\n    return f'{a + 1} of {{}}'\nelse:\n    return [b ** 2 for b in (1, 2, 3) if b]\n",
    "def f(x):\n    return x\nf(2)\n",
)
BROKEN = ("exists(Object, lambda x: red(x)", "a = = 2", "for x in", "f'{a +}'", "")


def trees() -> list[Any]:
    found: list[Any] = []
    for parser in (Accept(), Generate()):
        for text in (*PROGRAMS, *BROKEN):
            try:
                found.append(parser.parse(text, parse.__kwdefaults__["limits"]))
            except ProgramError as error:
                found.append((str(error), error.expected, error.hint))
    return found


@pytest.mark.skipif(tables._written()["of"][0] != lark.__version__, reason="another release of lark")
def test_the_file_holds_the_tables_of_the_grammar() -> None:
    assert tables._written()["of"] == tables._of(resources.grammar()), WRITE


def test_trees_and_errors_are_those_of_the_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(tables, "_made", lambda text, name, transformer: made.append(name))
    if tables._written()["of"] == tables._of(resources.grammar()):
        read = trees()
        assert not made, "the tables are not read"
    else:
        pytest.skip(WRITE)
    monkeypatch.undo()
    monkeypatch.setattr(tables, "_written", dict)
    assert trees() == read


def spans(tree: ast.Node) -> list[Any]:
    return [(type(node), node.span) for node in ast.walk(tree)]


def test_our_loop_builds_the_trees_of_larks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        *PROGRAMS,
        *(text for pair in MALFORMED for text in pair),
        "x[1:2].exists('y')",
        "1 < 2 < 3",
        "a if b else c",
        "{1: 2}",
        "{}",
        "()",
        "-2 ** -1",
    ]
    limits, ours = parse.__kwdefaults__["limits"], Accept()
    trees = [ours.parse(text, limits) for text in texts]
    larks = Accept()
    monkeypatch.setattr(larks.driver, "run", lambda start, tokens: REFUSED)
    for text, (tree, notes) in zip(texts, trees, strict=True):
        again = larks.parse(text, limits)
        assert again == (tree, notes)
        assert spans(again[0]) == spans(tree), text


def test_parts_of_nodes_are_found_by_their_annotations() -> None:
    for text in (*PROGRAMS, "a, b = 1, 2", "[x for x in y if z]", "x.count('a') and -x[0:1] < {1: f'{2:3}'}[1]"):
        for node in ast.walk(parse(text)):
            values = [getattr(node, name) for name in ast.field_names(type(node))]
            flat = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
            assert ast.children(node) == [part for part in flat if isinstance(part, ast.Node)]


def test_the_file_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "neptune.lark").write_text(resources.grammar(), encoding="utf-8")
    monkeypatch.setattr(resources, "find", lambda room, name: tmp_path / name)
    tables._written.cache_clear()
    assert tables.write() == tmp_path / tables.FILE
    assert tables._written()["of"] == tables._of(resources.grammar())
    tree, _ = Accept().parse(PROGRAMS[0], parse.__kwdefaults__["limits"])
    tables._written.cache_clear()
    assert tree == parse(PROGRAMS[0])


@pytest.mark.parametrize("other", [["0.0.0", ""], None], ids=["another release or grammar", "no file"])
def test_tables_of_something_else_are_not_used(other: list[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_written", lambda: {} if other is None else {"of": other})
    tree, _ = Accept().parse(PROGRAMS[0], parse.__kwdefaults__["limits"])
    assert tree == parse(PROGRAMS[0])
