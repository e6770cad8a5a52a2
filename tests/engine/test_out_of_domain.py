"""Pictures that detector or oracle was not made for: abstained from by default, said wherever an answer is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dsl
from neptune.engine import Engine
from neptune.errors import ConfigError
from neptune.perception.detect.cache import CachedDetector
from neptune.perception.oracle.caching.batcher import MicroBatcher
from neptune.perception.oracle.caching.replay import RecordingOracle, ReplayOracle
from neptune.perception.oracle.random import RandomOracle
from neptune.perception.replicas import DetectorReplicas, OracleReplicas
from neptune.runs.record.describe import describe_answer
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.identity import scene_digest
from neptune.scene.picture import Picture
from neptune.scene.types import Detections, domain_of

BOXES = np.array([[10, 10, 60, 60], [100, 20, 150, 80], [200, 90, 260, 160]], np.float32)
FAR = Domain("the detector 'stub'", "CLEVR renderings", 3.5)
NEAR = replace(FAR, score=0.4)
PROGRAMS = [
    "count(Object, lambda x: cube(x))",
    "exists(Object, lambda x: red(x))",
    "describe(Color, iota(Object, lambda x: cube(x)))",
    "point(iota(Object, lambda x: cube(x)))",
    "[o for o in Object if cube(o)]",
    "'yes' if exists(Object, lambda x: red(x)) else 'no'",
]


class Finder:
    """A detector that says of every picture what it is told to."""

    name, open_vocabulary, identity = "stub", False, "stub 1"

    def __init__(self, domain: Domain | None, boxes: np.ndarray = BOXES) -> None:
        self.domain, self.boxes, self.looked = domain, boxes, 0

    def detect(self, picture, labels=()):
        self.looked += 1
        return Detections(self.boxes, np.ones(len(self.boxes), np.float32), ("",) * len(self.boxes), self.domain)


class Judge(RandomOracle):
    """A random oracle that says of every picture what it is told to, and counts how often it is asked."""

    def __init__(self, domain: Domain | None) -> None:
        super().__init__(seed=0)
        self.said, self.judged, self.scored = domain, 0, 0

    def domain(self, scene):
        self.judged += 1
        return self.said

    def score(self, requests):
        self.scored += 1
        return super().score(requests)


def picture(seed: int = 0) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 255, (180, 280, 3), dtype=np.uint8))


def engine_of(by: str, domain: Domain | None, **more) -> tuple[Engine, Judge]:
    judge = Judge(domain if by == "oracle" else None)
    return Engine(judge, Finder(domain if by == "detector" else None), **more), judge


@pytest.mark.parametrize("by", ["detector", "oracle"])
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("schedule", ["all", "lazy"])
def test_nothing_is_asked_and_nothing_claimed_out_of_domain(by, program, schedule):
    engine, judge = engine_of(by, FAR, schedule=schedule)
    answer = engine.ask(picture(), "?", program)
    assert (answer.value, answer.kind, answer.abstained, answer.why) == (None, "nothing", True, "out of domain")
    assert answer.probability is None
    assert answer.scores is None
    assert not answer.objects
    assert judge.scored == 0
    assert str(answer) == "abstained: out of domain"
    assert answer.out_of_domain == str(FAR)
    assert "unlike the CLEVR renderings that the detector 'stub' was trained on (score 3.50" in answer.out_of_domain
    assert "Out of domain: the picture is unlike" in answer._repr_html_()
    assert describe_answer(answer)["out_of_domain"] == str(FAR)


@pytest.mark.parametrize("by", ["detector", "oracle"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_answer_all_the_same_says_so_and_is_the_same(by, program):
    asked = engine_of(by, FAR, out_of_domain="answer")[0].ask(picture(), "?", program)
    inside = engine_of(by, NEAR)[0].ask(picture(), "?", program)
    assert (asked.value, asked.probability) == (inside.value, inside.probability)
    assert asked.out_of_domain == str(FAR)
    assert not inside.out_of_domain
    if not asked.abstained:
        assert not asked.why
        assert str(asked) == f"{inside}, out of domain"
    assert "out_of_domain" not in describe_answer(inside)


@pytest.mark.parametrize("domain", [None, NEAR, replace(FAR, score=1.0)])
@pytest.mark.parametrize("by", ["detector", "oracle"])
def test_up_to_the_limit_nothing_changes(by, domain):
    plain, _ = engine_of("detector", None)
    engine, judge = engine_of(by, domain)
    for program in PROGRAMS:
        answer = engine.ask(shown := picture(1), "?", program)
        assert answer.value == plain.ask(shown, "?", program).value
        assert not answer.out_of_domain
    assert judge.scored


def test_a_picture_is_judged_once_and_many_at_once_as_one():
    engine, judge = engine_of("oracle", FAR)
    near, far = Scene(BOXES, (280, 180), picture(2)), Scene(BOXES, (280, 180), picture(3), domain=FAR)
    answers = engine.run_many([(PROGRAMS[0], near), (PROGRAMS[1], near), (PROGRAMS[0], far)])
    assert [a.abstained for a in answers] == [True] * 3
    assert judge.judged == 1  # of the other its detector had said it
    again = Engine(judge, out_of_domain="answer").run_many([(PROGRAMS[0], near), (PROGRAMS[0], far)])
    assert [a.abstained for a in again] == [False] * 2
    assert all(a.out_of_domain for a in again)


def test_a_wrong_program_is_wrong_whatever_the_picture():
    with pytest.raises(dsl.ProgramError):
        engine_of("detector", FAR)[0].ask(picture(), "?", "count(Object, lambda x: cube(x)")
    with pytest.raises(ConfigError, match="out_of_domain is 'ignore'"):
        Engine("random", out_of_domain="ignore")


def test_caches_batches_and_copies_pass_it_on(tmp_path: Path):
    finder = Finder(FAR)
    for _ in range(2):
        assert CachedDetector(finder, tmp_path / "d.sqlite").detect(picture()).domain == FAR
    assert finder.looked == 1
    other = Finder(None)
    other.identity = "stub 2"
    for _ in range(2):
        assert CachedDetector(other, tmp_path / "d.sqlite").detect(picture()).domain is None
    scene = Scene(BOXES, (280, 180), picture())
    assert DetectorReplicas([Finder(FAR), Finder(FAR)]).detect(picture()).domain == FAR
    for around in (OracleReplicas([Judge(FAR), Judge(FAR)]), MicroBatcher(Judge(FAR))):
        assert domain_of(around, scene) == FAR
    assert domain_of(MicroBatcher(RandomOracle(seed=0)), scene) is None


@pytest.mark.parametrize("by", ["detector", "oracle"])
@pytest.mark.parametrize("score", [0.4, 3.5, 1.0000001])
def test_a_record_says_it_again(by, score, tmp_path: Path):
    said = replace(FAR, score=score)
    recorder = RecordingOracle(Judge(said if by == "oracle" else None), tmp_path / "e.jsonl")
    scene = Scene(BOXES, (280, 180), picture(), domain=said if by == "detector" else None)
    recorder.keep(scene)
    first = Engine(recorder).run(PROGRAMS[0], scene)
    replayed = ReplayOracle(tmp_path / "e.jsonl")
    again = Engine(replayed).run(PROGRAMS[0], replayed.scene(scene_digest(scene)))
    assert json.dumps(describe_answer(first) | {"usage": 0}) == json.dumps(describe_answer(again) | {"usage": 0})
    assert first.abstained == (score > 1)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_picture_in_which_nothing_is_found_is_a_scene_without_objects(program):
    engine = Engine("random", Finder(None, BOXES[:0]))
    answer = engine.ask(picture(), "?", program)
    assert "no object was found in the picture" in answer.notes
    expected = {"count": 0, "exists": False, "[o": [], "'yes'": "no"}
    for start, value in expected.items():
        if program.startswith(start):
            assert (answer.value, answer.abstained) == (value, False)
    if "iota" in program:
        assert answer.value is None
        assert answer.presuppositions


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_picture_the_terminal_and_the_report_say_so_where_the_answer_is_given(program, capsys, monkeypatch):
    from neptune.cli.commands import ask
    from neptune.runs.report import annotate, data

    engine, _ = engine_of("detector", FAR, out_of_domain="answer")
    shown = picture()
    scene = engine.scene(shown, labels=engine.labels(program))
    answer = engine.run(program, scene)
    lines: list[str] = []
    real = annotate._wrap
    monkeypatch.setattr(annotate, "_wrap", lambda text, *more: lines.append(text) or real(text, *more))
    ask._draw(shown, scene, answer, "?")
    assert any(line.startswith("Out of domain: the picture is unlike") for line in lines)
    ask.print_answer(answer, ask.shown_answer(answer))
    assert "note: Out of domain: the picture is unlike" in capsys.readouterr().out
    record = {"id": "0", "dataset": "ask", **describe_answer(answer)}
    assert "out of domain" in data.row_of(record)["faults"]
    assert data.sample_of(record)["out_of_domain"] == str(FAR)
    assert str(answer).endswith("out of domain")
