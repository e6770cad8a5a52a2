"""Malformed spelling with one clear meaning is normalised in the tokens, before they are parsed.

What Python's grammar has no place for, and what models write all the same: signs for words (``∧``, ``→``), ``if a then
b else c``, one ``=`` where only ``==`` can stand, a full stop after the last bracket. Each leaves a note. What can be a
tree is normalised there instead (:mod:`dsl.normalise.normaliser`).
"""

from __future__ import annotations

from dsl.span import Span
from dsl.syntax.lexer import ARROWS, ODD_INDENTATION, SIGNS, Token

_OPENING = frozenset({"LPAR", "LSQB", "LBRACE"})
_CLOSING = frozenset({"RPAR", "RSQB", "RBRACE"})
_ENDS = frozenset({"end", "endif", "fi"})
_COMPARED = frozenset({"count", "describe", "len", "max", "min", "sum"})
_MOST_THENS = 20
PATCHES = "patches"
"""The name of the dialect of regions."""
_READ_AS = {**SIGNS, **dict.fromkeys(ARROWS, "implies")}


def marks_regions(name: str) -> bool:
    """Tell whether a name, called or defined, shows that a program is one over regions."""
    return name in ("ImagePatch", "VideoSegment", "execute_command") or name.startswith("execute_command_")


def normalise_spelling(tokens: list[Token], names: dict[str, str]) -> tuple[list[Token], tuple[str, ...]]:
    """Return the tokens in the form of the language, and a note for each change; the same list if there is none.

    Parameters
    ----------
    tokens
        The tokens of one text, as the lexer makes them.
    names
        Written form → terminal of the grammar.
    """
    notes: dict[str, None] = {}
    values = {t.value for t in tokens if t.type == "NAME" or t.value in "=."}
    if "=" in values:
        tokens = _equal_signs(tokens, names, notes)
    _signs(tokens, names, notes)
    if "." in values:
        tokens = _full_stops(tokens, notes)
    if any(t.type == "FOR" for t in tokens):
        tokens = _commas(tokens, notes)
    if "then" in values and sum(t.value == "then" for t in tokens) <= _MOST_THENS:
        tokens = _conditionals(tokens, names, notes)
    return tokens, tuple(notes)


def _equal_signs(tokens: list[Token], names: dict[str, str], notes: dict[str, None]) -> list[Token]:
    """Read ``=`` as ``==`` where nothing can be assigned and values are compared.

    After a count or a described value, ``count(…) = 2``; within brackets after anything but the name of an argument.
    """
    out: list[Token] = []
    opened: list[str] = []  # for each open bracket: the name called, "def" of parameters, or ""
    closed = ""  # of the bracket closed last
    for i, token in enumerate(tokens):
        if token.type in _OPENING:
            named = token.type == "LPAR" and i and tokens[i - 1].type == "NAME"
            defined = named and i > 1 and tokens[i - 2].type == "DEF"  # a parameter's default, maybe after its type
            opened.append("def" if defined else tokens[i - 1].value if named else "")
        elif token.type in _CLOSING and opened:
            closed = opened.pop()
        elif token.value == "=" and i and token.type == names.get("="):
            before = tokens[i - 1].type
            keyword = before == "NAME" and i > 1 and tokens[i - 2].type in ("LPAR", "COMMA")
            inside = opened and opened[-1] != "def" and not keyword and before in ("NAME", "RSQB", "RPAR")
            if inside or (before == "RPAR" and closed in _COMPARED):
                notes.setdefault("'=' where nothing can be assigned was read as '=='")
                token = Token("COMPARE", "==", token.span)
        out.append(token)
    return out


def _signs(tokens: list[Token], names: dict[str, str], notes: dict[str, None]) -> None:
    """Report the signs that are read as words; the arrow before the type of a function's result is one of Python's."""
    header = False
    for i, token in enumerate(tokens):
        if token.type in ("_NEWLINE", "DEF"):
            header = token.type == "DEF"
        if token.value in _READ_AS and token.type in names.values():
            typed = header and token.value == "->" and i and tokens[i - 1].type == "RPAR"
            if not typed:
                notes.setdefault(f"'{token.value}' was read as '{_READ_AS[token.value]}'")


