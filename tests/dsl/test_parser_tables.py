"""The parser's tables that are shipped are those of the grammar, and a parser made of them is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lark
import pytest

from dsl import resources
from dsl.errors import ProgramError
from dsl.syntax import tables
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
