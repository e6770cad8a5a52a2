"""Literals: numbers, texts with their escapes, f-strings. Decoded here, never by Python's own evaluator."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from dsl.errors import LimitError, ProgramError
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.span import Span
from dsl.syntax.ast import Expr, Formatted, FString, Text
from dsl.syntax.lexer import Token

#: The limits of the parse under way, and the function that parses an expression inside an f-string.
LIMITS: ContextVar[Limits] = ContextVar("limits", default=DEFAULT_LIMITS)
INNER: ContextVar[Callable[[str, int, int], Expr]] = ContextVar("inner")

_PREFIX = re.compile(r"[A-Za-z]*")
_ESCAPE = re.compile(
    r"\\(?:(\n)|([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([xuUN])|(.))", re.DOTALL
)
_SIMPLE = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\",
    "'": "'", '"': '"'
}  # fmt: skip
PLAIN_FORMAT = re.compile(r"(?:[<>^=]?[+\- ]?#?0?[0-9]{0,3}[,_]?(?:\.[0-9]{1,2})?[bcdeEfFgGnosxX%]?)")


def number_value(token: Token) -> int | float:
    """Return the value of a number as written.

    Raises
    ------
    ProgramError
        If it has misplaced underscores or leading zeros, or is too large; a :class:`dsl.LimitError`
        if it has too many digits.
    """
    text, limit = token.value, LIMITS.get().number_digits
    digits = sum(c.isdigit() for c in text)
    if digits > limit:
        raise LimitError("number_digits", limit, digits, token.span, what="the number", hint="use fewer digits")
    if re.search(r"__|_(?![0-9])", text):
        raise ProgramError("a number with a stray '_'", token.span, hint="leave the '_' out")
    plain = text.replace("_", "")
    if plain.isdigit():
        if len(plain) > 1 and plain[0] == "0" and plain.strip("0"):
            raise ProgramError("a number with leading zeros", token.span, hint=f"write {plain.lstrip('0')}")
        return int(plain)
    value = float(plain)
    if value in (float("inf"), float("-inf")):
        raise LimitError("number_digits", limit, None, token.span, what="the number", hint="use a smaller number")
    return value


def text_value(tokens: Sequence[Token], span: Span) -> Expr:
    """Return the text or f-string at `span` that neighbouring string literals make together.

    Raises
    ------
    ProgramError
        For an unknown prefix or escape, or a faulty f-string.
    """
    if len(tokens) == 1 and (value := _plain(tokens[0].value)) is not None:
        return Text(value, span=span)
    parts: list[Text | Formatted] = []
    formatted = False
    for token in tokens:
        prefix = _PREFIX.match(token.value).group()  # type: ignore[union-attr]
        kinds = prefix.lower()
        if kinds not in ("", "r", "f", "rf", "fr", "u"):
            raise ProgramError(
                f"a text with the prefix '{prefix}'",
                token.span,
                expected='"…", r"…" or f"…"',
                hint=f"leave '{prefix}' out",
            )
        width = 3 if token.value[len(prefix) : len(prefix) + 3] in ('"""', "'''") else 1
        body = token.value[len(prefix) + width : -width]
        if "f" in kinds:
            formatted = True
            parts += _Format(token, len(prefix) + width, body, "r" in kinds).read()
        else:
            parts.append(Text(body if "r" in kinds else unescape(body, token.span), span=token.span))
    merged = _merge(parts)
    if formatted:
        return FString(merged, span=span)
    return Text(merged[0].value if merged and isinstance(merged[0], Text) else "", span=span)


def _plain(text: str) -> str | None:
    """Return the value of a literal with no prefix, no escape and single quotes; ``None`` for others."""
    if text[0] in "\"'" and "\\" not in text and text[:3] not in ('"""', "'''"):
        return text[1:-1]
    return None


