"""Regular expressions of the grammar's words, as trees: literals, classes, groups, repeats. No lookaround, no laziness.

The grammar's words for constrained decoding need nothing more, so that they can be written in any grammar format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Chars:
    """One character in these inclusive ranges of code points, or in none of them if `negated`."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    items: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them."""

    items: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`item` from `least` to `most` times; ``None``: any number."""

    item: Pattern
    least: int
    most: int | None


Pattern: TypeAlias = "str | Chars | Sequence | Choice | Repeat"
"""A text as it is, or one of the classes above."""

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}


def read_pattern(text: str) -> Pattern:
    """Return the tree of a regular expression.

    Raises
    ------
    ValueError
        If it uses more than literals, classes, groups, ``|`` and greedy repeats.
    """
    reader = _Reader(text)
    tree = reader.choice()
    if reader.position != len(text):
        raise reader.fault("')' without '('")
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0

    def fault(self, what: str) -> ValueError:
        return ValueError(f"{what} at {self.position} of /{self.text[:80]}/")

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.fault("the pattern ends too early")
        self.position += 1
        return char

    def choice(self) -> Pattern:
        ways = [self.sequence()]
        while self.peek() == "|":
            self.position += 1
            ways.append(self.sequence())
        return ways[0] if len(ways) == 1 else Choice(tuple(ways))

    def sequence(self) -> Pattern:
        items: list[Pattern] = []
        while self.peek() not in ("", "|", ")"):
            item = self.repeat(self.atom())
            if isinstance(item, str) and items and isinstance(items[-1], str):
                items[-1] += item
            else:
                items.append(item)
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def repeat(self, item: Pattern) -> Pattern:
        bounds: tuple[int, int | None]
        match self.peek():
            case "*":
                bounds = (0, None)
            case "+":
                bounds = (1, None)
            case "?":
                bounds = (0, 1)
            case "{":
                end = self.text.find("}", self.position)
                low, comma, high = self.text[self.position + 1 : end].partition(",")
                if not low.isdecimal() or (high and not high.isdecimal()):
                    raise self.fault("a repeat is {m}, {m,} or {m,n}")
                bounds = (int(low), (int(high) if high else None) if comma else int(low))
                self.position = end
            case _:
                return item
        self.position += 1
        if self.peek() in ("*", "+", "?", "{") and self.peek():
            raise self.fault("a lazy, possessive or double repeat")
        return Repeat(item, *bounds)

    def atom(self) -> Pattern:
        char = self.take()
        if char == "(":
            if self.peek() == "?":
                if self.text[self.position : self.position + 2] != "?:":
                    raise self.fault("a lookaround, flag or named group")
                self.position += 2
            inner = self.choice()
            if self.take() != ")":
                raise self.fault("'(' without ')'")
            return inner
        if char == "[":
            return self.chars()
        if char == ".":
            return Chars(((10, 10),), negated=True)
        if char in "^$":
            raise self.fault("an anchor")
        if char in "*+?{":
            raise self.fault("a repeat of nothing")
        return self.escaped() if char == "\\" else char

    def escaped(self) -> str:
        char = self.take()
        if char == "x":
            code = self.take() + self.take()
            return chr(int(code, 16))
        if char.isalnum() and char not in _ESCAPES:
            raise self.fault(f"the escape \\{char}")
        return _ESCAPES.get(char, char)

    def chars(self) -> Chars:
        negated = self.peek() == "^"
        self.position += negated
        ranges: list[tuple[int, int]] = []
        while (char := self.take()) != "]" or not ranges:
            low = self.escaped() if char == "\\" else char
            high = low
            if self.peek() == "-" and self.text[self.position + 1 : self.position + 2] != "]":
                self.position += 1
                high = self.take()
                high = self.escaped() if high == "\\" else high
            ranges.append((ord(low), ord(high)))
        return Chars(tuple(ranges), negated)
