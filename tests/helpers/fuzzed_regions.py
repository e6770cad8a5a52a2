"""Programs over regions to be afraid of: of sense, of the grammar alone, and mutations of both and of hostile ones."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from helpers.fuzzing import ROOT, mutated

from dsl.patches import declared

NOUNS = ["cube", "red ball", "object", "shiny thing", "", "cat", "é", "large metal cylinder"]
QUESTIONS = ["is it red?", "what color is it?", "who?", "", "are there two or three?"]
NAMES = ["p", "q", "xs", "ys", "x", "found", "image", "image_patch", "query", "possible_answers", "np", "math", "video"]
METHODS = sorted({name for methods in declared.METHODS.values() for name in methods})
ATTRIBUTES = sorted({name for attributes in declared.ATTRIBUTES.values() for name in attributes})
MODULES = [f"{module}.{name}" for module, names in declared.MODULES.items() for name in names]
CALLED = [
    *declared.FUNCTIONS,
    *sorted(declared.PLAIN_BUILTINS),
    "simple_query",
    "find_in_image",
    "best_text_match",
    "zzz",
]
TEMPLATES = ["{}", "{} {}", "{0}{0}", "{:.2f}", "{a}", "{0.left}", "{[0]}", "{{}}", "{", "{:>9}", "{!r}"]


def region_programs(seed: int, count: int) -> Iterator[str]:
    """Yield programs, the same ones for the same seed."""
    draw = random.Random(seed)
    page = (ROOT / "docs/language-regions.md").read_text(encoding="utf-8")
    known = re.findall(r"^```patches\n(.*?)^```", page, re.M | re.S)
    known += (ROOT / "tests/dsl/hostile/regions.txt").read_text(encoding="utf-8").split("\n%%\n")
    for _ in range(count):
        kind = draw.random()
        if kind < 0.45:
            yield sensible(draw)
        elif kind < 0.6:
            yield made(draw)
        elif kind < 0.8:
            yield mutated(draw, sensible(draw), known)
        else:
            yield mutated(draw, draw.choice(known), known)


def sensible(draw: random.Random) -> str:
    """Return a program whose parts are of the sorts that they should be, mostly."""
    lines = ["image_patch = ImagePatch(image)"]
    lists, regions = [], ["image_patch"]
    for k in range(draw.randint(1, 4)):
        lines += _step(draw, k, lists, regions)
    lines.append(f"return {_value(draw, lists, regions, 2)}")
    if draw.random() < 0.1:
        lines.insert(0, draw.choice(["import math", "import numpy as np"]))
    if draw.random() < 0.4:
        head = draw.choice(["image", "image, query", "image: Picture, possible_answers=None", "img"])
        result = draw.choice(["", " -> str", " -> List[ImagePatch]"])
        return "\n".join([f"def execute_command({head}){result}:", *("    " + line for line in lines)])
    if draw.random() < 0.1:
        return "\n".join([lines[0], *("    " + line for line in lines[1:])])
    return "\n".join(lines)


def _step(draw: random.Random, k: int, lists: list[str], regions: list[str]) -> list[str]:
    """Return lines that make or change a list or a region, or that leave early."""
    kind = draw.randrange(10)
    if not lists or kind < 2:
        lists.append(f"xs{k}")
        return [f"xs{k} = {draw.choice(regions)}.find({draw.choice(NOUNS)!r})"]
    items = draw.choice(lists)
    if kind == 2:
        key = _number(draw, "p")
        return [f"{items}.sort(key=lambda p: {key}{draw.choice(['', ', reverse=True'])})"]
    if kind == 3:
        regions.append(f"p{k}")
        return [f"p{k} = {items}[{draw.choice(['0', '-1', f'len({items}) // 2', '9'])}]"]
    if kind == 4:
        lists.append(f"xs{k}")
        return [f"xs{k} = [p for p in {items} if {_truth(draw, 'p')}]"]
    if kind == 5:
        return [f"for p in {items}:", f"    if {_truth(draw, 'p')}:", f"        return {draw.choice('p1')}",
                *draw.choice([[], ["else:", "    n = 0"]])]  # fmt: skip
    if kind == 6:
        return [f"n{k} = 0", f"for p in {items}:", f"    if {_truth(draw, 'p')}:", f"        n{k} += 1"]
    if kind == 7:
        regions.append(f"p{k}")
        edges = ", ".join(_number(draw, draw.choice(regions)) for _ in range(4))
        return [f"p{k} = {draw.choice(regions[:-1])}.crop({edges})"]
    if kind == 8:
        return [f"if len({items}) {draw.choice(['==', '>', '<='])} {draw.randrange(3)}:",
                f"    return {_value(draw, lists, regions, 1)}"]  # fmt: skip
    change = draw.choice(["append(image_patch)", "remove(image_patch)", "reverse()", "extend(image_patch.find('cube'))",
                          "pop()", "insert(0, image_patch)"])  # fmt: skip
    return [f"{items}.{change}"]


def _number(draw: random.Random, of: str) -> str:
    return draw.choice(
        [f"{of}.{draw.choice(ATTRIBUTES[:-1])}", f"distance({of}, image_patch)", f"{of}.compute_depth()",
         str(draw.randrange(400)), f"math.sqrt({of}.width)", f"{of}.left - {of}.width / 2"]
    )  # fmt: skip


def _truth(draw: random.Random, of: str) -> str:
    noun = draw.choice(NOUNS)
    return draw.choice(
        [f"{of}.exists({noun!r})", f"{of}.verify_property({noun!r}, 'red')", f"{of}.left < image_patch.right / 2",
         f"{of}.simple_query({draw.choice(QUESTIONS)!r}) == 'yes'", f"not {of}.exists({noun!r})",
         f"{of}.exists({noun!r}) and {of}.verify_property({noun!r}, 'small')", f"{of}.overlaps_with(0, 0, 99, 99)"]
    )  # fmt: skip


def _value(draw: random.Random, lists: list[str], regions: list[str], depth: int) -> str:
    of = draw.choice(regions)
    items = draw.choice(lists) if lists else "[image_patch]"
    return draw.choice(
        [of, f"len({items})", f"bool_to_yesno({_truth(draw, of)})", f"{of}.simple_query({draw.choice(QUESTIONS)!r})",
         f"{of}.best_text_match(['red', 'blue'])", f"best_image_match({items}, ['red', 'a ball'])",
         f"{items}[{draw.randrange(-1, 3)}]", f"any({_truth(draw, 'p')} for p in {items})", f"{items}[1:]",
         f"max({items}, key=lambda p: {_number(draw, 'p')})", f"{draw.choice(TEMPLATES)!r}.format({of}.left, a=1)",
         f"np.median([p.left for p in {items}])", f"sorted({items}, key=lambda p: p.left)", f"set({items})",
         f"[i for i, p in enumerate({items}) if {_truth(draw, 'p')}]", f"llm_query({draw.choice(QUESTIONS)!r})"]
    )  # fmt: skip


def made(draw: random.Random) -> str:
    """Return a program of the dialect's words, of any sense or none."""
    lines = [f"{draw.choice(NAMES)} = {expression(draw, draw.randint(1, 4))}" for _ in range(draw.randrange(4))]
    if draw.random() < 0.3:
        lines += [f"for {draw.choice(NAMES)} in {expression(draw, 2)}:", f"    {expression(draw, 2)}", "    continue",
                  "else:", f"    {expression(draw, 1)}"]  # fmt: skip
    return "\n".join(["image_patch = ImagePatch(image)", *lines, f"return {expression(draw, draw.randint(1, 4))}"])


