"""Every export of the grammar for constrained decoding accepts exactly the texts of the start symbol ``generate``."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from helpers.gbnf_reader import Gbnf

import dsl
from neptune.writer import grammars
from neptune.writer.patterns import Chars, Choice, Repeat, Sequence, read_pattern

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("x", "y", "cube", "left", "count", "Object", "iota", "exists", "s", "color_of", "notx", "iff", "Tru")


class Writer:
    """Writes random texts of ``generate`` from the grammar file's rules."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rules = grammars.rules()
        self.patterns = {}

    def text(self) -> str:
        self.left = self.random.choice((10, 40, 90))
        return self.rule("generate")

    def rule(self, name: str) -> str:
        self.left -= 1
        ways = self.rules[name]
        if self.left < 0:  # the alternative with the fewest parts ends soonest
            simple = {"g_primary_base": 0, "g_factor": 0, "g_not": 0, "g_expr": 0, "g_result": -1, "g_small": -1}
            return self.way(ways[simple.get(name, min(range(len(ways)), key=lambda i: len(ways[i])))])
        return self.way(self.random.choice(ways))

    def way(self, way) -> str:
        return "".join(self.part(p) for p in way)

    def part(self, part) -> str:
        if isinstance(part, grammars.Rule):
            return self.rule(part.name)
        if isinstance(part, grammars.Word):
            if not part.regex:
                return part.text
            if part.name == "STRICT_NAME" and self.random.random() < 0.8:
                return self.random.choice(NAMES)
            if part.name not in self.patterns:
                self.patterns[part.name] = read_pattern(part.regex)
            return self.pattern(self.patterns[part.name])
        least = part.sign in ("", "+")
        times = 1 if part.sign == "" else least + (0 if self.left < 0 else self.random.choice((0, 0, 0, 1, 1, 2)))
        if part.sign == "?":
            times = min(times, 1)
        return "".join(
            self.way(self.random.choice(part.ways) if self.left > 0 else part.ways[-1]) for _ in range(times)
        )

    def pattern(self, tree) -> str:
        match tree:
            case str():
                return tree
            case Chars(ranges, negated):
                if negated:
                    return self.random.choice("abc é?,.'()[]{}日 \t\n"[:-2])
                low, high = self.random.choice(ranges)
                return chr(self.random.randint(low, high))
            case Sequence(items):
                return "".join(self.pattern(i) for i in items)
            case Choice(items):
                return self.pattern(self.random.choice(items))
            case Repeat(item, least, most):
                times = least + self.random.choice((0, 0, 1, 2, 5))
                return "".join(self.pattern(item) for _ in range(times if most is None else min(times, most)))
        raise AssertionError(tree)

    def mutated(self, text: str) -> str:
        """Return `text` with one to three slips."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            at = self.random.randrange(len(text) + 1)
            to = min(len(text), at + self.random.choice((1, 1, 2, 5)))
            other = self.random.randrange(len(text) + 1)
            text = self.random.choice(
                (
                    text[:at] + text[to:],
                    text[:at] + self.random.choice(" ()[],.:\"'\n+-=&|~^*/<>!#\\;{}@$_xX0aé") + text[at:],
                    text[:at] + self.random.choice(' ()[],.:"\n+-=x0') + text[to:],
                    text[:at] + text[other : other + 6] + text[at:],
                    text[:at]
                    + self.random.choice((" and ", "lambda ", "not ", "if ", "    ", " in ", "return "))
                    + text[at:],
                )
            )
        return text


def texts(count: int, seed: int) -> list[str]:
    """Return `count` texts, the second half of them mutated."""
    writer = Writer(seed)
    good = []
    while len(good) < count:
        text = writer.text()
        if len(text) <= 400:
            good.append(text)
    return good[: count // 2] + [writer.mutated(t) for t in good[count // 2 :]]


def in_language(text: str) -> bool:
    """Tell whether ``dsl.parse(text, start="generate")`` takes the text, leaving its limits aside."""
    try:
        dsl.parse(text, start="generate", limits=dsl.Limits(nesting=400, depth=400, number_digits=400))
    except dsl.LimitError:
        return True
    except dsl.ProgramError:
        return False
    return True


@pytest.fixture(scope="module")
def lark_accepts():
    llguidance = pytest.importorskip("llguidance", reason="llguidance is not installed: make setup")
    tokenizer = llguidance.LLTokenizer("byte")
    grammar = llguidance.LLMatcher.grammar_from_lark(grammars.llguidance())
    first = llguidance.LLMatcher(tokenizer, grammar)
    assert not first.is_error(), first.get_error()

    def accepts(text: str) -> bool:
        matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0)
        tokens = list(text.encode())
        return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()

    return accepts


@pytest.fixture(scope="module")
def gbnf_accepts():
    return Gbnf(grammars.gbnf()).accepts


def agree(accepts, count: int, seed: int) -> None:
    right = 0
    for text in texts(count, seed):
        expected = in_language(text)
        right += expected
        assert accepts(text) == expected, f"{'refuses' if expected else 'accepts'} {text!r}"
    assert 0.5 * count <= right <= 0.8 * count, f"{right} of {count} are programs: too few wrong ones"


def test_generated_texts_are_in_the_language():
    for text in texts(400, 7)[:200]:
        dsl.parse(text, start="generate", limits=dsl.Limits(nesting=400, depth=400, number_digits=400))


def test_llguidance_export_agrees(lark_accepts):
    agree(lark_accepts, 600, 1)


def test_gbnf_export_agrees(gbnf_accepts):
    agree(gbnf_accepts, 300, 2)


@pytest.mark.full
@pytest.mark.parametrize("export", ["lark_accepts", "gbnf_accepts"])
def test_exports_agree_on_ten_thousand_texts(export, request):
    agree(request.getfixturevalue(export), 10_000, 3)


def test_exports_accept_the_gold_programs_as_printed(lark_accepts, gbnf_accepts):
    for file in sorted((ROOT / "programs").glob("*-sample.json")):
        for program in list(json.loads(file.read_text()).values())[:12]:
            printed = dsl.print_program(dsl.parse(program))
            assert in_language(printed), printed
            assert lark_accepts(printed), printed
            assert gbnf_accepts(printed), printed


HARD = [
    "", " ", "\n", "x", "x\n", "x\n\n", " x", "x ", "if", "not", "lambda", "notx", "not not x", "True", "Truex",
    "x=1", "x = 1", "x = 1\nx", "x = 1\nreturn x", "return x", "return", "(x)", "(x,)", "(x, y)", "()", "[]", "[x]",
    "[x for y in z]", "[x for y in z if w]", "f()", "f(x)(y)[z].w", "f(x,y)", "f(x, y=z)", '"a"', '"a\\"', '"a\nb"',
    "'a'", "1", "01", "1.5", "1.", "-1", "--1", "1 - -1", "1.exists", "x.1", "x if y else z", "x if y",
    "lambda: x", "lambda x: y", "lambda x, y: z", "lambda if: z", "x < y < z", "x not in y", "x is y",
    "if x:\n    y\nz", "if x:\n    y", "if x: y\nz", "if x:\n  y\nz", "if x:\n    y\nelse:\n    z\nw",
    "if x:\n    y\nelif z:\n    w\nelse:\n    v\nu", "for x in y:\n    z += x\nz",
    "def f(x, y):\n    return x\nf(1, 2)",
    "for a in b:\n    for c in d:\n        if e:\n            f\ng",
    "for a in b:\n    for c in d:\n        if e:\n            if f:\n                g\nh",
    "x += 1\nx", "x **= 1\nx", "a & b | c ^ d >> e", "a  & b", "~x", "~ x", "2 ** 3", "2 ** -3", "((((((((x))))))))",
    "é", "x\té", "import os", "eval", "while x:\n    y\nz", '"é日"', "x;y", "x # y", "a, b = c\na", "a,b = c\na",
]  # fmt: skip


@pytest.mark.parametrize("text", HARD)
def test_exports_agree_on_hard_texts(text, lark_accepts, gbnf_accepts):
    expected = in_language(text)
    assert lark_accepts(text) == expected
    assert gbnf_accepts(text) == expected


def test_gbnf_does_not_explode():
    gbnf = Gbnf(grammars.gbnf())
    deep = "f(" * 30 + "((x" + "))" + ")" * 30
    assert gbnf.accepts(deep)
    assert gbnf.widest < 400


def test_openai_tool_carries_the_same_grammar():
    tool = grammars.openai_tool()
    assert tool["type"] == "custom"
    assert tool["custom"]["format"]["grammar"] == {"syntax": "lark", "definition": grammars.llguidance()}
    fields = grammars.request_fields("openai")
    assert fields["tool_choice"]["custom"]["name"] == tool["custom"]["name"]
    json.dumps(fields)


def test_lark_export_keeps_to_what_openai_and_llguidance_have():
    text = grammars.llguidance()
    for forbidden in ("(?", "%ignore", "%import", "%declare", "->", "*?", "+?", "??"):
        assert forbidden not in text


def test_off_asks_for_nothing_and_unknown_forms_are_errors():
    assert grammars.request_fields("off") == {}
    with pytest.raises(ValueError, match="gbnf, llguidance, openai"):
        grammars.request_fields("json")


@pytest.mark.parametrize("regex", ["a*?", "(?=a)", "(?P<n>a)", "^a", "a$", r"\bx", "a**", "(a", "a)", "[a", "*"])
def test_patterns_refuse_what_other_formats_lack(regex):
    with pytest.raises(ValueError, match="at"):
        read_pattern(regex)
