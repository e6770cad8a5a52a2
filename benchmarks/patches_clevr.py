"""CLEVR's questions as programs over regions, written by templates from the functional programs.

In front and behind compare how far away things are (`compute_depth`), left and right the centres of boxes: an interface
of boxes has no ground plane, so a pair whose centres disagree with the ground is answered otherwise than in CLEVR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ATTRIBUTES = ("size", "color", "material", "shape")
ORDER = {"size": 0, "color": 1, "material": 2, "shape": 3}
SIDES = {
    "left": "p.horizontal_center < {x}.horizontal_center",
    "right": "p.horizontal_center > {x}.horizontal_center",
    "front": "p.compute_depth() < {x}.compute_depth()",
    "behind": "p.compute_depth() > {x}.compute_depth()",
}


def program_of(nodes: Sequence[Mapping[str, Any]]) -> str:
    """Return the program of a question's functional nodes (CLEVR's ``program``)."""
    return _Writer(nodes).text()


def sides_of(nodes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the relations that a question speaks of."""
    return {v for n in nodes if _name(n) == "relate" for v in n["value_inputs"]}


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("type") or node.get("function"))


class _Writer:
    def __init__(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        self.nodes = nodes
        self.lines = ["image_patch = ImagePatch(image)"]
        self.names: dict[int, str] = {}
        self.count = 0

    def text(self) -> str:
        result = self.value(len(self.nodes) - 1)
        body = "\n".join(f"    {line}" for line in [*self.lines, f"return {result}"])
        return f"def execute_command(image):\n{body}\n"

    def bound(self, at: int, expression: str) -> str:
        """Give an expression a name."""
        self.count += 1
        name = f"v{self.count}"
        self.lines.append(f"{name} = {expression}")
        self.names[at] = name
        return name

    def value(self, at: int) -> str:
        """Return the expression of a node; lists and regions have names."""
        if at in self.names:
            return self.names[at]
        node = self.nodes[at]
        name, inputs = _name(node), node["inputs"]
        if name == "scene" or name.startswith("filter_"):
            return self.filtered(at)
        if name == "unique":
            return self.bound(at, f"{self.value(inputs[0])}[0]")
        if name == "relate":
            test = SIDES[node["value_inputs"][0]].format(x=self.value(inputs[0]))
            return self.bound(at, f'[p for p in image_patch.find("object") if {test}]')
        if name in ("union", "intersect"):
            a, b = (self.value(i) for i in inputs)
            kept = f"[p for p in {a} if p in {b}]" if name == "intersect" else f"{a} + [p for p in {b} if p not in {a}]"
            return self.bound(at, kept)
        if name == "count":
            return f"len({self.value(inputs[0])})"
        if name == "exist":
            return f"bool_to_yesno(len({self.value(inputs[0])}) > 0)"
        if name.startswith("query_"):
            return f'{self.value(inputs[0])}.simple_query("What {name.removeprefix("query_")} is it?")'
        if name.startswith("same_"):
            x, attribute = self.value(inputs[0]), name.removeprefix("same_")
            self.lines.append(f'said = {x}.simple_query("What {attribute} is it?")')
            test = f'p != {x} and p.simple_query("What {attribute} is it?") == said'
            return self.bound(at, f'[p for p in image_patch.find("object") if {test}]')
        op = {"equal_integer": "==", "less_than": "<", "greater_than": ">"}.get(name, "==")
        a, b = (self.value(i) for i in inputs)
        return f"bool_to_yesno({a} {op} {b})"

    def filtered(self, at: int) -> str:
        """Return the list of a chain of filters: found by a noun phrase, or kept from another list."""
        words: list[tuple[int, str]] = []
        start = at
        while _name(self.nodes[start]).startswith("filter_"):
            attribute = _name(self.nodes[start]).removeprefix("filter_")
            words.append((ORDER[attribute], self.nodes[start]["value_inputs"][0]))
            (start,) = self.nodes[start]["inputs"]
        said = [word for _, word in sorted(words)]
        if _name(self.nodes[start]) == "scene":
            noun = " ".join(said if any(k == 3 for k, _ in words) else [*said, "object"])
            return self.bound(at, f'image_patch.find("{noun}")')
        tests = " and ".join(f'p.verify_property("object", "{w}")' for w in said)
        return self.bound(at, f"[p for p in {self.value(start)} if {tests}]")
