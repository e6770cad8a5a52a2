"""Programs that disagree: the smallest scene, or that there is none; classes are never contradicted by other scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dsl
from neptune.engine import Engine
from neptune.engine.analysis.differing import behaviour, difference, run_tests
from neptune.engine.analysis.made_scenes import Varied, clevr_scene, in_words, svg_of
from neptune.errors import ConfigError
from neptune.resources import vocabulary_of

CLEVR = vocabulary_of("clevr")
APART = {
    "one condition more": ("count(Object, lambda x: red(x))", "count(Object, lambda x: red(x) and cube(x))", 1),
    "three or more": ("count(Object, lambda x: red(x)) > 2", "count(Object, lambda x: red(x)) > 3", 3),
    "which side": (
        "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
        "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and right(x, y)))",
        2,
    ),
    "which way in": (
        "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and front(x, y)))",
        "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
        2,
    ),
    "nothing there": ("exists(Object, lambda x: red(x))", "not exists(Object, lambda x: not red(x))", 0),
}
ALIKE = {
    "order": (
        "exists(Object, lambda x: red(x) and cube(x))", "exists(Object, lambda x: cube(x) and red(x))",
    ),
    "converse": (
        "exists(Object, lambda x: red(x) and exists(Object, lambda y: left(x, y)))",
        "exists(Object, lambda x: red(x) and exists(Object, lambda y: right(y, x)))",
    ),
    "De Morgan": ("forall(Object, lambda x: red(x))", "not exists(Object, lambda x: not red(x))"),
    "synonyms": ("count(Object, lambda x: sphere(x))", "count(Object, lambda x: ball(x))"),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_the_smallest_scene_is_found_and_the_programs_differ_on_it(name: str) -> None:
    first, second, objects = APART[name]
    found = difference([first, second], most_objects=3)
    assert found.differ
    assert found.scene is not None
    assert len(found.scene) == objects
    engine = Engine("scene", None, presuppositions="abstain")
    assert engine.run(first, found.scene).value != engine.run(second, found.scene).value
    assert found.classes == ((0,), (1,))
    assert "they differ where there is" in str(found)


@pytest.mark.parametrize("name", ALIKE)
def test_what_is_alike_up_to_a_size_is_never_contradicted_by_other_scenes(name: str) -> None:
    programs = list(ALIKE[name])
    found = difference(programs, most_objects=2)
    assert found.classes == ((0, 1),)
    assert found.exact_up_to == 2
    assert str(found) == "no scene of at most 2 objects tells them apart"
    engine, rng, varied = Engine("scene", None), np.random.default_rng(0), Varied(programs, CLEVR)
    for _ in range(40):
        scene = varied.drawn(int(rng.integers(0, 3)), rng)
        assert len({repr(engine.run(p, scene).value) for p in programs}) == 1


def test_with_too_many_scenes_it_says_none_found_and_never_that_there_is_none() -> None:
    programs = list(ALIKE["converse"])
    found = difference(programs, most_objects=3, budget=10)
    assert found.exact_up_to < 3
    assert found.tried <= 10
    assert str(found).startswith("none found")


def test_several_programs_fall_into_classes() -> None:
    programs = [
        "count(Object, lambda x: red(x)) > 1",
        "count(Object, lambda x: red(x)) >= 2",
        "exists(Object, lambda x: red(x))",
        "not count(Object, lambda x: red(x)) < 2",
    ]
    assert difference(programs, most_objects=2).classes == ((0, 1, 3), (2,))


def test_programs_that_err_alike_are_alike_and_one_that_errs_alone_differs() -> None:
    fine = "count(Object, lambda x: red(x))"
    errs = "1 / 0"
    assert difference([errs, "2 / 0"], most_objects=1).classes == ((0, 1),)
    found = difference([fine, errs], most_objects=1)
    assert found.differ
    assert "error" in found.answers[1]


def test_a_word_that_no_annotation_says_is_no_proof() -> None:
    programs = ["exists(Object, lambda x: wobbly(x))", "exists(Object, lambda x: wobbly(x) and wobbly(x))"]
    found = difference(programs, most_objects=2)
    assert found.exact_up_to < 2
    assert "none found" in str(found)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_all_scenes_of_a_size_are_as_many_as_counted_and_distinct(n: int) -> None:
    for programs in (["count(Object, lambda x: red(x) and cube(x))"], list(ALIKE["converse"]), ["front(x, y) red"]):
        varied = Varied(programs, CLEVR)
        scenes = [scene.name for scene in varied.every(n)]
        assert len(scenes) == len(set(scenes)) == varied.count(n)


def test_of_a_sort_that_is_spoken_of_all_values_are_varied() -> None:
    assert len(Varied(["describe(Color, iota(Object, lambda x: cube(x)))"], CLEVR).values["color"]) == 8
    assert len(Varied(["exists(Object, lambda x: same_color(x, x))"], CLEVR).values["color"]) == 8
    assert Varied(["describe(Shape, iota(Object, lambda x: red(x)))"], CLEVR).values["color"] == ("red", "gray")
    assert len(Varied(["exists(Object, lambda x: teal(x))"], CLEVR).values["color"]) == 2


def test_a_scene_is_told_and_drawn() -> None:
    kind = {"size": "small", "color": "red", "material": "metal", "shape": "cube"}
    scene = clevr_scene([kind, kind | {"color": "blue", "shape": "sphere"}], (1, 0))
    said = in_words(scene)
    assert "object 0: small red metal cube, object 1: small blue metal sphere" in said
    assert said.endswith("from behind to the front object 1, object 0")
    engine = Engine("scene", None)
    assert engine.run("exists(Object, lambda x: red(x) and exists(Object, lambda y: front(x, y)))", scene).value is True
    drawing = svg_of(scene)
    assert drawing.count("<circle") == 1
    assert "<script" not in drawing
    assert in_words(clevr_scene([], ())) == "nothing at all"


def test_what_is_no_question_of_difference_is_refused() -> None:
    with pytest.raises(ConfigError, match="two or more"):
        difference(["1"])
    with pytest.raises(ConfigError):
        difference(["1", "2"], budget=0)
    with pytest.raises(dsl.ProgramError):
        difference(["1", "count("])


BRANCHES = (
    "a = count(Object, lambda x: red(x))\nif a > 1:\n    return True\nelse:\n    return False",
    "if count(Object, lambda x: red(x)) >= 2:\n    return True\nreturn False",
    "if count(Object, lambda x: red(x)) >= 3:\n    return True\nreturn False",
)


def test_programs_that_branch_are_compared_by_what_they_come_to() -> None:
    """They have no plan before they run: their texts differ where their meaning does not."""
    first, second, third = (behaviour(text, CLEVR) for text in BRANCHES)
    assert first == second != third


def test_votes_of_programs_that_branch_are_counted_by_behaviour(tmp_path: Path) -> None:
    from neptune.config import Config
    from neptune.engine.assemble import writer_of

    (tmp_path / "programs.json").write_text("{}", encoding="utf-8")
    writer = writer_of(Config(code_gen_provider="cache", program_cache_address=str(tmp_path / "programs.json")))
    assert writer is not None
    keys = [writer.examine(text) for text in BRANCHES]
    writer.close()
    assert keys[0] == keys[1] != keys[2]


TESTED = "count(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))"


def test_a_program_is_tested_on_made_scenes_without_an_oracle() -> None:
    tests = [
        {"objects": [], "answer": 0},
        {"objects": [{"color": "red"}, {"shape": "cube"}], "answer": 1},
        {"objects": [{"shape": "cube", "color": "blue"}, {"color": "red", "shape": "sphere"}], "answer": 0},
    ]
    assert run_tests(TESTED, tests).failures == ()
    wrong = run_tests(TESTED.replace("left", "right"), tests)
    assert wrong.passed == 1
    assert "test 2" in wrong.failures[0]
    assert "1 is expected, and it says" in wrong.failures[0]
    assert run_tests("exists(Object, lambda x: red(x))", [{"objects": [{"color": "red"}], "answer": 1}]).passed == 0
    nothing = [{"objects": [], "answer": None}]
    assert run_tests("describe(Color, iota(Object, lambda x: cube(x)))", nothing).passed == 1
    deep = [{"objects": [{"color": "red", "depth": 1}, {"shape": "cube", "depth": 0}], "answer": True}]
    assert run_tests("exists(Object, lambda x: red(x) and exists(Object, lambda y: front(x, y)))", deep).passed == 1


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ({"objects": []}, "malformed"),
        ({"objects": {}, "answer": 1}, "malformed"),
        ({"objects": [3], "answer": 1}, "object 0 is no object"),
        ({"objects": [{"color": "pink"}], "answer": 1}, "'color' of object 0 is 'pink'"),
        ({"objects": [{"colour": "red"}], "answer": 1}, "no 'colour'"),
        ({"objects": [{"depth": 5}], "answer": 1}, "'depth' of object 0 is 5"),
        ({"objects": [{"depth": 0}, {"depth": 0}], "answer": 1}, "equally deep"),
    ],
)
def test_a_test_that_is_none_says_what_is_wrong(test: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_tests("1", [test])
