"""The cascade: where the proxy's intervals hold the truth no decision changes; each question stands alone; the audit
enters no answer."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from helpers.made_programs import LEVELS, LOGICS, MANY, LevelOracle, answer, programs, world
from hypothesis import given, settings
from hypothesis import strategies as st

from neptune.engine import Engine
from neptune.engine.evidence.narrowed import Narrowing, narrowed
from neptune.errors import ConfigError, OracleError, OracleFailedError
from neptune.guarantees.alarm import sampling
from neptune.scene.types import ScoreRequest, Scores

pytestmark = pytest.mark.usefixtures("one_thread")


class NearbyOracle(LevelOracle):
    """A proxy whose intervals hold what the oracle says: off by as much as the width allows, and silent at times."""

    name = "nearby"

    def __init__(self, oracle: LevelOracle, width: float) -> None:
        super().__init__(oracle.seed, oracle.levels)
        self.width = width

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        return [Scores.of(np.array([self._near(r, k) for k in range(len(r.objects))])) for r in requests]

    def _near(self, request: ScoreRequest, k: int) -> float:
        row = request.objects[k].tolist()
        row = sorted(row) if "same" in request.question.text else row
        true = float(self._logits(ScoreRequest(request.scene, request.question, request.objects[k : k + 1]))[0])
        draw = zlib.crc32(f"near|{self.seed}|{request.question.text}|{row}".encode())
        if math.isnan(true) or draw % 7 == 0:
            return math.nan
        for step in range(6):
            guess = true + (draw % 13 - 6) / 2 / 2**step
            low, high = narrowed(np.array([guess], np.float32), self.width)[0]
            if low <= true <= high:
                return guess
        return true


class LostOracle(LevelOracle):
    """A proxy that says of everything the opposite, and is all but sure."""

    name = "lost"

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        return [Scores.of(np.where(self._logits(r) > 0, -9.0, 9.0)) for r in requests]


def decided(a: object) -> object:
    return a if isinstance(a, str) else (a.value, a.kind, a.settled, a.abstained)


case = given(
    programs(),
    st.integers(0, 5),
    st.sampled_from([None, "crisp", "sure", "missing"]),
    st.integers(0, 10**6),
    st.sampled_from(LOGICS),
    st.sampled_from([0.3, 3.0, 100.0]),
)


@settings(max_examples=120, **MANY)
@case
def test_intervals_that_hold_the_truth_change_no_decision(program, n, levels, seed, logic, width) -> None:
    oracle, scene = LevelOracle(seed, LEVELS[levels] if levels else None), world(n)
    exact = answer(program, oracle, scene, schedule="lazy", logic=logic)
    proxy = NearbyOracle(oracle, width)
    cheap = answer(program, oracle, scene, schedule="lazy", logic=logic, narrowing=Narrowing(proxy, width))
    assert decided(cheap) == decided(exact)


@settings(max_examples=80, **MANY)
@case
def test_the_widest_intervals_change_no_decision_whatever_the_proxy_says(
    program, n, levels, seed, logic, width
) -> None:
    oracle, scene = LevelOracle(seed, LEVELS[levels] if levels else None), world(n)
    exact = answer(program, oracle, scene, schedule="lazy", logic=logic)
    lost = answer(program, oracle, scene, schedule="lazy", logic=logic, narrowing=Narrowing(LostOracle(seed), 1e30))
    assert decided(lost) == decided(exact)


def test_without_a_narrowing_nothing_is_otherwise() -> None:
    """λ = ∞ is no narrowing: the same code, bit for bit."""
    scene, program = world(5), "count(Object, lambda x: red(x) and left(x, iota(Object, lambda y: cube(y))))"
    first, second = (Engine(LevelOracle(3), schedule="lazy", narrowing=None) for _ in range(2))
    mine, theirs = first.run(program, scene), second.run(program, scene)
    assert mine.guarantee == theirs.guarantee == "exact"
    assert (mine.to_dict() | {"usage": None}) == (theirs.to_dict() | {"usage": None})
    with pytest.raises(ConfigError, match="finite"):
        Narrowing(LevelOracle(1), math.inf)


PROGRAM = "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))"


def test_a_sure_proxy_spares_calls_and_says_so() -> None:
    oracle, scene = LevelOracle(5, LEVELS["sure"]), world(6)
    exact = Engine(oracle, schedule="lazy").run(PROGRAM, scene)
    cheap = Engine(oracle, narrowing=Narrowing(oracle, 1.0)).run(PROGRAM, scene)
    assert cheap.value == exact.value
    assert cheap.usage.oracle_calls < exact.usage.oracle_calls
    assert (cheap.guarantee, exact.guarantee) == ("certified", "exact")
    assert cheap.settled


def test_a_budget_leaves_no_guarantee() -> None:
    oracle = LevelOracle(5, LEVELS["sure"])
    engine = Engine(oracle, schedule="lazy", max_oracle_calls=1)
    assert engine.run(PROGRAM, world(6)).guarantee == "none"


def test_each_question_stands_alone() -> None:
    """What a question asks and comes to is the same, whatever was asked about the picture before."""
    oracle, scene = LevelOracle(11), world(6)
    programs = [PROGRAM, "count(Object, lambda x: red(x))", "exists(Object, lambda x: cube(x) and metal(x))"]
    narrowing = Narrowing(LevelOracle(12), 2.0)

    def run(order: list[str]) -> dict[str, object]:
        engine = Engine(oracle, narrowing=narrowing)
        answers = {p: engine.run(p, scene) for p in order}
        return {p: (a.value, a.usage.oracle_calls, a.bounds) for p, a in answers.items()}

    assert run(programs) == run(programs[::-1])


def test_the_oracle_is_asked_once_for_all_questions_on_a_picture() -> None:
    class Counting(LevelOracle):
        asked = 0

        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
            type(self).asked += sum(len(r.objects) for r in requests)
            return super().score(requests)

    engine = Engine(Counting(11), narrowing=Narrowing(LevelOracle(12), 1e6))
    scene = world(6)
    first = engine.run(PROGRAM, scene)
    asked = Counting.asked
    assert asked == first.usage.oracle_calls > 0
    again = engine.run(PROGRAM, scene)
    assert Counting.asked == asked
    assert again.usage.oracle_calls == first.usage.oracle_calls  # what the question takes, alone
    assert again.usage.oracle_stored == again.usage.oracle_calls


@settings(max_examples=40, **MANY)
@case
def test_what_is_audited_enters_no_answer(program, n, levels, seed, logic, width) -> None:
    oracle, scene = LevelOracle(seed, LEVELS[levels] if levels else None), world(n)
    plain, audited = (
        answer(program, oracle, scene, logic=logic, narrowing=Narrowing(LevelOracle(seed + 1), width, audit))
        for audit in (0.0, 1.0)
    )
    assert decided(plain) == decided(audited)
    if not isinstance(plain, str):
        assert plain.bounds == audited.bounds
        assert plain.trace == audited.trace
        usage = audited.usage
        assert usage.oracle_calls - usage.audit_calls == plain.usage.oracle_calls
        assert usage.audit_calls == usage.audit_skipped
        assert plain.usage.audit_calls == 0


def test_the_audit_counts_what_the_proxy_has_on_the_wrong_side() -> None:
    oracle, scene = LevelOracle(5, LEVELS["crisp"]), world(8)
    of = {
        name: Engine(oracle, narrowing=Narrowing(proxy, 1.0, audit=1.0)).run("count(Object, lambda x: red(x))", scene)
        for name, proxy in (("right", oracle), ("wrong", LostOracle(5, LEVELS["crisp"])))
    }
    assert of["right"].usage.audit_wrong == 0
    assert of["wrong"].usage.audit_wrong == of["wrong"].usage.audit_skipped == 8
    few = [
        Engine(oracle, narrowing=Narrowing(oracle, 1.0, audit=0.3, seed=s)).run(
            "count(Object, lambda x: red(x))", scene
        )
        for s in range(40)
    ]
    share = sum(a.usage.audit_calls for a in few) / sum(a.usage.audit_skipped for a in few)
    assert 0.2 < share < 0.4
    assert all(a.usage.audit_questions for a in few)


def test_of_a_small_share_a_part_of_some_pictures_is_audited() -> None:
    """All questions on a picture, or none; and every picture has something of its own, whatever it is called."""
    oracle = LevelOracle(5, LEVELS["crisp"])
    pictures, part = sampling(0.02)
    scenes, skipped, asked, chosen = [world(8) for _ in range(3)], 0, 0, 0
    scenes += [replace(s, boxes=s.boxes + np.float32(k)) for k in range(200) for s in scenes[:1]]
    for scene in scenes:
        of = [
            Engine(oracle, narrowing=Narrowing(oracle, 1.0, audit=0.02)).run(f"count(Object, lambda x: {w}(x))", scene)
            for w in ("red", "cube")
        ]
        assert of[0].usage.audit_questions == of[1].usage.audit_questions
        chosen += of[0].usage.audit_questions
        if of[0].usage.audit_questions:
            skipped += sum(a.usage.audit_skipped for a in of)
            asked += sum(a.usage.audit_calls for a in of)
        else:
            assert all(a.usage.audit_skipped and not a.usage.audit_calls for a in of)
    assert chosen == pytest.approx(len(scenes) * pictures, abs=25)
    assert asked == pytest.approx(skipped * part, abs=40)


def test_words_that_the_proxy_does_not_know_are_asked_and_a_broken_proxy_is_an_error() -> None:
    class Unread(LevelOracle):
        error: type[Exception] = OracleError

        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
            raise self.error("no such word")

    class Broken(Unread):
        error = OracleFailedError

    oracle, scene = LevelOracle(5, LEVELS["sure"]), world(4)
    exact = Engine(oracle, schedule="lazy").run(PROGRAM, scene)
    asked = Engine(oracle, narrowing=Narrowing(Unread(1), 1.0)).run(PROGRAM, scene)
    assert (asked.value, asked.settled) == (exact.value, True)
    assert any("can say nothing" in note for note in asked.notes)
    with pytest.raises(OracleFailedError):
        Engine(oracle, narrowing=Narrowing(Broken(1), 1.0)).run(PROGRAM, scene)


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=20), st.floats(0, 1e6), st.floats(0, 1e3))
@settings(max_examples=200, deadline=None)
def test_intervals_hold_the_proxy_and_widen(logits: list[float], width: float, more: float) -> None:
    x = np.array(logits, dtype=np.float32)
    ends, wider = narrowed(x, width), narrowed(x, width + more)
    assert (ends[:, 0] <= x + 1e-4).all()
    assert (x - 1e-4 <= ends[:, 1]).all()
    assert (wider[:, 0] <= ends[:, 0] + 1e-4).all()
    assert (wider[:, 1] >= ends[:, 1] - 1e-4).all()
    assert not np.isnan(ends).any()
    np.testing.assert_allclose(narrowed(-x, width), -ends[:, ::-1], atol=1e-4)
    s = 1 / (1 + np.exp(-x.astype(np.float64)))
    said = np.clip([s - width * s * (1 - s), s + width * s * (1 - s)], 0, 1).T
    np.testing.assert_allclose(1 / (1 + np.exp(-ends.astype(np.float64))), said, atol=1e-6)


def test_silence_and_infinity_are_no_narrowing() -> None:
    assert narrowed(np.array([np.nan], np.float32), 1.0).tolist() == [[-math.inf, math.inf]]
    assert narrowed(np.array([3.0], np.float32), math.inf).tolist() == [[-math.inf, math.inf]]
    assert narrowed(np.array([3.0, -3.0], np.float32), 0.0) == pytest.approx(np.array([[3.0, 3.0], [-3.0, -3.0]]))