def unescape(text: str, span: Span | None = None) -> str:
    """Return `text` with its escapes decoded as Python does; an unknown one stays as it is.

    Raises
    ------
    ProgramError
        For ``\\N{…}``, an incomplete ``\\x``, ``\\u`` or ``\\U``, or a code that is no character.
    """
    if "\\" not in text:
        return text

    def one(found: re.Match[str]) -> str:
        newline, octal, *codes, broken, other = found.groups()
        if newline:
            return ""
        if other is not None:
            return _SIMPLE.get(other, "\\" + other)
        code = int(octal, 8) if octal else -1 if broken else int(next(c for c in codes if c), 16)
        if code < 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ProgramError(
                f"the escape '{found.group()}' means no character",
                span,
                expected='\\n, \\t, \\", \\u00e9 and the like',
                hint="write the character itself",
            )
        return chr(code)

    return _ESCAPE.sub(one, text)


def _merge(parts: list[Text | Formatted]) -> tuple[Text | Formatted, ...]:
    """Join neighbouring texts and drop empty ones."""
    out: list[Text | Formatted] = []
    for part in parts:
        if isinstance(part, Text):
            if not part.value:
                continue
            if out and isinstance(out[-1], Text):
                out[-1] = Text(out[-1].value + part.value, span=out[-1].span)
                continue
        out.append(part)
    return tuple(out)


class _Format:
    """Reads the body of one f-string: texts, ``{{``, ``}}`` and ``{value:format}``."""

    def __init__(self, token: Token, offset: int, body: str, raw: bool) -> None:
        self.token, self.offset, self.body, self.raw = token, offset, body, raw

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column of a position in the body."""
        before = self.token.value[: self.offset + at]
        lines = before.count("\n")
        if lines:
            return self.token.span.line + lines, len(before) - before.rfind("\n")
        return self.token.span.line, self.token.span.column + len(before)

    def fail(self, what: str, at: int, hint: str) -> ProgramError:
        line, column = self.place(at)
        return ProgramError(what, Span(line, column, line, column + 1), hint=hint)

    def text(self, start: int, end: int) -> Text:
        piece = self.body[start:end].replace("{{", "{").replace("}}", "}")
        return Text(piece if self.raw else unescape(piece, self.token.span), span=self.token.span)

    def read(self) -> list[Text | Formatted]:
        body, at, start = self.body, 0, 0
        parts: list[Text | Formatted] = []
        while at < len(body):
            char = body[at]
            if char in "{}":
                if body[at : at + 2] == char * 2:
                    at += 2
                    continue
                if char == "}":
                    raise self.fail("a single '}' in an f-string", at, "write '}}' for a brace in the text")
                parts.append(self.text(start, at))
                value, at = self.value(at + 1)
                parts.append(value)
                start = at
                continue
            at += 2 if char == "\\" and not self.raw else 1
        parts.append(self.text(start, len(body)))
        return parts

    def value(self, start: int) -> tuple[Formatted, int]:
        """Read ``value:format}`` from `start`; return it and the position after the ``}``."""
        body, depth, quote, at, colon = self.body, 0, "", start, -1
        while at < len(body):
            char = body[at]
            if quote:
                if char == quote:
                    quote = ""
            elif char in "\"'":
                quote = char
            elif char in "([{":
                depth += 1
            elif char in ")]" or (char == "}" and depth):
                depth -= 1
            elif char == "}":
                break
            elif char == ":" and not depth:
                colon = at
                at = body.find("}", at)
                break
            at += 1
        if at < 0 or at >= len(body):
            raise self.fail("a '{' in an f-string that is not closed", start - 1, "close it with '}', or write '{{'")
        inner = body[start : colon if colon >= 0 else at]
        if not inner.strip():
            raise self.fail("nothing between '{' and '}'", start - 1, "put a value there, or write '{{}}'")
        if "\\" in inner:
            raise self.fail("a '\\' inside the braces of an f-string", start, "name the value before the f-string")
        form = body[colon + 1 : at] if colon >= 0 else ""
        if not PLAIN_FORMAT.fullmatch(form):
            raise self.fail(f"the format '{form}'", colon + 1, "use one such as .2f, 3d or >5, or none")
        line, column = self.place(start)
        end_line, end_column = self.place(at + 1)
        node = Formatted(INNER.get()(inner, line, column), form, span=Span(line, column - 1, end_line, end_column))
        return node, at + 1
