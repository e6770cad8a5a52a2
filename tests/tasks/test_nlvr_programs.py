"""The programs of NLVR's sentences: each is taken by the language in the declared world, and answers what it should."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from helpers import drawings

import dsl
from neptune import tasks
from neptune.cli import main
from neptune.engine import Engine
from neptune.resources import vocabulary_of

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples/nlvr"
PROGRAMS: dict[str, str] = json.loads((ROOT / "programs/nlvr.json").read_text(encoding="utf-8"))


def test_each_of_the_sentences_has_a_program_that_the_language_takes() -> None:
    assert len(PROGRAMS) == 473
    world = vocabulary_of("nlvr")
    for sentence, program in PROGRAMS.items():
        try:
            dsl.check(program, vocabulary=world)
        except dsl.ProgramError as error:  # pragma: no cover - said when a definition is renamed
            pytest.fail(f"{sentence}: {error}")


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    seeing = Engine(oracle="drawings", detector="regions", vocabulary="nlvr")
    return {"scene": Engine(oracle="scene", detector="scene", vocabulary="nlvr"), "drawings": seeing}


@pytest.mark.parametrize("eyes", ["scene", "drawings"])
def test_the_shipped_sample_is_answered_alike_in_all_six_orders(engines: dict[str, Engine], eyes: str) -> None:
    engine, task = engines[eyes], tasks.load("nlvr-pictures", SAMPLE)
    answers: dict[str, set[object]] = {}
    for sample in task.samples:
        scene = engine.scene(sample.picture, sample.truth() if eyes == "scene" else None)
        answer = engine.run(PROGRAMS[sample.question], scene)
        assert task.judge(sample, answer, scene) is True, sample.question
        answers.setdefault(sample.extra["identifier"], set()).add(answer.value)
    assert all(len(given) == 1 for given in answers.values())


@pytest.mark.parametrize("seed", range(6))
def test_seeing_and_knowing_agree_on_made_drawings(engines: dict[str, Engine], tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    record = drawings.record([drawings.box(rng, 4) for _ in range(3)], "1-0", "x", True)
    (sample,) = tasks.load("nlvr", drawings.write(tmp_path, "dev", [record])).samples
    knowing = engines["scene"].scene(sample.picture, sample.truth())
    seeing = engines["drawings"].scene(sample.picture)
    for program in rng.sample(sorted(set(PROGRAMS.values())), 25):
        if "touching(" in program or "above(" in program or " on" in program or "over(" in program:
            continue  # the tip of a triangle is a pixel lower than its record says
        assert engines["scene"].run(program, knowing).value == engines["drawings"].run(program, seeing).value, program


STACK = [
    {"x_loc": 40, "y_loc": 80 - 21 * k, "size": 20, "type": "square", "color": color}
    for k, color in enumerate(["Yellow", "Black", "#0099ff", "Black"])
]
ALONE = [STACK[1] | {"y_loc": 80}]


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("[height(b) for b in Box]", [4, 1, 0]),
        ("[colors(b) for b in Box]", [3, 1, 1]),
        ("[items(b) for b in Box]", [4, 1, 1]),
        ("count(Block, lambda x: top(x) and black(x))", 2),
        ("count(Block, lambda x: base(x) and yellow(x))", 1),
        ("count(Block, lambda x: base(x) and black(x))", 1),
        ("exists(Block, lambda x: second(x) and black(x))", True),
        ("exists(Block, lambda x: third(x) and blue(x))", True),
        ("exists(Block, lambda x: third_from_top(x) and black(x))", True),
        ("count(Block, lambda x: middle(x))", 2),
        ("exists(Block, lambda x: black(x) and exists(Block, lambda y: yellow(y) and above(x, y)))", True),
        ("exists(Block, lambda x: blue(x) and exists(Block, lambda y: yellow(y) and above(x, y)))", False),
        ("exists(Block, lambda x: blue(x) and exists(Block, lambda y: yellow(y) and on_top_of(x, y)))", True),
        ("exists(Block, lambda x: yellow(x) and exists(Block, lambda y: black(y) and under(x, y)))", True),
        ("count(Object, lambda x: touching_wall(x))", 3),
        ("count(Object, lambda x: touching_bottom(x))", 2),
        ("count(Object, lambda x: touching_corner(x))", 1),
        ("count(Object, lambda x: near_corner(x))", 1),
        ("count(Object, lambda x: touching_right(x))", 1),
    ],
)
def test_the_definitions_mean_what_people_mean(
    engines: dict[str, Engine], tmp_path: Path, program: str, value: object
) -> None:
    corner = [{"x_loc": 90, "y_loc": 1, "size": 10, "type": "circle", "color": "Black"}]
    record = drawings.record([STACK, ALONE, corner], "1-0", "x", True)
    (sample,) = tasks.load("nlvr", drawings.write(tmp_path, "dev", [record], pictures=False)).samples
    engine = engines["scene"]
    assert engine.run(program, engine.scene(None, sample.truth())).value == value


def test_the_shipped_config_runs_and_reports_consistency(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", str(ROOT / "configs/nlvr.json"), "--output_dir", str(tmp_path / "run")]
    assert main([*words, "--num_samples", "8"]) == 0
    results = json.loads((tmp_path / "run/results.json").read_text(encoding="utf-8"))
    assert (results["accuracy"], results["consistency"], results["groups"]) == (1, 1, 4)
    assert "consistent" in capsys.readouterr().out
    assert "groups all right" in (tmp_path / "run/report.html").read_text(encoding="utf-8")
