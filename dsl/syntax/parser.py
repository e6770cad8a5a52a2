"""Program text to syntax tree.

``grammars/neptune.lark`` is compiled beforehand (:mod:`dsl.syntax.tables`). Trees of short texts are remembered, so
the same text costs nothing again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, cast

from lark import Lark, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from dsl.errors import LimitError, ProgramError
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.span import Span
from dsl.syntax import ast, tables
from dsl.syntax.ast import Expr
from dsl.syntax.build import builder
from dsl.syntax.diagnose import Unexpected, explain
from dsl.syntax.driver import REFUSED, Driver
from dsl.syntax.keywords import STRICT_NAME, name_pattern
from dsl.syntax.lexer import ODD_INDENTATION, Lexer, Token
from dsl.syntax.spelling import PATCHES, lost_indentation, marks_regions, normalise_spelling
from dsl.syntax.strings import INNER, LIMITS

_FENCE = re.compile(r"[ \t]*```[^\n`]*\n(.*?)(?:\n[ \t]*```[ \t]*\s*|\s*```\s*|\s*)\Z", re.DOTALL)
_TICKS = re.compile(r"`([^`\n]+)`")
_SURROGATE = re.compile("[\ud800-\udfff]")
_REMEMBERED: Final = 256
_REMEMBERED_CHARS: Final = 2000


class Accept:
    """The tolerant parser: what comes in."""

    def __init__(self) -> None:
        self.lark = _lark("accept")
        self.literals, patterns = _terminals(self.lark)
        self.lexer = Lexer(self.literals, patterns)
        self.driver = Driver(self.lark)

    def parse(self, text: str, limits: Limits, regions: bool = False) -> tuple[ast.Program, tuple[str, ...]]:
        """Return the tree of a clean `text`, and what was put right in its spelling; see :func:`parse`."""
        count = 0
        notes: dict[str, None] = {}

        def run(piece: str, start: str, line: int, column: int) -> Any:
            nonlocal count
            words = self.lexer.tokens(piece, limits, line, column)
            if start == "accept":
                words = self._indented(words, piece, limits, regions, notes)
            tokens, found = normalise_spelling(words, self.literals)
            notes.update(dict.fromkeys(found))
            count += len(tokens)
            if not tokens:
                raise ProgramError("the program is empty", expected="at least one line that gives a result")
            last = tokens[-1].span
            tokens.append(Token("$END", "", Span(last.end_line, last.end_column, last.end_line, last.end_column + 1)))
            found_tree = self.driver.run(start, tokens)
            if found_tree is REFUSED:  # Lark says what it would have accepted
                following = iter(tokens)
                found_tree = _run(self.lark, start, lambda _: next(following))
            if isinstance(found_tree, Unexpected):
                raise explain(found_tree, tokens)
            return found_tree

        def inner(piece: str, line: int, column: int) -> Expr:
            # a line break inside the braces of a ''' text is a blank
            tree: Expr = run(piece.replace("\n", " "), "formatted", line, column)
            return tree

        before, within = LIMITS.set(limits), INNER.set(inner)
        try:
            tree: ast.Program = run(text, "accept", 1, 1)
        finally:
            INNER.reset(within)
            LIMITS.reset(before)
        if count > limits.depth:
            check_depth(tree, limits)
        return tree, tuple(notes)

    def _indented(
        self, tokens: list[Token], text: str, limits: Limits, regions: bool, notes: dict[str, None]
    ) -> list[Token]:
        """Return the tokens of a program over regions with its first line's indentation, if it alone lost it."""
        meant = lost_indentation(tokens)
        if meant is None or not (regions or any(t.type == "NAME" and marks_regions(t.value) for t in tokens)):
            return tokens
        line = text.split("\n")[meant - 1]
        blanks = line[: len(line) - len(line.lstrip(" \t\f\u00a0"))]
        again = self.lexer.tokens(text, limits, first=blanks)
        if any(t.value == ODD_INDENTATION for t in again):
            return tokens
        notes.setdefault("the first line was read with the indentation of the lines after it")
        return again


