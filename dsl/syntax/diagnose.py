"""Turns an unexpected token into words: what is wrong, what was expected, how to mend it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from dsl.builtins import BINDERS, BUILTINS
from dsl.errors import ProgramError, closest
from dsl.span import Span, join
from dsl.syntax import ast
from dsl.syntax.lexer import NOT_IN_LANGUAGE, Fault, Token

_STATEMENTS = ("if", "for", "def", "return", "else", "elif")
_STARTS_EXPRESSION = {"NAME", "NUMBER", "STRING", "LPAR", "LSQB", "LAMBDA"}
_HEADERS = {"IF": "if", "FOR": "for", "DEF": "def", "ELIF": "elif", "ELSE": "else", "LAMBDA": "lambda"}
_DOUBLED = {"&": "and", "|": "or"}
_INFIX = {
    "implies": "write implies(a, b)",
    "then": "write a if test else b",
    "where": "write the condition in the lambda, with 'and'",
    "equal": "write equal(a, b) or a == b",
    "equals": "write equal(a, b) or a == b",
    "xor": "write a != b or a ^ b",
    "iff": "write a == b",
}


class Unexpected(NamedTuple):
    """A token that no rule accepts, the terminals that would have been accepted, and what was read so far."""

    token: Token
    allowed: set[str]
    values: list[Any]


def explain(fault: Unexpected, tokens: Sequence[Token]) -> ProgramError:
    """Return the error for an unexpected token of `tokens`."""
    token = fault.token
    at = next((i for i, t in enumerate(tokens) if t is token), len(tokens) - 1)
    broken = next((t for t in tokens if isinstance(t, Fault)), None)
    if isinstance(token, Fault):
        return token.error
    if broken is not None and broken.value.startswith("unclosed") and broken.span.line < token.span.line:
        return broken.error
    return _special(fault, tokens, at) or _general(fault, tokens, at)


def _special(fault: Unexpected, tokens: Sequence[Token], at: int) -> ProgramError | None:
    """Recognise the slips that have a better explanation than the general one."""
    token, allowed = fault.token, fault.allowed
    before = tokens[at - 1] if at else None
    kind, value, span = token
    foreign = next((t for t in (token, before) if t is not None and t.type == "FOREIGN"), None)
    if foreign is not None:
        hint = NOT_IN_LANGUAGE[foreign.value]
        return ProgramError(f"the language has no '{foreign.value}'", foreign.span, hint=hint)
    if kind == "_INDENT":
        return ProgramError(
            "this line is indented, but no block is open",
            span,
            expected="the indentation of the line above",
            hint="remove the blanks before it, or end the line above with ':'",
        )
    if before is not None and before.type == "_NEWLINE" and "_INDENT" in allowed:
        return ProgramError(
            f"the block of '{_header(tokens, at - 1)}' is missing",
            span,
            expected="an indented line",
            hint="indent the block by four spaces, or write 'pass'",
        )
    for colon, sign in ((before, token), (token, tokens[at + 1] if at + 1 < len(tokens) else None)):
        if colon is not None and sign is not None and (colon.type, sign.type) == ("COLON", "EQUAL"):
            return ProgramError("the language has no ':='", colon.span, hint="assign on a line of its own")
    if before is not None and before.value == value and value in _DOUBLED and _touch(before, token):
        return ProgramError(
            f"the language has no '{value}{value}'", join(before, token), hint=f"write '{_DOUBLED[value]}'"
        )
    binding = _unbound_variable(tokens, at)
    if binding is not None:
        return binding
    if kind == "EQUAL":
        return _equal(fault, tokens, at)
    if kind in ("ELSE", "ELIF") and (before is None or before.type in ("_NEWLINE", "_DEDENT")):
        return ProgramError(
            f"'{value}' without an 'if' before it", span, hint=f"give '{value}' the indentation of its 'if'"
        )
    if "COLON" in allowed and before is not None and kind in ("_NEWLINE", *_STARTS_EXPRESSION):
        header = _header(tokens, at)
        if header in _HEADERS.values() and (kind == "_NEWLINE" or header == "lambda"):
            after = Span(before.span.end_line, before.span.end_column, span.line, before.span.end_column + 1)
            return ProgramError(
                f"missing ':' after '{_shown(before)}'", after, expected=f"':' to end the '{header}'", hint="add ':'"
            )
    if "ELSE" in allowed and kind != "ELSE" and _inside_conditional(fault):
        return ProgramError(
            "'if' inside an expression needs an 'else'", span, expected="'else'", hint="write a if test else b"
        )
    if kind in ("STAR", "POWER") and before is not None and before.type in ("LPAR", "COMMA", "EQUAL", "LSQB"):
        return ProgramError(
            f"the language has no '{value}' before an argument or item",
            span,
            hint="write the arguments or items out one by one",
        )
    if kind in ("AND", "OR") and _opens_call(tokens, at):
        instead = f"a {value} b, or {value}_(a, b)"
        return ProgramError(f"'{value}' used like a function", span, expected="an expression", hint=f"write {instead}")
    if kind in ("IN", "IS") and _opens_call(tokens, at):
        # "x in b" asks whether a list has an item: of two things in a picture it would mean nothing.
        instead = (
            "for one thing inside another write a predicate such as inside(x, b); 'item in list' asks of lists"
            if kind == "IN"
            else "write equal(a, b), or a predicate of the thing itself, e.g. red(x)"
        )
        return ProgramError(
            f"'{value}' is a word of the language, and no predicate", span, expected="a predicate's name", hint=instead
        )
    if before is not None and before.value in ("-", "=", "==") and value == ">" and _touch(before, token):
        return ProgramError(
            "the language has no arrows",
            join(before, token),
            hint="write implies(a, b) for 'if a then b', and >= for 'at least'",
        )
    if kind == "NAME" and value in _INFIX and before is not None and "PLUS" in allowed:
        return ProgramError(
            f"'{value}' is not an operator", span, expected="an operator such as 'and'", hint=_INFIX[value]
        )
    if value == "<" and before is not None and before.value == "<":
        return ProgramError("the language has no '<<'", span, hint="use * 2 ** n")
    if kind == "NAME" and before is not None and before.type == "NUMBER" and _touch(before, token):
        return ProgramError(
            f"'{before.value}{value}' is not a number",
            join(before, token),
            expected="a plain number such as 12 or 0.5",
            hint="write it in decimal, with * between factors",
        )
    return None


def _unbound_variable(tokens: Sequence[Token], at: int) -> ProgramError | None:
    """Recognise ways of binding a variable that are not the language's: ``exists x: …``, ``lambda (x): …``."""
    token = tokens[at]
    if not at:
        return None
    before = tokens[at - 1]
    if before.type == "LAMBDA" and token.type == "LPAR":
        return ProgramError(
            "'lambda' takes its variables without brackets", token.span, hint="write lambda x: …, or lambda x, y: …"
        )
    short = re.fullmatch(r"[a-z]\d*", token.value) is not None
    followed = at + 1 < len(tokens) and tokens[at + 1].type == "COLON"
    if token.type == "NAME" and before.value in BINDERS and (short or followed):
        return ProgramError(
            f"'{before.value}' used without brackets",
            join(before, token),
            expected=BUILTINS[before.value].signature,
            hint=f"write {before.value}(Object, lambda {token.value}: …)",
        )
    in_call = at > 1 and before.type == "NAME" and tokens[at - 2].type in ("LPAR", "COMMA")
    if token.type == "COLON" and in_call and _bracket(tokens, at) == "LPAR":
        return ProgramError(
            f"'lambda' is missing before '{before.value}:'",
            join(before, token),
            expected="a lambda",
            hint=f"write lambda {before.value}: …",
        )
    return None


