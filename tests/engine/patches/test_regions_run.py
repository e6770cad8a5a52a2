"""Programs over regions run: Python's results, with what is decided, asked, recorded and read in another way."""

from __future__ import annotations

import pytest
from helpers.four_objects import scene

import dsl
from neptune.engine import Engine
from neptune.errors import ConfigError, NeptuneError
from neptune.scene import Scene

# Four objects, from left to right: 0 large red metal cube, 1 small red rubber ball, 2 small blue rubber cube, 3 large
# green metal ball.


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="scene", schedule="lazy")


def run(engine: Engine, body: str, made: Scene | None = None, **inputs: object):
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    program = f"def execute_command(image):\n    image_patch = ImagePatch(image)\n{lines}\n"
    return engine.run(program, scene() if made is None else made, inputs=inputs or None)


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        ('return len(image_patch.find("cube"))', "number", 2),
        ('return len(image_patch.find("red things"))', "number", 2),
        ('return len(image_patch.find("small red rubber ball"))', "number", 1),
        ('return len(image_patch.find("objects")) // 2', "number", 2),
        ('return image_patch.exists("blue ball")', "truth", False),
        ('return not image_patch.exists("blue ball") and image_patch.exists("ball")', "truth", True),
        ('return bool_to_yesno(image_patch.exists("blue cube"))', "text", "yes"),
        ('return image_patch.find("blue cube")[0]', "object", 2),
        ('return image_patch.find("blue cube")[0].verify_property("cube", "rubber")', "truth", True),
        ('return image_patch.verify_property("blue cube", "metal")', "truth", False),
        ('return image_patch.find("blue cube")[0].best_text_match(["metal", "rubber"])', "text", "rubber"),
        ('return image_patch.find("blue cube")[0].simple_query("What color is the cube?")', "text", "blue"),
        ('return image_patch.find("blue cube")[0].simple_query("Is it rubber?") == "yes"', "truth", True),
        ('return image_patch.find("blue cube")[0].simple_query("Is it rubber?") == "no"', "truth", False),
        ('return "it is " + image_patch.find("blue cube")[0].simple_query("Is it rubber?")', "text", "it is yes"),
        ('x = image_patch.find("blue cube")[0].simple_query("Is it red?")\nreturn x.upper()', "text", "NO"),
        ('return best_image_match(image_patch.find("cube"), "blue")', "object", 2),
        ('return best_image_match(image_patch.find("cube"), ["blue", "small"])', "object", 2),
        ('return best_image_match(image_patch.find("cube"), ["blue"], return_index=True)', "number", 1),
        ('xs = image_patch.find("object")\nxs.sort(key=lambda p: p.horizontal_center)\nreturn xs[-1]', "object", 3),
        ('return min(image_patch.find("ball"), key=lambda p: -p.left)', "object", 3),
        ('return sorted(image_patch.find("ball"), key=lambda p: p.left, reverse=True)[0]', "object", 3),
        ('return [p for p in image_patch.find("object") if p.verify_property("object", "red")]', "objects", [0, 1]),
        ('return len([p for p in image_patch.find("object") if p.exists("red ball")])', "number", 1),
        ('return any(p.verify_property("cube", "blue") for p in image_patch.find("cube"))', "truth", True),
        ('return all(p.verify_property("cube", "blue") for p in image_patch.find("cube"))', "truth", False),
        ('return sum(1 for p in image_patch.find("object") if p.verify_property("object", "metal"))', "number", 2),
        ('return "{} of {:.1f}".format(len(image_patch.find("cube")), 4)', "text", "2 of 4.0"),
        ("import math\nimport numpy as np\nreturn np.median([3, 1, 2]) + math.floor(1.5)", "number", 3),
        ('return [i for i, p in enumerate(image_patch.find("ball"))]', "list", [0, 1]),
        ('a = set(image_patch.find("red thing")) - set(image_patch.find("cube"))\nreturn len(a)', "number", 1),
        ('xs = image_patch.find("cube")\nxs.remove(xs[0])\nreturn len(xs)', "number", 1),
        ("for p in []:\n    pass\nelse:\n    return 7", "number", 7),
        ('return coerce_to_numeric("about 1,200 dogs")', "number", 1200),
        ("return distance(3, 5)", "number", 2),
        ("return image.width", "number", 480),
    ],
)
def test_results_are_those_of_python(engine: Engine, body: str, kind: str, value: object) -> None:
    answer = run(engine, body)
    assert (answer.kind, answer.value) == (kind, value)
    assert not answer.abstained


