"""CLEVR's official functional programs, translated to the language (dialect B).

A functional program is a list of nodes, each applying one function to the results of earlier nodes; the last
node is the answer (Johnson et al. 2017). A set of objects becomes a condition on one variable, ``unique`` a
description (``iota``), and the last function the quantifier around it::

    scene, filter_color[red], unique, relate[left], filter_shape[cube], count
    count(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: red(y))))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from typing import Any

from neptune.errors import DatasetError, did_you_mean, one_of
from neptune.scene import ATTRIBUTES, RELATIONS

MAX_NODES = 256
"""Longest functional program that is translated; CLEVR's longest has 25 nodes."""

MAX_VISITS = 4096
"""Most node visits: a node that is used twice is written twice, so sharing could grow without end."""

SORTS = {"size": "Size", "color": "Color", "material": "Material", "shape": "Shape"}
"""Attribute → the sort of its values in the language."""

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives: kinds are objects, object, number, truth, or an attribute's name.

    `values` are the words that its one side input may be; empty where it has none.
    """

    inputs: tuple[str, ...]
    output: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One checked node: its function, the indices of its inputs, and its side input (``""`` where none)."""

    function: str
    inputs: tuple[int, ...]
    value: str


FUNCTIONS: dict[str, Signature] = {
    "scene": Signature((), "objects"),
    "unique": Signature(("objects",), "object"),
    "relate": Signature(("object",), "objects", RELATIONS),
    "union": Signature(("objects", "objects"), "objects"),
    "intersect": Signature(("objects", "objects"), "objects"),
    "count": Signature(("objects",), "number"),
    "exist": Signature(("objects",), "truth"),
    "equal_integer": Signature(("number", "number"), "truth"),
    "less_than": Signature(("number", "number"), "truth"),
    "greater_than": Signature(("number", "number"), "truth"),
    "equal_object": Signature(("object", "object"), "truth"),
}
for _name, _values in ATTRIBUTES.items():
    FUNCTIONS[f"filter_{_name}"] = Signature(("objects",), "objects", _values)
    FUNCTIONS[f"query_{_name}"] = Signature(("object",), _name)
    FUNCTIONS[f"same_{_name}"] = Signature(("object",), "objects")
    FUNCTIONS[f"equal_{_name}"] = Signature((_name, _name), "truth")


def translate(program: Any, where: str = "") -> str:
    """Translate a functional program to dialect B.

    Parameters
    ----------
    program
        CLEVR's ``program``: a list of ``{"function", "inputs", "value_inputs"}`` (the older keys ``type`` and
        ``side_inputs`` are read too).
    where
        The sample, for errors.

    Raises
    ------
    DatasetError
        If the program is empty or too long, a function or value is unknown, a function has the wrong number
        or kind of inputs, a node refers to itself or a later one, or the last node answers nothing.
    """
    nodes = check(program, where)
    return _Writer(nodes, where).answer(len(nodes) - 1)


def check(program: Any, where: str = "") -> list[Node]:
    """Read and check a functional program; the nodes in order. Errors as for :func:`translate`."""
    if not isinstance(program, list) or not program:
        raise DatasetError(
            "The question has no functional program", where=where, expected="a list of nodes under 'program'"
        )
    if len(program) > MAX_NODES:
        raise DatasetError(
            f"The functional program has {len(program)} nodes", where=where, expected=f"at most {MAX_NODES}"
        )
    nodes: list[Node] = []
    for index, record in enumerate(program):
        nodes.append(_node(record, index, nodes, f"{where}, node {index}" if where else f"node {index}"))
    last = nodes[-1].function
    if FUNCTIONS[last].output in ("objects", "object"):
        raise DatasetError(
            f"The functional program ends in '{last}', which answers nothing",
            where=where,
            expected="a last node that counts, compares, queries or tests",
        )
    return nodes


def _node(record: Any, index: int, earlier: Sequence[Node], where: str) -> Node:
    """Check node `index` against the nodes before it."""
    if not isinstance(record, Mapping):
        raise DatasetError("The node is no object", where=where, expected='{"function": …, "inputs": […]}')
    function = record.get("function", record.get("type"))
    signature = FUNCTIONS.get(function) if isinstance(function, str) else None
    if signature is None or not isinstance(function, str):
        raise DatasetError(
            f"Unknown function {function!r}",
            where=where,
            expected="one of CLEVR's functions",
            hint=did_you_mean(str(function), FUNCTIONS),
        )
    inputs = record.get("inputs", [])
    if not isinstance(inputs, list) or len(inputs) != len(signature.inputs):
        raise DatasetError(
            f"'{function}' has inputs {inputs!r}", where=where, expected=f"a list of {len(signature.inputs)}"
        )
    for position, kind in zip(inputs, signature.inputs, strict=True):
        # `bool` is an `int` in Python; a forward reference is also the only way to make a cycle.
        if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < index:
            raise DatasetError(
                f"'{function}' refers to node {position!r}", where=where, expected="the index of an earlier node"
            )
        given = FUNCTIONS[earlier[position].function].output
        if given != kind:
            raise DatasetError(
                f"'{function}' is given {given} by node {position} ('{earlier[position].function}')",
                where=where,
                expected=kind,
            )
    return Node(function, tuple(inputs), _side_input(record, function, signature, where))


