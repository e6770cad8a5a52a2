"""A small recogniser of llama.cpp's GBNF, written from its description alone: it follows every stack of rules at once.

It shares nothing with the exporter under test. Repeats become helper rules, as in llama.cpp.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[a-zA-Z][a-zA-Z0-9-]*)(?P<defines>\s*::=)?|(?P<text>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<chars>\[(?:[^\]\\]|\\.)*\])|(?P<repeat>\{\d+(?:,\d*)?\})|(?P<sign>[()|*+?]))""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def _unescape(text: str) -> list[tuple[str, bool]]:
    """Return (character, whether it was escaped) pairs."""
    out, i = [], 0
    while i < len(text):
        if text[i] != "\\":
            out.append((text[i], False))
            i += 1
            continue
        kind = text[i + 1]
        width = {"x": 2, "u": 4}.get(kind, 0)
        out.append((chr(int(text[i + 2 : i + 2 + width], 16)) if width else _ESCAPES.get(kind, kind), True))
        i += 2 + width
    return out


class Gbnf:
    """Tells whether a text is in the language of a GBNF grammar."""

    def __init__(self, grammar: str) -> None:
        self.rules: dict[str, list[tuple]] = {}
        for line in grammar.splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                self._define(line)
        for ways in self.rules.values():
            for way in ways:
                for kind, value in way:
                    assert kind == "chars" or value in self.rules, f"undefined rule {value}"
        self._stacks: dict[tuple, int] = {}
        self._nodes: list[tuple] = []
        self._open_memo: dict[int, frozenset[int]] = {}
        self._step_memo: dict[tuple[int, str], frozenset[int]] = {}

    # --- reading the grammar ---

    def _define(self, line: str) -> None:
        tokens, position = [], 0
        line = line.rstrip()
        while position < len(line):
            found = _TOKEN.match(line, position)
            assert found, f"not GBNF: {line[position : position + 40]!r}"
            tokens.append((found.lastgroup if found.lastgroup != "defines" else "rule", found.group(found.lastgroup)))
            if found.lastgroup == "defines":
                tokens[-1] = ("rule", found.group("name"))
            position = found.end()
        assert tokens[0][0] == "rule", line[:60]
        name = tokens[0][1]
        assert name not in self.rules, f"{name} is defined twice"
        self._tokens, self._at = tokens[1:], 0
        self.rules[name] = []
        self.rules[name] = self._choice()
        assert self._at == len(self._tokens), f"trailing tokens in {name}"

    def _peek(self):
        return self._tokens[self._at] if self._at < len(self._tokens) else (None, None)

    def _choice(self):
        ways = [self._sequence()]
        while self._peek() == ("sign", "|"):
            self._at += 1
            ways.append(self._sequence())
        return ways

    def _helper(self, ways) -> tuple:
        name = f"#{len(self.rules)}"
        self.rules[name] = ways
        return ("rule", name)

    def _sequence(self):
        way: tuple = ()
        while True:
            kind, value = self._peek()
            if kind is None or (kind == "sign" and value in "|)"):
                return way
            self._at += 1
            if kind == "name":
                item: tuple = (("rule", value),)
            elif kind == "text":
                item = tuple(("chars", (((c, c),), False)) for c, _ in _unescape(value[1:-1]))
            elif kind == "chars":
                item = (("chars", self._class(value[1:-1])),)
            else:
                assert (kind, value) == ("sign", "("), value
                item = (self._helper(self._choice()),)
                assert self._peek() == ("sign", ")")
                self._at += 1
            way += self._repeated(item)

    def _repeated(self, item: tuple) -> tuple:
        kind, value = self._peek()
        if kind == "repeat":
            low, comma, high = value[1:-1].partition(",")
            least, most = int(low), (int(high) if high else None) if comma else int(low)
        elif kind == "sign" and value in "*+?":
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[value]
        else:
            return item
        self._at += 1
        out = item * least
        if most is None:
            again = self._helper([])
            self.rules[again[1]] = [(*item, again), ()]
            return (*out, again)
        tail: tuple = ()
        for _ in range(most - least):
            tail = (self._helper([(*item, *tail), ()]),)
        return out + tail

    def _class(self, body: str):
        negated = body.startswith("^")
        chars = _unescape(body[negated:])
        ranges, i = [], 0
        while i < len(chars):
            if i + 2 < len(chars) and chars[i + 1] == ("-", False):
                ranges.append((chars[i][0], chars[i + 2][0]))
                i += 3
            else:
                ranges.append((chars[i][0], chars[i][0]))
                i += 1
        return tuple(ranges), negated

    # --- recognising ---

    def _node(self, way: tuple, position: int, parent: int) -> int:
        key = (way, position, parent) if len(way) < 4 else (id(way), position, parent)
        found = self._stacks.get(key)
        if found is None:
            found = self._stacks[key] = len(self._nodes)
            self._nodes.append((way, position, parent))
        return found

    def _open(self, node: int) -> frozenset[int]:
        """Return the stacks (−1: the end) that wait for a character, reached from `node` without one."""
        known = self._open_memo.get(node)
        if known is not None:
            return known
        out, todo, seen = set(), [node], set()
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            if at < 0:
                out.add(-1)
                continue
            way, position, parent = self._nodes[at]
            if position == len(way):
                todo.append(parent)
            elif way[position][0] == "chars":
                out.add(at)
            else:
                # a rule at the end of a way returns straight to the parent
                back = parent if position + 1 == len(way) else self._node(way, position + 1, parent)
                todo += [self._node(w, 0, back) for w in self.rules[way[position][1]]]
            assert len(seen) < 20_000, "left recursion"
        self._open_memo[node] = frozenset(out)
        return self._open_memo[node]

    def _step(self, node: int, char: str) -> frozenset[int]:
        known = self._step_memo.get((node, char))
        if known is None:
            way, position, parent = self._nodes[node]
            ranges, negated = way[position][1]
            fits = any(low <= char <= high for low, high in ranges) != negated
            known = self._open(self._node(way, position + 1, parent)) if fits else frozenset()
            self._step_memo[node, char] = known
        return known

    def accepts(self, text: str, start: str = "root", most: int = 5_000) -> bool:
        """Tell whether `text` is in the language; fails if more than `most` stacks are alive at once."""
        alive: set[int] = set()
        for way in self.rules[start]:
            alive |= self._open(self._node(way, 0, -1))
        self.widest = len(alive)
        for char in text:
            alive = {n for node in alive if node >= 0 for n in self._step(node, char)}
            self.widest = max(self.widest, len(alive))
            assert len(alive) <= most, f"{len(alive)} stacks alive"
            if not alive:
                return False
        return -1 in alive
