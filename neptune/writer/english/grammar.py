"""``grammars/english.lark`` as Lark reads it, in the form that the parser wants: alternatives, and how they begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dsl import resources

START = "start"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to build a phrase.

    Parameters
    ----------
    symbols
        Its parts: names of phrases, classes of words (``ADJ``), and words, which are written ``'how'``.
    means
        For each part, whether it has a meaning.
    name
        The function that makes the meaning from the parts' meanings; ``None``: that of the one part that has one.
    cost
        What a reading costs that uses it.
    first
        What it may begin with: classes and words.
    nullable
        Whether it may be empty.
    """

    symbols: tuple[str, ...]
    means: tuple[bool, ...]
    name: str | None
    cost: int
    first: frozenset[str]
    nullable: bool


@dataclass(frozen=True, slots=True)
class Grammar:
    """The phrases there are.

    Parameters
    ----------
    phrases
        Name of a phrase → its alternatives.
    words
        The words that the rules name.
    names
        The functions that they name.
    """

    phrases: Mapping[str, tuple[Alternative, ...]]
    words: frozenset[str]
    names: frozenset[str]


@lru_cache(maxsize=2)
def load(containers: bool = False) -> Grammar:
    """Return the shipped grammar, read once; `containers`: with the phrases of a world that has them."""
    files = ("english.lark", "english-containers.lark") if containers else ("english.lark",)
    return read("\n".join(resources.find("grammars", name).read_text(encoding="utf-8") for name in files))


def read(text: str) -> Grammar:
    """Return the grammar of a text in Lark's notation.

    Raises
    ------
    ValueError
        If an alternative with several meaningful parts names no function, or a phrase may begin with itself.
    """
    from lark import load_grammar

    # Lark reads the rules and writes out what is optional; its parsers, which take as long to make, are not needed
    reads: Any = load_grammar.load_grammar
    terminals, rules, _ = reads(text, "english.lark", [], False)[0].compile([START], "*")
    declared = {name for line in text.splitlines() if line.startswith("%declare") for name in line.split()[1:]}
    literal = {t.name: f"'{t.pattern.value}'" for t in terminals}
    if declared & literal.keys():
        raise ValueError(
            f"classes that are named like a word of the rules: {', '.join(sorted(declared & literal.keys()))}"
        )
    raw: dict[str, list[tuple[tuple[str, ...], str | None, int]]] = {}
    for rule in rules:
        symbols = tuple(literal.get(s.name, str(s.name)) for s in rule.expansion)
        cost = -(rule.options.priority or 0)
        raw.setdefault(str(rule.origin.name), []).append((symbols, rule.alias and str(rule.alias), cost))
    nullable = _least(raw, lambda known, ways: any(all(s in known for s in way[0]) for way in ways))
    silent = _silent(raw)
    first = _first(raw, nullable)
    phrases = {}
    for origin, ways in raw.items():
        rows = []
        for symbols, name, cost in ways:
            means = tuple(s not in silent and not s.startswith("'") and not s.startswith("_") for s in symbols)
            if name is None and sum(means) > 1:
                raise ValueError(f"{origin}: an alternative of several parts names no function: {' '.join(symbols)}")
            begins: set[str] = set()
            for symbol in symbols:
                begins |= first.get(symbol, {symbol})
                if symbol not in nullable:
                    break
            rows.append(Alternative(symbols, means, name, cost, frozenset(begins), all(s in nullable for s in symbols)))
        phrases[origin] = tuple(rows)
    _refuse_left_recursion(phrases, nullable)
    words = frozenset(s[1:-1] for ways in raw.values() for way in ways for s in way[0] if s.startswith("'"))
    return Grammar(phrases, words, frozenset(way[1] for ways in raw.values() for way in ways if way[1]))


_Raw = Mapping[str, list[tuple[tuple[str, ...], str | None, int]]]


def _least(raw: _Raw, holds) -> set[str]:  # type: ignore[no-untyped-def]
    """Return the least set of phrases for which `holds` says so, given those found so far."""
    known: set[str] = set()
    while True:
        more = {origin for origin, ways in raw.items() if origin not in known and holds(known, ways)}
        if not more:
            return known
        known |= more


def _silent(raw: _Raw) -> set[str]:
    """Return the phrases that mean nothing: made of words alone, and without a function."""

    def only_words(known: set[str], ways: list[tuple[tuple[str, ...], str | None, int]]) -> bool:
        return all(
            name is None and all(s in known or s[0] in "'_" or s == "PICTURE" for s in symbols)
            for symbols, name, _ in ways
        )

    return _least(raw, only_words) | {"PICTURE"}


def _first(raw: _Raw, nullable: set[str]) -> dict[str, set[str]]:
    first: dict[str, set[str]] = {origin: set() for origin in raw}
    grown = True
    while grown:
        grown = False
        for origin, ways in raw.items():
            before = len(first[origin])
            for symbols, _, _ in ways:
                for symbol in symbols:
                    first[origin] |= first.get(symbol, {symbol})
                    if symbol not in nullable:
                        break
            grown |= len(first[origin]) > before
    return first


def _refuse_left_recursion(phrases: Mapping[str, tuple[Alternative, ...]], nullable: set[str]) -> None:
    begins = {origin: set[str]() for origin in phrases}
    for origin, ways in phrases.items():
        for way in ways:
            for symbol in way.symbols:
                if symbol in phrases:
                    begins[origin].add(symbol)
                if symbol not in nullable:
                    break
    for origin in phrases:
        seen, open_ = set[str](), [*begins[origin]]
        while open_:
            symbol = open_.pop()
            if symbol == origin:
                raise ValueError(f"{origin}: the phrase may begin with itself, which this parser does not take")
            if symbol not in seen:
                seen.add(symbol)
                open_ += begins[symbol]
