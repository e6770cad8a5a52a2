"""The parser's tables, made beforehand: Lark takes half a second to make them of the grammar, and a blink to read them.

``grammars/neptune.tables.json`` holds them, with the release of Lark and the grammar that they are of. Where one of
the two is another, the tables are made of the grammar as it is: nothing but time is lost.

    make grammar                         # writes the file; after each change of the grammar
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import lark
from lark import Lark, Transformer
from lark.grammar import Rule
from lark.lexer import TerminalDef

from dsl import resources

STARTS = {"accept": ["accept", "formatted"], "generate": ["generate"]}
"""Parser → its start symbols."""
FILE = "neptune.tables.json"


def parser(name: str, transformer: Transformer[Any, Any]) -> Lark:
    """Return the parser ``"accept"`` or ``"generate"``, its trees built by a transformer."""
    text = resources.grammar()
    known = _written()
    if known.get("of") == _of(text):
        data, memo = known[name]
        # As Lark's own standalone parsers are loaded; `_of` says that it is the release that wrote them.
        load = cast(Any, Lark)._load_from_dict
        return cast(Lark, load(_with_numbers(data), _numbered(memo), transformer=transformer))
    return _made(text, name, transformer)


def tables() -> dict[str, Any]:
    """Return what the file holds for the grammar as it is."""
    text = resources.grammar()
    found: dict[str, Any] = {"of": _of(text)}
    for name in STARTS:
        data, memo = cast(Any, _made(text, name, None)).memo_serialize([TerminalDef, Rule])
        found[name] = [data, memo]
    return found


def _made(text: str, name: str, transformer: Transformer[Any, Any] | None) -> Lark:
    return Lark(
        text, start=STARTS[name], parser="lalr", lexer="basic", transformer=transformer, maybe_placeholders=False
    )


def _of(text: str) -> list[str]:
    return [lark.__version__, hashlib.sha256(text.encode()).hexdigest()]


@lru_cache(maxsize=1)
def _written() -> dict[str, Any]:
    try:
        return cast(dict[str, Any], json.loads(resources.find("grammars", FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _numbered(entries: dict[str, Any]) -> dict[int, Any]:
    return {int(number): entry for number, entry in entries.items()}


def _with_numbers(data: dict[str, Any]) -> dict[str, Any]:
    """Return a parser's data with numbers as keys again, which JSON writes as texts."""
    outer = dict(data["parser"])
    inner = dict(outer["parser"])
    inner["tokens"] = _numbered(inner["tokens"])
    inner["states"] = {n: _numbered(row) for n, row in _numbered(inner["states"]).items()}
    outer["parser"] = inner
    return {**data, "parser": outer}


def write() -> Path:
    """Write the file anew, and return its path."""
    path = resources.find("grammars", "neptune.lark").with_name(FILE)
    path.write_text(json.dumps(tables(), separators=(",", ":")) + "\n", encoding="utf-8")
    return path