def lost_indentation(tokens: list[Token]) -> int | None:
    """Return the line whose blanks the first one was meant to begin with, if it alone lost its own.

    Models that go on after a function's first line leave the blanks before their own first line out. It shows where the
    second line is indented although the first opens no block, or where a later line fits between the two.
    """
    end = next((i for i, t in enumerate(tokens) if t.type == "_NEWLINE"), len(tokens))
    if end + 1 >= len(tokens) or not end:
        return None
    opens, after = tokens[end - 1].type == "COLON", tokens[end + 1]
    if not opens:
        return after.span.line if after.type == "_INDENT" else None
    last = tokens[-1]
    stray = last.value == ODD_INDENTATION and last.span.column > tokens[0].span.column
    return last.span.line if stray else None


def _full_stops(tokens: list[Token], notes: dict[str, None]) -> list[Token]:
    """Leave out a full stop at the end of a line."""
    out = []
    for i, token in enumerate(tokens):
        after = tokens[i + 1].type if i + 1 < len(tokens) else "$END"
        if token.value == "." and i and after in ("_NEWLINE", "$END") and tokens[i - 1].type in _CLOSING:
            notes.setdefault("left out the full stop at the end")
            continue
        out.append(token)
    return out


def _commas(tokens: list[Token], notes: dict[str, None]) -> list[Token]:
    """Leave out the comma of ``max(count(…), for x in Object)``."""
    out = []
    for i, token in enumerate(tokens):
        if token.type == "COMMA" and i + 1 < len(tokens) and tokens[i + 1].type == "FOR":
            notes.setdefault("left out the comma before 'for'")
            continue
        out.append(token)
    return out


def _conditionals(tokens: list[Token], names: dict[str, str], notes: dict[str, None]) -> list[Token]:
    """Read ``if a then b else c`` as ``(b) if (a) else (c)``, and ``if a then b`` as ``implies(a, b)``."""
    for i, token in enumerate(tokens):
        if token.type != "IF" or (i and tokens[i - 1].type in ("RPAR", "NAME")):
            continue
        then = _find(tokens, i + 1, "then")
        if then is None:
            continue
        other = _find(tokens, then + 1, "else")
        end = _end(tokens, then + 1)
        trailing = end > 0 and tokens[end - 1].type == "NAME" and tokens[end - 1].value in _ENDS
        last = end - 1 if trailing else end
        if other is not None and other > last:
            other = None
        test = _conditionals(tokens[i + 1 : then], names, notes)
        yes = _conditionals(tokens[then + 1 : other if other is not None else last], names, notes)
        no = _conditionals(tokens[other + 1 : last], names, notes) if other is not None else []
        if not test or not yes or (other is not None and not no):
            return tokens

        def sign(text: str, at: Span = token.span) -> Token:
            return Token(names[text], text, at)

        def group(inner: list[Token], at: Span = token.span) -> list[Token]:
            return [sign("("), *inner, sign(")")]

        if other is None:
            notes.setdefault("'if a then b' was read as 'implies(a, b)'")
            name = Token("NAME", "implies", token.span)
            made = [name, sign("("), *test, sign(","), *yes, sign(")")]
        else:
            notes.setdefault("'if a then b else c' was read as 'b if a else c'")
            made = group([*group(yes), token, *group(test), sign("else"), *group(no)])
        return [*tokens[:i], *made, *_conditionals(tokens[end:], names, notes)]
    return tokens


def _find(tokens: list[Token], start: int, word: str) -> int | None:
    """Return the place of the word at the bracket level of `start`, before the line or the bracket ends."""
    inside = 0
    for k in range(start, len(tokens)):
        token = tokens[k]
        if token.type in _CLOSING:
            inside -= 1
        elif token.type in _OPENING:
            inside += 1
        if inside < 0 or token.type in ("_NEWLINE", "_INDENT", "_DEDENT", "$END"):
            return None
        if word == "else" and not inside and token.type == "NAME" and token.value == "then" and k > start:
            inner = _find(tokens, k + 1, "else")  # the one that belongs to an inner 'then'
            return _find(tokens, len(tokens) if inner is None else inner + 1, word)
        if not inside and token.value == word and token.type in ("NAME", "ELSE"):
            return k
        if not inside and token.type == "COMMA":
            return None
    return None


def _end(tokens: list[Token], start: int) -> int:
    """Return where the expression that begins at `start` ends: its bracket closes, a comma, or the line's end."""
    inside = 0
    for k in range(start, len(tokens)):
        kind = tokens[k].type
        if kind in _CLOSING:
            inside -= 1
        elif kind in _OPENING:
            inside += 1
        if inside < 0 or kind in ("_NEWLINE", "_INDENT", "_DEDENT", "$END") or (not inside and kind == "COMMA"):
            return k
    return len(tokens)
