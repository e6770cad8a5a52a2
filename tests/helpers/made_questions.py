"""Questions made at random: sentences of the grammar, and sentences that are made together with their program."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import ClassVar

from dsl.vocabulary import Vocabulary
from neptune.writer.english.grammar import Grammar
from neptune.writer.english.lexicon import lexicon_of

VARIABLES = "abcdefghijklmnopqrstuvw"


class Sentences:
    """Draws sentences from a grammar: any of its rules, any word of a class.

    In one sentence all adjectives and attributes are of one sort, so that it speaks of no "red size".

    Parameters
    ----------
    grammar, vocabulary
        The phrases, and the words of the world.
    """

    def __init__(self, grammar: Grammar, vocabulary: Vocabulary) -> None:
        self.grammar = grammar
        self.words: dict[str, list[str]] = {"_SEP": [","]}
        self.sorts = list(vocabulary.sorts)
        for rows in lexicon_of(vocabulary)._entries.values():
            for parts, kind, meaning in rows:
                sort = meaning if kind in ("ATTR", "ATTRED", "HOW_SORT") else None
                sort = vocabulary.sort_of_value(meaning) if kind == "ADJ" else sort
                for name in (kind, f"{kind} {sort}"):
                    self.words.setdefault(name, []).append(" ".join(parts))
        self.height = self._heights()

    def _heights(self) -> Mapping[str, int]:
        height: dict[str, int] = {}
        grown = True
        while grown:
            grown = False
            for phrase, ways in self.grammar.phrases.items():
                known = [self._height(way.symbols, height) for way in ways]
                least = min((h for h in known if h is not None), default=None)
                if least is not None and height.get(phrase) != least:
                    height[phrase], grown = least, True
        return height

    def _height(self, symbols: tuple[str, ...], height: Mapping[str, int]) -> int | None:
        parts = [height.get(s) if s in self.grammar.phrases else 0 for s in symbols]
        return None if None in parts else 1 + max((p for p in parts if p is not None), default=0)

    def sentence(self, rng: random.Random, depth: int = 9) -> str:
        """Return a random sentence, of about the given depth at most."""
        return " ".join(self.draw(rng, "start", rng.choice(self.sorts), depth)).replace(" 's", "'s")

    def draw(self, rng: random.Random, symbol: str, sort: str, depth: int) -> list[str]:
        """Return the words of a random phrase whose adjectives are of a sort."""
        if symbol.startswith("'"):
            return [symbol[1:-1]]
        if symbol not in self.grammar.phrases:
            return [rng.choice(sorted(self.words.get(f"{symbol} {sort}") or self.words[symbol]))]
        ways = self.grammar.phrases[symbol]
        fits = [w for w in ways if (self._height(w.symbols, self.height) or 0) <= depth]
        if not fits:
            fits = [min(ways, key=lambda w: self._height(w.symbols, self.height) or 0)]
        return [word for part in rng.choice(fits).symbols for word in self.draw(rng, part, sort, depth - 1)]


class Meant:
    """Draws questions in English together with the program that each means."""

    values: ClassVar[dict[str, dict[str, list[str]]]] = {
        "size": {"small": ["small", "tiny", "little"], "large": ["large", "big"]},
        "color": {c: [c] for c in ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")},
        "material": {"rubber": ["rubber", "matte"], "metal": ["metal", "metallic", "shiny"]},
    }
    nouns: ClassVar[dict[str | None, list[str]]] = {
        "cube": ["cube", "block"],
        "sphere": ["sphere", "ball"],
        "cylinder": ["cylinder"],
        None: ["thing", "object", "item"],
    }
    relations: ClassVar[dict[str, list[str]]] = {
        "left": ["left of", "to the left of", "on the left side of"],
        "right": ["right of", "to the right of", "on the right side of"],
        "front": ["in front of"],
        "behind": ["behind", "in back of"],
    }

    def __init__(self, rng: random.Random) -> None:
        self.rng, self._free = rng, iter(VARIABLES)

    def nominal(self, x: str, depth: int, plural: bool = False, bare: bool = False) -> tuple[str, str]:
        """Return a noun with what is said of it, and the condition on `x` that it means."""
        rng, words, parts = self.rng, list[str](), list[str]()
        for ways in self.values.values():
            if rng.random() < 0.4:
                value = rng.choice(sorted(ways))
                words.append(rng.choice(ways[value]))
                parts.append(f"{value}({x})")
        noun = rng.choice([n for n in self.nouns if n or parts])
        word = rng.choice(self.nouns[noun])
        words.append(word + ("s" if plural else ""))
        if noun:
            parts.append(f"{noun}({x})")
        if depth and not bare and rng.random() < 0.6:
            more, means = self.modifier(x, depth - 1, plural)
            words.append(more)
            parts.append(means)
        return " ".join(words), " and ".join(parts)

    def modifier(self, x: str, depth: int, plural: bool) -> tuple[str, str]:
        rng, be = self.rng, "are" if plural else "is"
        kind = rng.randrange(5)
        if kind == 0:
            attribute = rng.choice(["size", "color", "material", "shape"])
            text, to = self.the(depth)
            put = [f"that {be} the same {attribute} as {text}", f"with the same {attribute} as {text}"]
            return rng.choice(put), f"same_{attribute}({x}, {to})"
        if kind == 1:
            (first, a), (second, b) = (self.relation(x, depth) for _ in range(2))
            return f"that {be} both {first} and {second}", f"{a} and {b}"
        if kind == 2:
            value = rng.choice(sorted(self.values["color"]))
            return f"that {be} not {value}", f"not {value}({x})"
        text, means = self.relation(x, depth)
        return rng.choice([text, f"that {be} {text}"]), means

    def relation(self, x: str, depth: int) -> tuple[str, str]:
        name = self.rng.choice(sorted(self.relations))
        text, to = self.the(depth)
        return f"{self.rng.choice(self.relations[name])} {text}", f"{name}({x}, {to})"

    def the(self, depth: int) -> tuple[str, str]:
        y = next(self._free)
        text, means = self.nominal(y, depth)
        return f"the {text}", f"iota(Object, lambda {y}: {means})"

    def counted(self, depth: int) -> tuple[str, str]:
        x = next(self._free)
        text, means = self.nominal(x, depth, plural=True)
        return text, f"count(Object, lambda {x}: {means})"

    def question(self) -> tuple[str, str]:
        """Return a question and its program."""
        rng, x = self.rng, next(self._free)
        kind = rng.randrange(7)
        if kind == 0:
            text, program = self.counted(2)
            return rng.choice([f"How many {text} are there?", f"What number of {text} are there?"]), program
        if kind == 1:
            text, means = self.nominal(x, 2)
            put = [f"Is there a {text}?", f"Do you see a {text}?", f"Is there any {text}?"]
            return rng.choice(put), f"exists(Object, lambda {x}: {means})"
        if kind == 2:
            attribute = rng.choice(["size", "color", "material", "shape"])
            text, of = self.the(2)
            put = [
                f"What {attribute} is {text}?",
                f"What is the {attribute} of {text}?",
                f"{text} is what {attribute}?",
            ]
            return rng.choice(put), f"describe({attribute.title()}, {of})"
        if kind == 3:
            (first, a), (second, b) = self.counted(1), self.counted(1)
            word, sign = rng.choice([("more", ">"), ("fewer", "<")])
            return f"Are there {word} {first} than {second}?", f"{a} {sign} {b}"
        if kind == 4:
            attribute = rng.choice(["size", "color", "material", "shape"])
            (first, a), (second, b) = self.the(0), self.the(1)
            put = [
                f"Is {first} the same {attribute} as {second}?",
                f"Do {first} and {second} have the same {attribute}?",
                f"Is the {attribute} of {first} the same as {second}?",
            ]
            return rng.choice(put), f"same_{attribute}({a}, {b})"
        if kind == 5:
            text, means = self.nominal(x, 2)
            verb = rng.choice(["Find", "Select", "Point to", "Click on", "Where is"])
            return f"{verb} the {text}.", f"point(Object, lambda {x}: {means})"
        (subject, means), (quality, more) = self.nominal(x, 0, plural=True), self.relation(x, 0)
        return f"Are all {subject} {quality}?", f"forall(Object, lambda {x}: implies({means}, {more}))"