LOOPS = [
    (
        """
for p in image_patch.find("cube"):
    if p.verify_property("cube", "blue"):
        return "yes"
return "no"
""",
        "yes",
        "there is one",
    ),
    (
        """
for p in image_patch.find("cube"):
    if p.verify_property("cube", "green"):
        return False
return True
""",
        True,
        "there is one",
    ),
    (
        """
n = 0
for p in image_patch.find("object"):
    if p.verify_property("object", "red"):
        n += 1
return n
""",
        2,
        "a count",
    ),
    (
        """
hit = False
for p in image_patch.find("ball"):
    if p.verify_property("ball", "red"):
        hit = True
        break
return hit
""",
        True,
        "there is one",
    ),
    (
        """
for p in image_patch.find("cube"):
    for q in image_patch.find("ball"):
        if p.verify_property("cube", "blue") and q.verify_property("ball", "red"):
            return "yes"
return "no"
""",
        "yes",
        "there is one",
    ),
]


@pytest.mark.parametrize(("body", "value", "says"), LOOPS)
def test_loops_that_ask_or_count_are_one_question(engine: Engine, body: str, value: object, says: str) -> None:
    answer = run(engine, body)
    assert answer.value == value
    assert any(says in note for note in answer.notes)
    plain = Engine(oracle="scene", logic="product", schedule="lazy")  # reads no loop so: the value is the same
    other = run(plain, body)
    assert other.value == value
    assert not any(says in note for note in other.notes)


def test_a_loop_that_needs_answers_runs_as_written(engine: Engine) -> None:
    test = 'if p.simple_query("What color is it?") == "blue":'
    body = f'for p in image_patch.find("cube"):\n    {test}\n        return "b"\nreturn "-"'
    answer = run(engine, body)
    assert answer.value == "b"
    assert not any("was read as" in note for note in answer.notes)


def test_what_guards_an_element_is_decided_before_it(engine: Engine) -> None:
    body = (
        'xs = image_patch.find("purple thing")\nreturn bool_to_yesno(len(xs) > 0 and xs[0].verify_property("x", "red"))'
    )
    answer = run(engine, body)
    assert answer.value == "no"
    assert not answer.presuppositions


@pytest.mark.parametrize(
    "body",
    [
        'return image_patch.find("purple thing")[0].simple_query("What color is it?")',
        'return best_image_match(image_patch.find("purple thing"), "red").horizontal_center',
        'return max(image_patch.find("purple thing"), key=lambda p: p.width).width',
        "return image_patch.crop(600, 10, 700, 20).width",
        "return ImagePatch(image, 10, 10, 10, 20).width",
        "return None",
    ],
)
def test_what_is_not_there_is_recorded(body: str) -> None:
    stands_in = run(Engine(oracle="random", vocabulary=None), body.replace("purple thing", "zzz"), _empty())
    assert stands_in.presuppositions
    assert not stands_in.abstained
    without = run(Engine(oracle="random", vocabulary=None, missing_region="abstain"), body, _empty())
    assert without.abstained
    assert without.why == "presupposition"
    assert without.presuppositions


def _empty() -> Scene:
    return Scene.synthetic(0)