def _bracket(tokens: Sequence[Token], at: int) -> str:
    """Return the terminal of the innermost bracket that is open at position `at`."""
    depth = 0
    for token in reversed(tokens[:at]):
        if token.type in ("RPAR", "RSQB", "RBRACE"):
            depth += 1
        elif token.type in ("LPAR", "LSQB", "LBRACE"):
            if not depth:
                return token.type
            depth -= 1
    return ""


def _equal(fault: Unexpected, tokens: Sequence[Token], at: int) -> ProgramError:
    span, header = fault.token.span, _header(tokens, at)
    if header in ("if", "elif", "return"):
        return ProgramError(
            f"'=' in the test of '{header}'" if header != "return" else "'=' after 'return'",
            span,
            expected="'==' to compare",
            hint="write == to compare",
        )
    return ProgramError(
        "'=' inside an expression",
        span,
        expected="'==' to compare, or name=value in a call",
        hint="write == to compare, or assign on a line of its own",
    )


def _general(fault: Unexpected, tokens: Sequence[Token], at: int) -> ProgramError:
    token = fault.token
    before = tokens[at - 1] if at else None
    after = f" after '{_shown(before)}'" if before is not None and before.type[0] != "_" else ""
    place, what, hint = token.span, f"unexpected '{_shown(token)}'{after}", "rewrite this part"
    if token.type == "$END":
        place = before.span if before is not None else place
        what, hint = "unexpected end of the program", "finish it"
    elif token.type == "_NEWLINE":
        what = f"unexpected end of the line{after}"
        hint = "finish the expression, or put it in brackets to go on in the next line"
    elif token.type == "_DEDENT":
        what, hint = "a block ends too early", "finish the line above"
    elif before is not None and token.type in _STARTS_EXPRESSION | {"TRUE", "FALSE", "NONE"}:
        hint = _almost_keyword(before, token) or _separate(before, token) or hint
    elif token.type in ("RPAR", "RSQB", "RBRACE", "COMMA"):
        hint = f"put a value before '{token.value}', or remove what is too much"
    return ProgramError(what, place, expected=_expected(fault.allowed), hint=hint)