class Generate:
    """The strict parser: exactly the texts that constrained decoding may write."""

    def __init__(self) -> None:
        self.lark = _lark("generate")
        literals, patterns = _terminals(self.lark)
        patterns[STRICT_NAME] = name_pattern()
        self._words = {name: re.compile(re.escape(text)).match for text, name in literals.items()}
        self._words |= {name: re.compile(pattern).match for name, pattern in patterns.items()}

    def parse(self, text: str, limits: Limits) -> ast.Program:
        """Return the tree of `text`; see :func:`parse`."""
        words, position, line, start = self._words, 0, 1, 0
        count = 0

        def read(parser: InteractiveParser) -> Token:
            """Read the longest of the words that the state allows."""
            nonlocal position, line, start, count
            here = Span(line, position - start + 1, line, position - start + 2)
            if position == len(text):
                return Token("$END", "", here)
            best, kind = -1, ""
            row = cast(Any, parser).choices()  # Lark does not type it
            for name in row:
                match = words.get(name)
                found = match(text, position) if match else None
                if found and found.end() > best:
                    best, kind = found.end(), name
            if not kind:
                raise ProgramError(
                    "the text leaves the strict form here",
                    here,
                    expected=_spoken(row, words),
                    hint="write single blanks, as print_program does",
                )
            value = text[position:best]
            lead = len(value) - len(value.lstrip(" "))
            body = value.strip()
            span = Span(line, position - start + 1 + lead, line, position - start + 1 + lead + len(body))
            position, count = best, count + 1
            if value.endswith("\n"):
                line, start = line + 1, best
            return Token(kind, body, span)

        before = LIMITS.set(limits)
        try:
            tree: ast.Program | Unexpected = _run(self.lark, "generate", read)
        finally:
            LIMITS.reset(before)
        if isinstance(tree, Unexpected):
            raise ProgramError(
                "the text leaves the strict form here",
                tree.token.span,
                expected=_spoken(tree.allowed, words),
                hint="finish the program" if tree.token.type == "$END" else "write single blanks",
            )
        if count > limits.depth:
            check_depth(tree, limits)
        return tree


def _run(lark: Lark, start: str, read: Callable[[InteractiveParser], Token]) -> Any:
    """Feed Lark's parser the tokens that `read` gives, up to and including a ``$END``.

    Returns
    -------
    The tree, or what stands where no rule accepts it.
    """
    parser = lark.parse_interactive("", start=start)
    while True:
        token = read(parser)
        try:
            tree = parser.feed_token(token)  # type: ignore[arg-type]  # the parser reads no more of it than its type
        except UnexpectedToken:
            return Unexpected(token, cast(Any, parser).accepts(), parser.parser_state.value_stack)
        if token.type == "$END":
            return tree


def parse(
    text: str, *, start: str = "accept", limits: Limits = DEFAULT_LIMITS, dialect: str | None = None
) -> ast.Program:
    """Return the syntax tree of a program.

    Parameters
    ----------
    text
        The program.
    start
        ``"accept"``: any spacing, both dialects, a Markdown fence around it; or ``"generate"``: the strict
        form of constrained decoding.
    limits
        ``source_chars``, ``nesting``, ``depth`` and ``number_digits`` bound the text.
    dialect
        ``"patches"`` if the program is known to be one over regions; by default its text tells.

    Raises
    ------
    ProgramError
        If `text` is not a program; it tells what, where, what was expected and how to mend it.
    LimitError
        If it is too large or too deeply nested.
    TypeError
        If `text` is not a string.
    """
    return parsed(text, start=start, limits=limits, dialect=dialect)[0]