def test_y_runs_up_inside_and_down_outside(engine: Engine) -> None:
    made = scene()
    x0, y0, x1, y1 = made.boxes[2].tolist()
    height = made.size[1]
    found = run(engine, 'p = image_patch.find("blue cube")[0]\nreturn [p.left, p.lower, p.right, p.upper]')
    assert found.value == pytest.approx([x0, height - y1, x1, height - y0])
    cut = run(engine, "return ImagePatch(image, 100, 50, 200, 80)")
    assert (cut.kind, cut.value) == ("region", [100, height - 80, 200, height - 50])
    assert cut.regions == ((100, height - 80, 200, height - 50),)
    crop = run(engine, "return ImagePatch(image, 100, 50, 300, 250).crop(20.7, 30, 60, 70)")
    assert crop.value == [110, height - 130, 170, height - 70]  # whole pixels, ten more on each side
    inner = run(engine, "return ImagePatch(image, 100, 50, 300, 250).crop(0, 0, 200, 200)")
    assert inner.value == [100, height - 250, 300, height - 50]  # never beyond the region


def test_a_region_is_asked_as_one_box_of_its_own() -> None:
    engine = Engine(oracle="scene")
    made = scene()
    x0, y0, x1, y1 = made.boxes[2].tolist()
    body = f"p = ImagePatch(image, {x0}, {made.size[1] - y1}, {x1}, {made.size[1] - y0})\n"
    # the box of object 2: annotated oracles know by its place what it shows
    assert run(engine, body + 'return p.best_text_match(["red", "blue"])').value == "blue"
    assert run(engine, body + 'return p.simple_query("Is it blue?")').value is True
    assert run(engine, body + 'return len(p.find("cube"))').value == 1


def test_the_same_calls_are_asked_once_and_no_more_than_needed() -> None:
    made = Scene.synthetic(40, seed=3)
    lazily = Engine(oracle="scene", schedule="lazy")
    eagerly = Engine(oracle="scene", schedule="all")
    ask = 'xs[0].simple_query("What color is it?")'
    body = f'xs = image_patch.find("cube")\nif len(xs) == 0:\n    return "-"\nreturn {ask}'
    few, all_ = run(lazily, body, made), run(eagerly, body, made)
    assert few.value == all_.value
    assert few.usage.oracle_calls * 2 < all_.usage.oracle_calls
    assert run(lazily, body, made).usage.oracle_calls == 0


def test_answers_say_where_they_came_from(engine: Engine) -> None:
    body = (
        'cubes = image_patch.find("blue cube")\nfirst = cubes[0]\nn = 3\nreturn first.simple_query("What color is it?")'
    )
    answer = run(engine, body)
    box = tuple(scene().boxes[2].tolist())
    assert answer.regions == (pytest.approx(box),)
    assert [v.name for v in answer.variables] == ["image_patch", "cubes", "first", "n"]
    assert answer.variables[2].boxes == (pytest.approx(box),)
    assert answer.variables[2].value.startswith("object 2 (left")
    assert answer.variables[3].value == "3"
    assert answer.to_dict()["variables"][2]["line"] == 4


def test_a_task_gives_its_inputs(engine: Engine) -> None:
    program = "def execute_command(image, possible_answers, query):\n    return query + possible_answers[1]"
    answer = engine.run(program, scene(), inputs={"query": "Which? ", "possible_answers": ["a", "b"]})
    assert answer.value == "Which? b"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('return image_patch.find("cube")[0].compute_depth()', "depth"),
        ('return image_patch.llm_query("who?")', "knowledge_model_name"),
        ("return VideoSegment(video)", "film"),
        ('x = "a"\nfor i in [1]:\n    x = [i]\nreturn x[0].find("cube")', "find"),
        ("return best_image_match([1, 2], 'x')", "region"),
        ("p = image_patch\nfor i in range(20000):\n    p = ImagePatch(image, 0, 0, 100 + i, 100)\nreturn p", "limit"),
    ],
)
def test_bad_input_ends_in_an_error_that_says_why(engine: Engine, body: str, says: str) -> None:
    with pytest.raises((dsl.ProgramError, NeptuneError)) as error:
        run(engine, body)
    assert says in str(error.value)


def test_options_are_checked() -> None:
    for wrong in ({"missing_region": "all"}, {"dialect": "python"}):
        with pytest.raises(ConfigError):
            Engine(oracle="scene", **wrong)
