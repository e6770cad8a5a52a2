"""The translation of functional programs, and that the programs themselves mean what the dataset says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neptune import tasks
from neptune.errors import DatasetError
from neptune.scene import ATTRIBUTES, Annotation
from neptune.tasks.clevr.clevr import functional

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "clevr"


def run(program: list[dict[str, Any]], truth: Annotation) -> Any:
    """Run a functional program on sets of objects: slow, obvious, and independent of the translation."""
    results: list[Any] = []
    for node in program:
        name, inputs = node["function"], [results[i] for i in node["inputs"]]
        value = node["value_inputs"][0] if node["value_inputs"] else None
        verb, _, attribute = name.partition("_")
        everything = set(range(len(truth)))
        if name == "scene":
            result: Any = everything
        elif name == "unique":
            assert len(inputs[0]) == 1
            (result,) = inputs[0]
        elif name == "relate":
            result = {o for o in everything if truth.relations[str(value)][o, inputs[0]]}
        elif name == "union":
            result = inputs[0] | inputs[1]
        elif name == "intersect":
            result = inputs[0] & inputs[1]
        elif name == "count":
            result = len(inputs[0])
        elif name == "exist":
            result = bool(inputs[0])
        elif name == "less_than":
            result = inputs[0] < inputs[1]
        elif name == "greater_than":
            result = inputs[0] > inputs[1]
        elif verb == "equal":
            result = inputs[0] == inputs[1]
        elif verb == "filter":
            result = {o for o in inputs[0] if truth.attributes[attribute][o] == value}
        elif verb == "query":
            result = truth.attributes[attribute][inputs[0]]
        else:
            assert verb == "same"
            own = truth.attributes[attribute][inputs[0]]
            result = {o for o in everything if o != inputs[0] and truth.attributes[attribute][o] == own}
        results.append(result)
    return {True: "yes", False: "no"}[results[-1]] if isinstance(results[-1], bool) else str(results[-1])


def nodes(*steps: str) -> list[dict[str, Any]]:
    """Write a program shortly: ``"relate[left] 2"`` is relate with the value left, on node 2."""
    program = []
    for step in steps:
        head, *inputs = step.split()
        name, _, value = head.rstrip("]").partition("[")
        program.append({"function": name, "inputs": [int(i) for i in inputs], "value_inputs": [value] if value else []})
    return program


def test_the_programs_give_the_datasets_answers() -> None:
    task = tasks.load("clevr", EXAMPLES)
    for index, sample in enumerate(task.samples):
        assert run(task.records[index]["program"], sample.truth()) == sample.expected, sample.id  # type: ignore[attr-defined]


RED_CUBE = "red(y) and cube(y)"

CASES = {
    "exists(Object, lambda x: object(x))": nodes("scene", "exist 0"),
    "count(Object, lambda x: small(x) and red(x) and metal(x) and cube(x))": nodes(
        "scene", "filter_size[small] 0", "filter_color[red] 1", "filter_material[metal] 2",
        "filter_shape[cube] 3", "count 4",
    ),
    "describe(Color, iota(Object, lambda x: cube(x)))": nodes(
        "scene", "filter_shape[cube] 0", "unique 1", "query_color 2"
    ),
    "describe(Size, iota(Object, lambda x: object(x)))": nodes("scene", "unique 0", "query_size 1"),
    "describe(Material, iota(Object, lambda x: object(x)))": nodes("scene", "unique 0", "query_material 1"),
    "describe(Shape, iota(Object, lambda x: object(x)))": nodes("scene", "unique 0", "query_shape 1"),
    # The adjective comes first, though the functional program relates before it filters.
    f"count(Object, lambda x: metal(x) and left(x, iota(Object, lambda y: {RED_CUBE})))": nodes(
        "scene", "filter_color[red] 0", "filter_shape[cube] 1", "unique 2", "relate[left] 3",
        "filter_material[metal] 4", "count 5",
    ),
    "exists(Object, lambda x: same_shape(x, iota(Object, lambda y: large(y))))": nodes(
        "scene", "filter_size[large] 0", "unique 1", "same_shape 2", "exist 3"
    ),
    "count(Object, lambda x: red(x) or (small(x) and cube(x)))": nodes(
        "scene", "filter_color[red] 0", "scene", "filter_size[small] 2", "filter_shape[cube] 3", "union 1 4",
        "count 5",
    ),
    "count(Object, lambda x: metal(x) and (red(x) or blue(x)))": nodes(
        "scene", "filter_color[red] 0", "filter_color[blue] 0", "union 1 2", "filter_material[metal] 3",
        "count 4",
    ),
    "count(Object, lambda x: red(x) or blue(x) or object(x))": nodes(
        "scene", "filter_color[red] 0", "filter_color[blue] 0", "union 1 2", "union 3 0", "count 4"
    ),
    "exists(Object, lambda x: cube(x) and front(x, iota(Object, lambda y: red(y))) and "
    "behind(x, iota(Object, lambda z: blue(z))))": nodes(
        "scene", "filter_color[red] 0", "unique 1", "relate[front] 2", "filter_color[blue] 0", "unique 4",
        "relate[behind] 5", "intersect 3 6", "filter_shape[cube] 7", "exist 8",
    ),
    "count(Object, lambda x: right(x, iota(Object, lambda y: red(y))) or "
    "left(x, iota(Object, lambda z: red(z) and cube(z))))": nodes(
        "scene", "filter_color[red] 0", "unique 1", "relate[right] 2", "filter_shape[cube] 1", "unique 4",
        "relate[left] 5", "union 3 6", "count 7",
    ),
    "same_object(iota(Object, lambda x: red(x)), iota(Object, lambda y: cube(y)))": nodes(
        "scene", "filter_color[red] 0", "unique 1", "filter_shape[cube] 0", "unique 3", "equal_object 2 4"
    ),
}  # fmt: skip
for _attribute in ATTRIBUTES:
    CASES[f"same_{_attribute}(iota(Object, lambda x: red(x)), iota(Object, lambda y: cube(y)))"] = nodes(
        "scene", "filter_color[red] 0", "unique 1", f"query_{_attribute} 2", "filter_shape[cube] 0",
        "unique 4", f"query_{_attribute} 5", f"equal_{_attribute} 3 6",
    )  # fmt: skip
    CASES[f"exists(Object, lambda x: same_{_attribute}(x, iota(Object, lambda y: object(y))))"] = nodes(
        "scene", "unique 0", f"same_{_attribute} 1", "exist 2"
    )
for _theirs, _ours in {"equal_integer": "equal", "less_than": "less_than", "greater_than": "greater_than"}.items():
    CASES[f"{_ours}(count(Object, lambda x: red(x)), count(Object, lambda y: object(y)))"] = nodes(
        "scene", "filter_color[red] 0", "count 1", "count 0", f"{_theirs} 2 3"
    )


@pytest.mark.parametrize("text", CASES)
def test_each_function_is_translated(text: str) -> None:
    assert functional.translate(CASES[text]) == text


def test_every_function_is_covered() -> None:
    used = {node["function"] for program in CASES.values() for node in program}
    assert used == set(functional.FUNCTIONS)


def test_the_older_keys_are_read() -> None:
    old = [
        {"type": "scene", "inputs": []},
        {"type": "filter_color", "inputs": [0], "side_inputs": ["red"]},
        {"type": "count", "inputs": [1], "side_inputs": []},
    ]
    assert functional.translate(old) == "count(Object, lambda x: red(x))"
    assert functional.family(old) == "count"


def test_variables_are_fresh() -> None:
    steps = ["scene"]
    for i in range(9):
        steps += [f"unique {2 * i}", f"relate[left] {2 * i + 1}"]
    text = functional.translate(nodes(*steps, "exist 18"))
    names = [part.split(":")[0] for part in text.split("lambda ")[1:]]
    assert names == ["x", "y", "z", "w", "v", "u", "x2", "x3", "x4", "x5"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (None, "no functional program"),
        ([], "no functional program"),
        ("count", "no functional program"),
        ([3], "node is no object"),
        (nodes("scene", "filter_colour[red] 0"), "did you mean 'filter_color'"),
        ([{"function": ["scene"], "inputs": []}], "Unknown function"),
        (nodes("scene", "filter_color[redd] 0"), "did you mean 'red'"),
        (nodes("scene", "filter_color 0"), "has value_inputs []"),
        (nodes("scene", "count[3] 0"), "has value_inputs ['3']"),
        (nodes("scene", "count"), "has inputs []"),
        (nodes("scene", "union 0"), "expected a list of 2"),
        (nodes("scene", "count 1"), "refers to node 1"),  # itself: a cycle
        (nodes("scene", "count 2", "scene"), "refers to node 2"),  # later
        (nodes("scene", "count -1"), "refers to node -1"),
        ([*nodes("scene"), {"function": "count", "inputs": [False]}], "refers to node False"),
        (nodes("scene", "query_color 0"), "given objects by node 0 ('scene')"),
        (nodes("scene", "unique 0", "count 1"), "expected objects"),
        (nodes("scene", "unique 0", "query_size 1", "query_color 1", "equal_size 2 3"), "given color by"),
        (nodes("scene", "filter_color[red] 0"), "ends in 'filter_color'"),
        (nodes(*["scene"] * 300), "300 nodes"),
        # Each union uses the one before twice: 2**60 conjuncts, if they were written.
        (nodes("scene", *[f"union {i} {i}" for i in range(60)], "count 60"), "visits more than"),
    ],
)  # fmt: skip
def test_a_bad_program_is_one_line(program: Any, message: str) -> None:
    with pytest.raises(DatasetError) as caught:
        functional.translate(program, "questions.json, record 7")
    assert message in caught.value.one_line()
    assert "record 7" in caught.value.one_line()
    assert "\n" not in caught.value.one_line()


def test_families_and_templates_have_readable_names() -> None:
    last = {name: functional.family([{"function": name}]) for name in functional.FUNCTIONS}
    assert last["query_color"] == "query color"
    assert last["equal_shape"] == "compare shape"
    assert last["less_than"] == "compare integer: less"
    assert last["unique"] == last["filter_size"] == functional.family(None) == "other"
    assert functional.template(CASES["count(Object, lambda x: red(x) or (small(x) and cube(x)))"]) == "single or"
    assert functional.template(nodes("scene", "unique 0", "relate[left] 1", "count 2")) == "one hop"
    assert functional.template([{"function": {}}, None]) == "other"
