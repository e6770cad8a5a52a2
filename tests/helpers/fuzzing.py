"""Programs to be afraid of: made from the grammar, and mutations of programs as people and models write them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from helpers.cpu_time import CpuTime

import dsl
from dsl.builtins import BUILTINS, METHODS, RESERVED
from neptune.engine import Engine
from neptune.errors import NeptuneError
from neptune.scene import Scene

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["x", "y", "z", "k", "a", "f", "found", "x1", "_", "Object", "Color", "Shape", "Size", "Finish", "objects"]
WORDS = ["red", "cube", "large", "left", "right_of", "same_color", "same_object", "largest", "leftmost", "between",
         "color", "shape", "size", "shiny", "near", "object", "closest", "larger",
         "small_cube", "same_finish"]  # fmt: skip
TEXTS = ['"red"', '"x"', '"is the object in the red box red?"', '""', '"x1"', "'cube'", 'f"{x}"', '"@0"', '"é\\n"']
NUMBERS = ["0", "1", "2", "3.5", "-1", "1e9", "99999999999", "10 ** 30", "0.0", "True", "False", "None"]
INFIX = ["and", "or", "==", "!=", "<", ">", "<=", ">=", "in", "not in", "is", "+", "-", "*", "/", "//", "%", "**", "&",
         "|", "^", ">>", "->", "implies"]  # fmt: skip
ODD = ["∧", "¬", "λ", "→", "∃", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "lambda", "if", "else", "for", "def",
       "return", "not", "~", "'", '"', "\n", "\n    ", "\t", "#", "`", "\\", "…", "\u200b", "@", "$", ";", "__class__",
       "import", "open", "while", "'''", "-", "**", "*", "…", "　", "\ud800", "\x00"]  # fmt: skip
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def seeds() -> list[str]:
    """Return what mutations start from: the pages' examples, malformed, hostile and meaningless programs."""
    from helpers.malformed import MALFORMED, NO_LONGER_READ
    from helpers.meaningless import MEANINGLESS

    found = [written for written, _ in (*MALFORMED, *NO_LONGER_READ)]
    for page in ("docs/language.md", "README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        found += re.findall(r"^```neptune\n(.*?)^```", text, re.M | re.S)
    found += (ROOT / "tests/dsl/hostile/programs.txt").read_text(encoding="utf-8").split("\n%%\n")
    return found + [program for program, _ in MEANINGLESS]


def programs(seed: int, count: int) -> Iterator[str]:
    """Yield programs, the same ones for the same seed."""
    draw = random.Random(seed)
    known = seeds()
    for _ in range(count):
        kind = draw.random()
        if kind < 0.3:
            yield sensible(draw)
        elif kind < 0.45:
            yield made(draw)
        elif kind < 0.6:
            yield mutated(draw, sensible(draw), known)
        elif kind < 0.7:
            yield reworded(draw, draw.choice(known))
        elif kind < 0.95:
            yield mutated(draw, draw.choice(known), known)
        else:
            yield mutated(draw, made(draw), known)


def sensible(draw: random.Random) -> str:
    """Return a program whose parts are of the kinds that they should be, mostly."""
    kind = draw.choice(["truth", "truth", "number", "value", "object"])
    return _of_kind(draw, kind, [], draw.randint(1, 4))


def _of_kind(draw: random.Random, kind: str, bound: list[str], depth: int) -> str:
    """Return an expression of a kind: truth, number, value or object; now and then of another."""
    if draw.random() < 0.03:
        kind = draw.choice(["truth", "number", "value", "object"])
    var = f"{draw.choice('xyzw')}{draw.choice(['', '1', '2'])}"
    if kind == "object":
        if bound and (depth <= 0 or draw.random() < 0.6):
            return draw.choice(bound)
        return f"iota(Object, lambda {var}: {_of_kind(draw, 'truth', [*bound, var], depth - 1)})"
    if kind == "value":
        if depth <= 0:
            return draw.choice(["red", '"large"', "cube", '"metal"', "small"])
        sort = draw.choice(["Color", "Shape", "Size", "Finish"])
        if draw.random() < 0.3:
            return f"describe({sort}, lambda k: {sort}(k, {_of_kind(draw, 'object', bound, depth - 1)}))"
        return f"describe({sort}, {_of_kind(draw, 'object', bound, depth - 1)})"
    if kind == "number":
        if depth <= 0:
            return draw.choice(["0", "1", "2", "count(Object)"])
        if draw.random() < 0.2:
            sides = [_of_kind(draw, "number", bound, depth - 1) for _ in range(2)]
            return f"({sides[0]} {draw.choice('+-*/')} {sides[1]})"
        return f"count(Object, lambda {var}: {_of_kind(draw, 'truth', [*bound, var], depth - 1)})"
    return _truth(draw, bound, var, depth)


def _truth(draw: random.Random, bound: list[str], var: str, depth: int) -> str:
    def part(kind: str) -> str:
        return _of_kind(draw, kind, bound, depth - 1)

    choice = draw.randrange(10) if depth > 0 else 0
    if choice < 2:
        word = draw.choice(["red", "cube", "large", "shiny", "largest", "leftmost", "object", "near_the_wall", "color"])
        return f"{word}({part('object') if depth > 0 or bound else 'iota(Object)'})"
    if choice < 4:
        word = draw.choice(["left", "right_of", "same_color", "same_object", "larger", "closest", "between"])
        return f"{word}({part('object')}, {part('object')})"
    if choice < 6:
        word = draw.choice(["exists", "forall", "no", "some", "all", "every"])
        return f"{word}(Object, lambda {var}: {_of_kind(draw, 'truth', [*bound, var], depth - 1)})"
    if choice == 6:
        return f"({part('truth')} {draw.choice(['and', 'or', '&', '|', '^', '>>', '->', '=='])} {part('truth')})"
    if choice == 7:
        return f"{draw.choice(['not ', 'not ', '~'])}({part('truth')})"
    if choice == 8:
        return f"{part('number')} {draw.choice(['>', '<', '==', '!=', '>='])} {part('number')}"
    return f"{part('value')} {draw.choice(['==', '!=', '<', 'in'])} {part('value')}"


def reworded(draw: random.Random, text: str) -> str:
    """Return the program with some of its words replaced by others of their kind."""
    words = _TOKEN.findall(text) or [" "]
    classes = [WORDS, NUMBERS, INFIX, list(BUILTINS), list(METHODS), ["x", "y", "z", "k"], ["Object", "Color", "Shape"]]
    for i, word in enumerate(words):
        for members in classes:
            if word in members and draw.random() < 0.25:
                words[i] = draw.choice(members)
    return "".join(words)


def made(draw: random.Random) -> str:
    """Return a program of the grammar, of any sense or none."""
    lines, names = [], list(NAMES)
    for _ in range(draw.choice([0, 0, 0, 1, 2, 3])):
        lines += _statement(draw, names, draw.randint(1, 3), 0)
    lines.append(draw.choice(["", "return "]) + expression(draw, names, draw.randint(1, 5)))
    return "\n".join(lines)


def _statement(draw: random.Random, names: list[str], depth: int, level: int) -> list[str]:
    pad = "    " * level
    kind = draw.choice(["assign", "assign", "augment", "if", "for", "def", "expression"] if depth > 1 else ["assign"])
    value = expression(draw, names, depth)
    name = draw.choice(["a", "b", "f", "found", "total", "x"])
    if kind == "assign":
        return [f"{pad}{name} = {value}"]
    if kind == "augment":
        return [f"{pad}{name} = 1", f"{pad}{name} {draw.choice(['+=', '-=', '*=', '&=', '**='])} {value}"]
    if kind == "expression":
        return [pad + value]
    body = _statement(draw, names, depth - 1, level + 1)
    if kind == "def":
        return [f"{pad}def {name}(x, y=1):", *body, f"{pad}    return {expression(draw, names, depth - 1)}"]
    head = f"if {value}:" if kind == "if" else f"for {name} in {value}:"
    return [pad + head, *body]


def expression(draw: random.Random, names: list[str], depth: int) -> str:
    """Return an expression, nested up to `depth`."""
    if depth <= 0:
        return draw.choice([draw.choice(names), draw.choice(WORDS), draw.choice(TEXTS), draw.choice(NUMBERS)])

    def inner() -> str:
        return expression(draw, names, depth - draw.choice([1, 1, 2]))

    kind = draw.randrange(13)
    if kind < 3:
        var = draw.choice(["x", "y", "z", "k"])
        sort = draw.choice(["Object", "Object", "Object", "Color", "Shape", "Finish", inner()])
        binder = draw.choice(["exists", "forall", "iota", "count", "point", "no", "describe", "all", "mode", "most"])
        return f"{binder}({sort}, lambda {var}: {expression(draw, [var, *names], depth - 1)})"
    if kind < 6:
        places = [draw.choice([draw.choice(["x", "y"]), inner()]) for _ in range(draw.choice([1, 1, 2, 2, 3]))]
        return f"{draw.choice(WORDS)}({', '.join(places)})"
    if kind == 6:
        name = draw.choice([*BUILTINS, *list(RESERVED)[:3]])
        return f"{name}({', '.join(inner() for _ in range(draw.choice([0, 1, 1, 2, 2, 3])))})"
    if kind == 7:
        arguments = ", ".join(inner() for _ in range(draw.choice([0, 1, 1, 2])))
        return f"({inner()}).{draw.choice(list(METHODS))}({arguments})"
    if kind < 10:
        return f"({inner()} {draw.choice(INFIX)} {inner()})"
    if kind == 10:
        return draw.choice([f"not {inner()}", f"~({inner()})", f"-({inner()})", f"({inner()})[{inner()}]"])
    if kind == 11:
        return draw.choice(
            [f"[{inner()}, {inner()}]", f"{{{inner()}: {inner()}}}", f"({inner()} if {inner()} else {inner()})",
             f"[{inner()} for x in {inner()} if {inner()}]", f"{{{inner()}}}", f"({inner()}, {inner()})"]
        )  # fmt: skip
    return draw.choice([f"score({draw.choice(TEXTS)}, {draw.choice(['0', '1', '2', '3'])})({inner()})", inner()])


def mutated(draw: random.Random, text: str, known: list[str]) -> str:
    """Return the program with one to four of its words lost, doubled, swapped, replaced, or taken from another."""
    words = _TOKEN.findall(text) or [" "]
    for _ in range(draw.randint(1, 4)):
        i, j = draw.randrange(len(words)), draw.randrange(len(words))
        kind = draw.randrange(7)
        if kind == 0:
            words[i] = ""
        elif kind == 1:
            words[i] = words[i] * draw.choice([2, 2, 3, 40])
        elif kind == 2:
            words[i], words[j] = words[j], words[i]
        elif kind == 3:
            words[i] = draw.choice([*ODD, *NAMES, *WORDS, *TEXTS, *NUMBERS, *INFIX, *BUILTINS])
        elif kind == 4:
            words.insert(i, draw.choice([*ODD, *NAMES, *WORDS, *NUMBERS]))
        elif kind == 5:
            other = _TOKEN.findall(draw.choice(known)) or [""]
            k = draw.randrange(len(other))
            words[i : i + draw.randint(0, 3)] = other[k : k + draw.randint(1, 12)]
            words = words or [""]
        else:
            low, high = sorted((i, j))
            words[low:low] = words[low:high][:30]
    return "".join(words)


def ends_of(texts: Iterable[str], engines: Sequence[Engine], sizes: Sequence[int], seed: int) -> dict[str, int]:
    """Run programs on each engine in turn, on scenes of these sizes; return how many ended how.

    Raises
    ------
    AssertionError
        If one ends in an exception that is not documented, or takes a second of CPU time of a machine at full speed
        (without whole collections: their time is that of all programs whose plans are kept).
    """
    scenes = [Scene.synthetic(n, seed=n) for n in sizes]
    ends = {"answer": 0, "ProgramError": 0, "NeptuneError": 0}
    for i, text in enumerate(texts):
        with CpuTime() as took:
            try:
                str(engines[i % len(engines)].run(text, scenes[i // len(engines) % len(scenes)]))
                ends["answer"] += 1
            except dsl.ProgramError as error:
                ends["ProgramError"] += bool(error.what and "\n" not in error.one_line())
            except NeptuneError:
                ends["NeptuneError"] += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}, program {i}: {text!r}") from error
        assert took < 1, f"{took}: seed {seed}, program {i}: {text!r}"
    return ends