def expression(draw: random.Random, depth: int) -> str:
    """Return an expression of the dialect's words, nested up to `depth`."""
    if depth <= 0:
        return draw.choice([*NAMES, *map(repr, NOUNS), *map(repr, TEMPLATES), "0", "1", "-1", "2.5", "10 ** 30", "None",
                            "True", "[]", "{}", "''"])  # fmt: skip

    def inner() -> str:
        return expression(draw, depth - draw.choice([1, 1, 2]))

    kind = draw.randrange(9)
    arguments = ", ".join(inner() for _ in range(draw.choice([0, 1, 1, 2, 2, 4])))
    if kind < 3:
        return f"({inner()}).{draw.choice(METHODS)}({arguments})"
    if kind == 3:
        return f"({inner()}).{draw.choice(ATTRIBUTES)}"
    if kind == 4:
        return f"{draw.choice(CALLED)}({arguments})"
    if kind == 5:
        return f"{draw.choice(MODULES)}({arguments})"
    if kind == 6:
        return (
            f"({inner()} {draw.choice(['+', '-', '*', '/', '==', '<', 'and', 'or', 'in', 'is', '&', '|'])} {inner()})"
        )
    if kind == 7:
        return draw.choice([f"({inner()})[{inner()}]", f"({inner()})[{inner()}:]", f"[{inner()} for p in {inner()}]",
                            f"{{{inner()}}}", f"[{inner()}, {inner()}]", f"not {inner()}",
                            f"({inner()} if {inner()} else {inner()})"])  # fmt: skip
    return draw.choice([f"sorted({inner()}, key=lambda p: {inner()})", f"max({inner()}, key=lambda p: {inner()})",
                        f"({inner()}).sort(key=lambda p: {inner()})", f"f'{{{inner()}}}'"])  # fmt: skip