def parsed(
    text: str, *, start: str = "accept", limits: Limits = DEFAULT_LIMITS, dialect: str | None = None
) -> tuple[ast.Program, tuple[str, ...]]:
    """Return what :func:`parse` returns, and a note for each malformed spelling that was normalised on the way."""
    if not isinstance(text, str):
        raise TypeError(f"a program is a text, not {type(text).__name__}")
    regions = dialect == PATCHES
    key = (text, start, limits, regions)
    known = _memory.get(key)
    if known is not None:
        return known
    stray = _SURROGATE.search(text)
    if stray is not None:
        line = text.count("\n", 0, stray.start()) + 1
        column = stray.start() - text.rfind("\n", 0, stray.start())
        raise ProgramError(
            f"half a character (U+{ord(stray.group()):04X}) is not in the language",
            Span(line, column, line, column + 1),
            hint="leave it out",
        )
    if len(text) > limits.source_chars:
        raise LimitError("source_chars", limits.source_chars, len(text), what="the program")
    found: tuple[ast.Program, tuple[str, ...]]
    try:
        if start == "generate":
            found = _generate().parse(text, limits), ()
        elif start == "accept":
            bare, removed = clean(text)
            tree, slips = _accept().parse(bare, limits, regions)
            found = tree, (*removed, *slips)
        else:
            raise ValueError(f"start is 'accept' or 'generate', not {start!r}")
    except ProgramError as error:
        raise error.with_source(text) from None
    if len(text) <= _REMEMBERED_CHARS:
        if len(_memory) >= _REMEMBERED:
            _memory.popitem(last=False)
        _memory[key] = found
    return found


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """Return `text` with the wrapping that models add replaced by blanks, and a note for each thing removed.

    Lines and columns stay what they were, so that errors point into the original.
    """
    notes: list[str] = []
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("\ufeff"):
        text = " " + text[1:] if text[1:2] in " \t" else text[1:]
        notes.append("left out a byte order mark")
    if "`" in text:
        bare = text.strip()
        if fence := _FENCE.match(text, len(text) - len(text.lstrip("\n"))):
            lead = text[: fence.start(1)]
            text = "\n" * lead.count("\n") + fence.group(1)
            notes.append("left out the Markdown fence around the program")
        elif (ticks := _TICKS.fullmatch(bare)) is not None:
            text = text.replace("`", " ")
            if not text[: text.index(ticks.group(1))].strip("\n "):
                notes.append("left out the backquotes around the program")
    return text, tuple(notes)


def check_depth(tree: ast.Node, limits: Limits) -> None:
    """Raise a :class:`dsl.LimitError` if `tree` has more than ``limits.depth`` levels; iterative."""
    level: list[ast.Node] = [tree]
    depth = 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise LimitError(
                "depth",
                limits.depth,
                span=level[0].span,
                what="the program's syntax tree",
                hint="split long chains and deep nesting with assignments, or use sum, any, all",
            )
        level = [child for node in level for child in ast.children(node)]


_memory: OrderedDict[tuple[str, str, Limits, bool], tuple[ast.Program, tuple[str, ...]]] = OrderedDict()


_accept, _generate = lru_cache(maxsize=1)(Accept), lru_cache(maxsize=1)(Generate)


def _lark(name: str) -> Lark:
    lark = tables.parser(name, builder())
    for rule in lark.rules:  # Lark's tokens are compared by a function: the table of a parser finds plain text sooner
        rule.origin.name = str(rule.origin.name)
    return lark


def _terminals(lark: Lark) -> tuple[dict[str, str], dict[str, str]]:
    """Return the words of the grammar that its start symbols use: written form → terminal, terminal → pattern."""
    used: set[str] = set(lark.options.start)
    while True:  # Lark keeps the rules of other start symbols too
        inside = {s.name for rule in lark.rules if rule.origin.name in used for s in rule.expansion}
        if inside <= used:
            break
        used |= inside
    words = [terminal for terminal in lark.terminals if terminal.name in used]
    literals = {word.pattern.value: word.name for word in words if word.pattern.type == "str"}
    return literals, {w.name: w.pattern.to_regexp() for w in words if w.pattern.type != "str"}


def _spoken(row: Iterable[str], words: dict[str, Callable[..., Any]]) -> str:
    shown = []
    for name in row:
        match = words.get(name)
        if match is not None:
            pattern = match.__self__.pattern  # type: ignore[attr-defined]
            plain = re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)
            kind = {STRICT_NAME: "a name", "STRICT_NUMBER": "a number", "STRICT_TEXT": "a text"}.get(name)
            shown.append(kind or repr(plain))
    return " or ".join(sorted(set(shown), key=lambda s: (s[0] != "a", s))[:8]) + (" …" if len(shown) > 8 else "")
