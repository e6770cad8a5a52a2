"""Under the lazy schedule questions on many pictures share the oracle's batches, whatever the clock says."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from greenlet import greenlet

from neptune.answer import Answer
from neptune.engine import Engine
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.store import Evidence
from neptune.errors import ModelFailedError, OracleFailedError
from neptune.perception.oracle.scene import SceneOracle
from neptune.runs.runner.batches import GROWTH, Batches
from neptune.runs.runner.samples import Asked
from neptune.scene import Scene
from neptune.scene.types import ScoreRequest, Scores

PROGRAMS = (
    "exists(Object, lambda x: small(x) and red(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
    "count(Object, lambda x: metal(x) and left(x, iota(Object, lambda y: large(y) and sphere(y) and blue(y))))",
    "describe(Color, iota(Object, lambda x: small(x) and cylinder(x) and rubber(x)))",
)


class Counting(SceneOracle):
    """The annotations; counts its calls, and fails at one of them."""

    def __init__(self, fails_at: int = 0) -> None:
        super().__init__(noise=0.3, seed=1)
        self.batches, self.cells, self.fails_at = 0, 0, fails_at

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.batches += 1
        if self.batches == self.fails_at:
            raise OracleFailedError("gone")
        self.cells += sum(len(r.objects) for r in requests)
        return list(super().score(requests))


class Fake:
    """A sample, as far as it is answered."""

    policy, seconds = "auto", 0.0

    def __init__(self, engine: Engine, program: str, scene: Scene, log: list[str], failure: Any = None) -> None:
        self.engine, self.program, self.scene, self.log = engine, program, scene, log
        self.failure = failure
        self.answer: Answer | None = None
        self.evidence: Evidence | None = None

    def prepare(self) -> None:
        self.log.append("prepared")
        self.evidence = self.engine.evidence(self.scene)

    @property
    def question(self) -> tuple[str, Scene, Any] | None:
        return None if self.failure else (self.program, self.scene, self.evidence)

    def given(self, answer: Answer | None, seconds: float = 0.0) -> None:
        assert answer is None
        self.seconds += seconds

    def run(self, found: Callable[[], tuple[Answer, Any] | None] | None = None) -> None:
        assert self.evidence is not None
        already = found and found()
        if already:
            self.log.append("foreseen")
            self.answer = already[0]
            return
        engine = Engine.__new__(Engine)
        engine.__dict__.update(self.engine.__dict__)
        engine.context = replace(self.engine.context, kept=EvidenceKept.only(self.evidence))
        try:
            self.answer = engine.run(self.program, self.scene)
        except ModelFailedError as error:
            self.failure = error

    def judge(self) -> None:
        self.log.append("answered")

    def look(self) -> None:
        pass

    @property
    def rounds(self) -> int:
        return 0 if self.answer is None else self.answer.usage.oracle_rounds

    def record(self) -> Answer | None:
        if self.failure:
            raise self.failure
        return self.answer


def pictures(count: int, programs: Sequence[str] = PROGRAMS) -> list[tuple[str, Scene]]:
    return [(program, scene) for k in range(count) for scene in [Scene.synthetic(5 + k % 4, k)] for program in programs]


def run(
    asked: Sequence[tuple[str, Scene]], oracle: Counting, most_pictures: int = 64, stop_after: int | None = None
) -> tuple[list[Answer | None], Batches, list[str]]:
    engine, log = Engine(oracle=oracle, detector=None, schedule="lazy"), list[str]()
    samples = (cast(Asked, Fake(engine, program, scene, log)) for program, scene in asked)
    batches = Batches(engine, samples, most_pictures)
    given = cast(Any, itertools.islice(iter(batches), stop_after))
    return [cast(Callable[[], Any], record)() for record in given], batches, log


def said(answers: Sequence[Answer | None]) -> list[Any]:
    times = {"plan_ms", "execute_ms", "oracle_ms"}
    out = [answer.to_dict() for answer in answers if answer is not None]
    return [a | {"usage": {k: v for k, v in a["usage"].items() if k not in times}} for a in out]


def test_batches_do_not_hang_on_the_clock_and_answers_are_those_of_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, one, together = pictures(80), Counting(), Counting()
    alone, counted, _ = run(asked, one, most_pictures=1)
    rounds = sum(a.usage.oracle_rounds for a in alone if a is not None)
    assert one.batches == counted.ahead.batches == rounds
    hours = itertools.count(step=3600.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(hours))  # each look at the clock is an hour later
    found, batches, log = run(asked, together)
    assert said(found) == said(alone), "calls, rounds and traces too"
    assert batches.ahead.batches == together.batches <= rounds / 20
    sent = {"batches": together.batches, "rounds": rounds, "samples": len(asked)}
    assert batches.sent()["oracle_batches"] == {**sent, "unneeded": batches.ahead.unneeded}
    assert together.cells == one.cells + batches.ahead.unneeded
    assert batches.ahead.unneeded < one.cells / 20
    assert log.count("foreseen") > len(asked) / 2, "most are not run twice"


def test_a_picture_that_comes_back_is_asked_no_more_than_one_by_one() -> None:
    asked = pictures(6)
    asked = [*asked[::2], *asked[1::2], *asked[::3]]
    one, together = Counting(), Counting()
    alone, found = run(asked, one, most_pictures=1)[0], run(asked, together)
    assert said(found[0]) == said(alone)
    assert together.cells == one.cells + found[1].ahead.unneeded


def test_the_first_answer_does_not_wait_for_many_pictures() -> None:
    log = run(pictures(200), Counting(), stop_after=3)[2]
    assert log.index("answered") <= len(PROGRAMS) + 1, "one picture's samples, and the first of the next"
    assert log.count("prepared") <= len(PROGRAMS) * (1 + 3 * GROWTH) + 1


def test_so_many_pictures_at_most_are_asked_about_at_once() -> None:
    asked = pictures(12, PROGRAMS[:1])
    few, many = (run(asked, Counting(), most_pictures=most)[1].ahead.batches for most in (2, 12))
    assert few > many


@pytest.mark.parametrize("fails_at", [3, 8])
def test_an_oracle_that_fails_once_ends_trials_and_no_more(fails_at: int) -> None:
    asked = pictures(8)
    alone = run(asked, Counting(), most_pictures=1)[0]
    assert said(run(asked, Counting(fails_at))[0]) == said(alone)


class Mode(Counting):
    """Notes whether torch would keep gradients when it is asked about many pictures at once."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[bool] = []

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        if len({id(request.scene) for request in requests}) > 1:
            self.kept.append(torch.is_grad_enabled())
        return super().score(requests)


