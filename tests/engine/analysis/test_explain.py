"""``explain`` shows every stage, the order, the sizes, and why a formula runs dense; it asks no oracle."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsl.errors import ProgramError
from dsl.rewrites import STAGES
from neptune.algebra import LogicParameters
from neptune.cli import main
from neptune.engine import Engine
from neptune.scene import Scene
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

ROOT = Path(__file__).resolve().parents[3]
CHAIN = "exists(Object, lambda x: exists(Object, lambda y: exists(Object, lambda z: {})))"
PATH = CHAIN.format("red(x) and left(x, y) and left(y, z)")


class Forbidden:
    """An oracle that must not be asked."""

    name = "forbidden"

    def score(self, requests: list[ScoreRequest]) -> list[Scores]:
        raise AssertionError("the oracle was asked")

    def query(self, requests: list[QueryRequest]) -> list[list[str | None]]:
        raise AssertionError("the oracle was asked")


def test_every_stage_is_named_with_its_law() -> None:
    explanation = Engine(oracle=Forbidden()).explain(PATH, 20)
    (part,) = explanation.parts
    assert [s.name for s in part.stages] == ["guards", *(s.name for s in STAGES)]
    assert all(stage.law in str(explanation) for stage in STAGES)
    assert (part.width, part.peak_cells, part.dense_cells) == (2, 400, 8000)
    assert part.oracle_cells == 20 + 20 * 19
    (only,) = part.order  # left(x, y) and left(y, z) meet in one product over y
    assert len(only.reduced) == 3
    longer = PATH.replace("left(y, z)", "left(y, z) and exists(Object, lambda w: left(z, w))")
    assert [len(r.reduced) for r in Engine(oracle=Forbidden()).explain(longer, 20).parts[0].order] == [1, 1, 1, 1]
    assert part.dense == ""


def test_the_scene_gives_the_number_of_objects() -> None:
    assert Engine(oracle=Forbidden()).explain(PATH, Scene.synthetic(7, seed=0)).n_objects == 7


def test_a_law_that_does_not_hold_is_named() -> None:
    text = str(Engine(oracle=Forbidden(), parameters=LogicParameters(quantifier_tau=0.5)).explain(PATH))
    assert "runs dense because soft quantifiers do not distribute over the connectives" in text
    assert "width 3" in text
    assert "runs dense" not in str(Engine(oracle=Forbidden()).explain(PATH))
    assert "planner is 'naive'" in str(Engine(oracle=Forbidden(), planner="naive").explain(PATH))


def test_distinct_variables_are_marked_as_searched() -> None:
    program = CHAIN.format("distinct(x, y, z) and red(x) and red(y) and red(z)")
    explanation = Engine(oracle=Forbidden()).explain(program, 80)
    assert explanation.parts[0].order[-1].searched
    assert explanation.parts[0].peak_cells < 80**3
    assert "relaxed, checked, branched" in str(explanation)


def test_a_choice_of_an_object_is_explained_first() -> None:
    explanation = Engine(oracle=Forbidden()).explain(
        "describe(Color, point(Object, lambda x: cube(x) and exists(Object, lambda y: left(x, y))))"
    )
    assert [p.what for p in explanation.parts] == ["object 0, chosen first", "a value"]


def test_an_explanation_ends_at_a_branch_and_says_so() -> None:
    program = "if exists(Object, lambda x: red(x)):\n    return count(Object, lambda x: cube(x))\nreturn 0"
    explanation = Engine(oracle=Forbidden()).explain(program)
    assert len(explanation.parts) == 1
    assert "at line 1: what follows depends on the answer" in explanation.notes[-1]


def test_plain_values_and_wrong_programs() -> None:
    engine = Engine(oracle=Forbidden())
    assert engine.explain("1 + 1").parts == ()
    with pytest.raises(ProgramError):
        engine.explain("exists(Object, lambda x: red(x")


def test_the_command_line_explains_without_a_picture(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = ["--config", "configs/ask.json", "--explain", "true", "--program"]
    assert main([*words, PATH]) == 0
    assert "eliminate variables" in capsys.readouterr().out
    image = "examples/clevr/images/" + sorted(p.name for p in Path("examples/clevr/images").iterdir())[0]
    assert main([*words, "exists(Object, lambda x: red(x))", "--image", image]) == 0
    assert "objects" in capsys.readouterr().out.splitlines()[0]
    assert main([*words, "exists(Object, lambda x: red("]) == 2