def _separate(before: Token, token: Token) -> str:
    if before.type == "NAME" and token.type == "NAME" and before.span.column == 1:
        return "give the program alone, without explanations before or after it"
    if before.type in ("NAME", "RPAR", "STRING", "NUMBER"):
        return "put ',' or an operator such as 'and' between them"
    return ""


def _almost_keyword(before: Token, token: Token) -> str:
    words = (*_STATEMENTS, "and", "or", "not", "lambda", "in", "is")
    for word in (before, token):
        if word.type == "NAME" and word.value not in words:
            close = closest(word.value, words, 1, 0.75)
            if close and (len(word.value) > 2 or word.value.lower() == close[0]):
                return f"did you mean '{close[0]}' instead of '{word.value}'?"
    return ""


def _expected(allowed: set[str]) -> str:
    """Describe a set of terminals for a person: the most telling ones first."""
    parts = []
    if "COLON" in allowed:
        parts.append("':'")
    if {"LPAR", "NUMBER"} <= allowed:
        parts.append("an expression")
    elif "NAME" in allowed:
        parts.append("a name")
    for kind, text in (("RPAR", "')'"), ("RSQB", "']'"), ("RBRACE", "'}'"), ("COMMA", "','"), ("IN", "'in'"),
                       ("ELSE", "'else'"), ("FOR", "'for'")):  # fmt: skip
        if kind in allowed and not (kind in ("ELSE", "FOR", "IN") and len(allowed) > 6):
            parts.append(text)
    if "PLUS" in allowed and not {"LPAR", "NUMBER"} <= allowed:
        parts.append("an operator")
    if "_NEWLINE" in allowed or "$END" in allowed:
        parts.append("the end of the line")
    if "_INDENT" in allowed:
        parts.append("an indented line")
    parts = parts or ["a statement or an expression"]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " or " + parts[-1]


def _header(tokens: Sequence[Token], at: int) -> str:
    """Return the word that opens the statement, or the innermost lambda, around position `at`."""
    depth = 0
    for token in reversed(tokens[:at]):
        if token.type in ("_NEWLINE", "_DEDENT", "_INDENT") and depth >= 0:
            break
        if token.type in ("RPAR", "RSQB", "RBRACE"):
            depth += 1
        elif token.type in ("LPAR", "LSQB", "LBRACE"):
            depth -= 1
        elif (depth == 0 and token.type in _HEADERS) or token.type in ("RETURN", "DEF"):
            return token.value
    return ""


def _inside_conditional(fault: Unexpected) -> bool:
    """Tell whether the last things read are ``value if test``."""
    values = fault.values
    return (
        len(values) >= 3
        and isinstance(values[-2], Token)
        and values[-2].type == "IF"
        and isinstance(values[-3], ast.Node)
    )


def _shown(token: Token) -> str:
    value = token.value.split("\n")[0]
    return value if len(value) <= 24 else value[:23] + "…"


def _opens_call(tokens: Sequence[Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].type == "LPAR" and _touch(tokens[at], tokens[at + 1])


def _touch(a: Token, b: Token) -> bool:
    return a.span.end_line == b.span.line and a.span.end_column == b.span.column