def test_trials_that_stand_still_leave_torch_as_it_was() -> None:
    oracle = Mode()
    run(pictures(8), oracle)
    assert torch.is_grad_enabled()
    assert len(oracle.kept) > 3
    assert all(oracle.kept)


def test_a_run_that_ends_early_ends_its_trials() -> None:
    engine, log = Engine(oracle=Counting(), detector=None, schedule="lazy"), list[str]()
    batches = iter(Batches(engine, (cast(Asked, Fake(engine, *asked, log)) for asked in pictures(30)), 16))
    for _ in range(len(PROGRAMS) + 1):
        next(batches)
    lanes = [made for made in gc.get_objects() if isinstance(made, greenlet) and made.parent and made]
    assert lanes, "others are under way"
    cast(Any, batches).close()
    assert not any(lanes)


def test_a_sample_that_can_not_be_prepared_comes_next() -> None:
    engine, log = Engine(oracle=Counting(), detector=None, schedule="lazy"), list[str]()
    failure = ModelFailedError("no detector")
    fakes = [Fake(engine, *pair, log, failure if k == 4 else None) for k, pair in enumerate(pictures(5))]
    batches = Batches(engine, cast(Any, iter(fakes)))
    found = []
    for record in batches:
        try:
            found.append(record() is not None)
        except ModelFailedError:
            batches.stop()
    assert found == [True] * 4
    assert log.count("prepared") == 5, "none after it"
