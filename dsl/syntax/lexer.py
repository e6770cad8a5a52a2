"""Text to tokens: blanks and comments dropped, indentation turned into ``_INDENT`` and ``_DEDENT``.

The words themselves come from ``grammars/neptune.lark``. A fault of the text (an odd character, a text without its
closing quote) becomes a last ``ERROR`` token, so that whichever fault comes first is the one reported.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dsl.errors import LimitError, ProgramError
from dsl.limits import Limits
from dsl.span import Span

TAB = 4

#: Signs that models write for words of the language.
SIGNS = {"∧": "and", "∨": "or", "¬": "not", "λ": "lambda"}

#: Ways in which models write "if … then".
ARROWS = ("-->", "==>", "->", "=>", "→", "⇒")

#: Terminals that end an operand: what follows is an operator.
_OPERAND_ENDS = frozenset({"NAME", "NUMBER", "STRING", "RPAR", "RSQB", "RBRACE", "TRUE", "FALSE", "NONE"})

#: Words of Python that the language does not have, and what to use instead.
NOT_IN_LANGUAGE = {
    "while": "use 'for' over a finite value, such as range(10)",
    "import": "everything a program may use is built in; leave the import out",
    "from": "everything a program may use is built in; leave the import out",
    "class": "use plain functions (def), lists and dicts",
    "with": "leave it out: a program opens nothing",
    **dict.fromkeys(("try", "except", "finally"), "leave it out: a fault ends the program and is reported"),
    "raise": "leave it out, or return a value that says so",
    "assert": "use 'if', or leave it out",
    **dict.fromkeys(("global", "nonlocal"), "pass the value as an argument and return the result"),
    "yield": "collect the values in a list and return it",
    **dict.fromkeys(("async", "await"), "leave it out: a program has no waiting"),
    "del": "leave it out",
    "as": "use an assignment",
}

ODD_INDENTATION = "this line's indentation fits no earlier line"

_BRACKETS = {")": "(", "]": "[", "}": "{"}
_LOOKALIKES = {
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "`": '"', "–": "-", "—": "-", "−": "-", "×": "*",
    "÷": "/",
    "≤": "<=", "≥": ">=", "≠": "!=", "∃": "exists", "∀": "forall",
    "（": "(", "）": ")", "，": ",", "：": ":", "！": "not", "!": "not",
    "?": "a conditional expression (a if b else c)",
    "$": "a plain name", "@": "a plain call", ";": "a new line", "…": "the whole expression",
}  # fmt: skip


class Token(NamedTuple):
    """A word of the text: its terminal, how it is written, and where."""

    type: str
    value: str
    span: Span


class Lexer:
    """Makes tokens with the terminals of the grammar.

    Parameters
    ----------
    literals
        Written form → terminal, for keywords and signs.
    patterns
        Terminal → regular expression, for the rest.
    """

    def __init__(self, literals: dict[str, str], patterns: dict[str, str]) -> None:
        self._keywords = {text: name for text, name in literals.items() if text.isidentifier()}
        for sign, word in SIGNS.items():
            if word in self._keywords:
                self._keywords[sign] = self._keywords[word]
        for word in NOT_IN_LANGUAGE:
            self._keywords[word] = "FOREIGN"
        self._literals = literals
        signs = sorted((t for t in literals if not t.isidentifier()), key=len, reverse=True)
        order = ["NUMBER", "STRING", "IMPORT", "NAME", "AUGMENT"]
        parts = [rf"(?P<{name}>{patterns[name]})" for name in order if name in patterns]
        for arrow in ARROWS:
            self._keywords[arrow] = literals.get("->", "ERROR")
        parts.insert(0, "(?P<ARROW>" + "|".join(map(re.escape, ARROWS)) + ")")
        long = [re.escape(t) for t in signs if len(t) > 1 and t != "->"]  # before '>' of COMPARE: '>>'
        parts.append("(?P<LONG>" + "|".join(long) + ")")
        parts += [rf"(?P<{name}>{p})" for name, p in patterns.items() if name not in order]
        parts.append("(?P<SIGN>" + "|".join(re.escape(t) for t in signs if len(t) == 1) + ")")
        parts.append("(?P<WORD>" + "|".join(SIGNS) + ")")
        self._match = re.compile(
            r"[ \t\f\u00a0]*(?:" + "|".join([r"(?P<NL>(?:\#[^\n]*)?(?:\n|\Z))", r"(?P<JOIN>\\\n)", *parts]) + ")"
        ).match
        self.terminals = set(literals.values()) | set(patterns)

    def tokens(
        self, text: str, limits: Limits, line: int = 1, column: int = 1, first: str | None = None
    ) -> list[Token]:
        """Return the tokens of `text`, whose first character is at `line` and `column`.

        Parameters
        ----------
        text
            Program text with ``\\n`` line ends.
        limits
            ``nesting`` bounds brackets and indented blocks.
        first
            The blanks that the first line is taken to begin with; by default those that it has.

        Raises
        ------
        LimitError
            If brackets or blocks are nested too deeply.
        """
        out: list[Token] = []
        add, match, keywords, literals = out.append, self._match, self._keywords, self._literals
        opened: list[Token] = []
        levels: list[int] = []
        margin = first
        start = -(column - 1)  # offset of the current line's first column
        position, end, fresh = 0, len(text), True
        while position < end:
            found = match(text, position)
            if found is None:
                add(self._fault(text, position, line, start))
                return out
            kind = found.lastgroup or ""
            at, position = found.span(kind)
            if kind == "NL":
                if not fresh and not opened:
                    here = at - start + 1
                    add(Token("_NEWLINE", "\n", Span(line, here, line, here + 1)))
                    fresh = True
                line, start = line + 1, position
                continue
            if kind == "JOIN":
                line, start = line + 1, position
                continue
            value = text[at:position]
            here = at - start + 1
            if fresh:
                fresh = False
                blanks = text[start if start > 0 else 0 : at]
                if margin is not None:
                    blanks, margin = margin, None
                fault = self._indent(out, levels, blanks, line, here, limits)
                if fault:
                    add(fault)
                    return out
            if kind == "NAME" or kind == "WORD":
                kind = keywords.get(value, "NAME")
                if value == "implies" and out and out[-1].type in _OPERAND_ENDS:
                    kind = keywords["->"]
                elif (
                    value in ("and", "or")
                    and text[position : position + 1] == "("
                    and (not out or out[-1].type not in _OPERAND_ENDS)
                ):
                    kind, value = "NAME", value + "_"
            elif kind == "ARROW":
                kind = keywords[value]
            elif kind == "SIGN" or kind == "LONG":
                kind = literals[value]
            elif kind == "STRING" and "\n" in value:
                lines = value.count("\n")
                tail = position - (at + value.rfind("\n") + 1) + 1
                add(Token(kind, value, Span(line, here, line + lines, tail)))
                line, start = line + lines, at + value.rfind("\n") + 1
                continue
            token = Token(kind, value, Span(line, here, line, position - start + 1))
            add(token)
            if value in "([{":
                opened.append(token)
                if len(opened) > limits.nesting:
                    raise LimitError(
                        "nesting",
                        limits.nesting,
                        span=token.span,
                        what="the brackets inside one another",
                        hint="name parts of the expression with assignments",
                    )
            elif value in ")]}":
                if not opened or opened[-1].value != _BRACKETS[value]:
                    out[-1] = _unmatched(token, opened)
                    return out
                opened.pop()
        here = max(1, position - start + 1)
        last_place = Span(line, here, line, here + 1)
        if opened:
            last = opened[-1]
            add(
                error_token(
                    f"unclosed '{last.value}' opened at line {last.span.line} column {last.span.column}",
                    last.span,
                    expected=f"a closing '{ {v: k for k, v in _BRACKETS.items()}[last.value] }'",
                    hint="close it, or finish the expression that was cut off",
                )
            )
            return out
        if not fresh:
            add(Token("_NEWLINE", "\n", last_place))
        out.extend(Token("_DEDENT", "", last_place) for _ in levels[1:])
        return out

    def _indent(
        self, out: list[Token], levels: list[int], blanks: str, line: int, here: int, limits: Limits
    ) -> Token | None:
        """Add ``_INDENT`` or ``_DEDENT`` for a line that begins with `blanks`; return a fault or ``None``."""
        width = 0
        for c in blanks:
            width = (width // TAB + 1) * TAB if c == "\t" else width + 1
        span = Span(line, max(1, here), line, max(1, here) + 1)
        if not levels:
            levels.append(width)
        elif width > levels[-1]:
            levels.append(width)
            if len(levels) > limits.nesting:
                raise LimitError(
                    "nesting",
                    limits.nesting,
                    span=span,
                    what="the indented blocks inside one another",
                    hint="use functions, or fewer nested statements",
                )
            out.append(Token("_INDENT", blanks, span))
        else:
            while width < levels[-1] and len(levels) > 1:
                levels.pop()
                out.append(Token("_DEDENT", "", span))
            if width != levels[-1]:
                alone = len(levels) == 1
                return error_token(
                    ODD_INDENTATION,
                    span,
                    expected=f"{levels[0]} spaces" if alone else "the indentation of an open block",
                    hint="indent every line of a block by the same number of spaces",
                )
        return None

    def _fault(self, text: str, position: int, line: int, start: int) -> Token:
        """Describe the place at which no word begins."""
        while text[position : position + 1] in " \t\f\u00a0" and position < len(text):
            position += 1
        here = position - start + 1
        char = text[position]
        rest = text[position:].split("\n", 1)[0]
        span = Span(line, here, line, here + 1)
        quote = re.match(r"[A-Za-z]{0,2}(\"\"\"|'''|\"|')", rest)
        if quote:
            return error_token(
                "a text without its closing quote",
                Span(line, here, line, here + len(rest)),
                expected=f"a closing {quote.group(1)}",
                hint="close the text on the same line; write a quote inside it as \\' or \\\"",
            )
        if char == "\\":
            return error_token("a stray '\\'", span, hint="leave it out; brackets may span lines without it")
        if rest.startswith("```"):
            return error_token(
                "a Markdown fence within the text",
                Span(line, here, line, here + 3),
                expected="the program alone",
                hint="leave out ``` and everything that is not the program",
            )
        if char in _LOOKALIKES:
            return error_token(
                f"the character '{char}' is not in the language", span, hint=f"write {_LOOKALIKES[char]}"
            )
        if char.isalpha():
            return error_token(
                f"the letter '{char}' (U+{ord(char):04X}) can not be in a name",
                span,
                expected="names of ASCII letters, digits and _",
                hint="write the name with plain letters, or put the words in quotes",
            )
        shown = f"'{char}'" if char.isprintable() else "an invisible character"
        return error_token(f"{shown} (U+{ord(char):04X}) is not in the language", span, hint="leave it out")


def error_token(what: str, span: Span, *, expected: str = "", hint: str = "") -> Token:
    """Return a token that no rule accepts and that carries a fault of the text."""
    token = Fault("ERROR", what, span)
    token.error = ProgramError(what, span, expected=expected, hint=hint)
    return token


class Fault(Token):
    """An ``ERROR`` token; `error` is the fault."""

    error: ProgramError


def _unmatched(token: Token, opened: list[Token]) -> Token:
    if not opened:
        return error_token(f"'{token.value}' closes nothing", token.span, hint=f"remove this '{token.value}'")
    last = opened[-1]
    return error_token(
        f"'{token.value}' does not close '{last.value}' opened at line {last.span.line} column {last.span.column}",
        token.span,
        hint=f"close '{last.value}' first, or remove this '{token.value}'",
    )