def _side_input(record: Mapping[str, Any], function: str, signature: Signature, where: str) -> str:
    """Return the one side input of a node, or ``""`` for a function without."""
    given = record.get("value_inputs", record.get("side_inputs", [])) or []
    wanted = 1 if signature.values else 0
    if not isinstance(given, list) or len(given) != wanted:
        raise DatasetError(f"'{function}' has value_inputs {given!r}", where=where, expected=f"a list of {wanted}")
    if not wanted:
        return ""
    if given[0] not in signature.values:
        raise DatasetError(
            f"'{function}' has the unknown value {given[0]!r}", where=where, **one_of(str(given[0]), signature.values)
        )
    return str(given[0])


@dataclass(frozen=True, slots=True)
class _Conjunct:
    """A part of a condition: its text, whether it is about one object only, what joins its own parts."""

    text: str
    plain: bool = False
    joined: str = ""

    def inside(self, joined: str) -> str:
        """Return the text to be joined to others by `joined`: in brackets where it needs them."""
        return self.text if self.joined in ("", joined) else f"({self.text})"


class _Writer:
    """Writes checked nodes as text; names its variables x, y, z, … in the order a reader meets them."""

    def __init__(self, nodes: Sequence[Node], where: str) -> None:
        self.nodes, self.where = nodes, where
        self.names = _names()
        self.visits = 0

    def answer(self, index: int) -> str:
        """Write a node that gives a value."""
        node = self._visit(index)
        function = node.function
        if function in ("exist", "count"):
            return self._over("exists" if function == "exist" else "count", node.inputs[0])
        if function.startswith("query_"):
            return f"describe({SORTS[function.removeprefix('query_')]}, {self._description(node.inputs[0])})"
        if function in ("equal_integer", "less_than", "greater_than"):
            first, second = (self.answer(i) for i in node.inputs)
            return f"{'equal' if function == 'equal_integer' else function}({first}, {second})"
        # equal_color of two query_color is a question about the two objects: their queries are not written.
        owners = node.inputs if function == "equal_object" else [self.nodes[i].inputs[0] for i in node.inputs]
        first, second = (self._description(i) for i in owners)
        return f"{function.replace('equal_', 'same_')}({first}, {second})"

    def _description(self, index: int) -> str:
        """Write a ``unique`` node."""
        return self._over("iota", self._visit(index).inputs[0])

    def _over(self, quantifier: str, index: int) -> str:
        variable = next(self.names)
        return f"{quantifier}(Object, lambda {variable}: {self._condition(index, variable).text})"

    def _condition(self, index: int, variable: str) -> _Conjunct:
        """Write a set of objects as one condition on `variable`."""
        parts = self._conjuncts(index, variable)
        if not parts:
            return _Conjunct(f"object({variable})", plain=True)
        if len(parts) == 1:
            return parts[0]
        # What is said of the object alone comes first, as in the questions: "red cube left of …".
        ordered = sorted(parts, key=lambda part: not part.plain)
        return _Conjunct(" and ".join(part.inside("and") for part in ordered), joined="and")

    def _conjuncts(self, index: int, variable: str) -> list[_Conjunct]:
        node = self._visit(index)
        function = node.function
        if function == "scene":
            return []
        if function.startswith("filter_"):
            return [*self._conjuncts(node.inputs[0], variable), _Conjunct(f"{node.value}({variable})", plain=True)]
        if function == "intersect":
            return [part for i in node.inputs for part in self._conjuncts(i, variable)]
        if function == "union":
            sides = [self._condition(i, variable) for i in node.inputs]
            return [_Conjunct(" or ".join(side.inside("or") for side in sides), joined="or")]
        relation = node.value if function == "relate" else function
        return [_Conjunct(f"{relation}({variable}, {self._description(node.inputs[0])})")]

    def _visit(self, index: int) -> Node:
        self.visits += 1
        if self.visits > MAX_VISITS:
            raise DatasetError(
                f"The functional program visits more than {MAX_VISITS} nodes, because nodes are shared",
                where=self.where,
                expected="a program as CLEVR's generator makes it",
            )
        return self.nodes[index]


def _names() -> Iterator[str]:
    """Yield x, y, z, w, v, u, then x2, x3, …"""
    yield from "xyzwvu"
    yield from (f"x{i}" for i in count_from(2))


def family(program: Any) -> str:
    """Name the family of a functional program by its last function: ``"count"``, ``"query color"``, …

    ``"other"`` where the program is missing or unknown. Never raises.
    """
    last = _functions(program)[-1:]
    name = last[0] if last else ""
    special = {
        "count": "count",
        "exist": "exist",
        "equal_integer": "compare integer: equal",
        "less_than": "compare integer: less",
        "greater_than": "compare integer: more",
        "equal_object": "compare object",
    }
    if name in special:
        return special[name]
    verb, _, attribute = name.partition("_")
    if attribute in ATTRIBUTES and verb in ("query", "equal"):
        return f"{'query' if verb == 'query' else 'compare'} {attribute}"
    return "other"


def template(program: Any) -> str:
    """Name the official template file that a program was made from: ``"zero hop"`` … ``"comparison"``.

    Told from the functions used, because ``question_family_index`` counts from 0 within each file in some
    releases and over all of them in others. Never raises.
    """
    functions = _functions(program)
    kind = family(program)
    if kind == "other":
        return "other"
    if kind.startswith("compare integer"):
        return "compare integer"
    if kind.startswith("compare"):
        return "comparison"
    if any(name.startswith("same_") for name in functions):
        return "same relate"
    if "union" in functions:
        return "single or"
    if "intersect" in functions:
        return "single and"
    hops = functions.count("relate")
    return f"{('zero', 'one', 'two', 'three')[hops]} hop" if hops <= 3 else f"{hops} hops"


def _functions(program: Any) -> list[str]:
    if not isinstance(program, list):
        return []
    return [str(n.get("function", n.get("type", ""))) for n in program if isinstance(n, Mapping)]
