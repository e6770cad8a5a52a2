"""The smallest change that flips an answer: against brute force over all changes, and the theorem for godel."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from helpers.made_programs import LevelOracle, world

import dsl
from dsl import plan
from neptune.algebra.convert import to_logit
from neptune.answer import Answer
from neptune.engine import Engine
from neptune.engine.analysis.inspection import inspect
from neptune.engine.analysis.robustness import RESOLUTION, Change
from neptune.engine.analysis.score_vector import ScoreVector, Silent
from neptune.engine.analysis.shown.parts import MOST_NODES, parts_of
from neptune.scene import Scene

ONE_SIGN = [
    "exists(Object, lambda x: red(x) and cube(x))",
    "forall(Object, lambda x: red(x) or not cube(x))",
    "exists(Object, lambda x: exists(Object, lambda y: red(x) and left(x, y)))",
    "count(Object, lambda x: red(x) and not cube(x))",
    "point(Object, lambda x: red(x))",
    "describe(Shape, point(Object, lambda x: red(x)))",
]


def flip_of(engine: Engine, program: str, scene: Scene):
    answer = engine.run(program, scene)
    return answer, inspect(engine, program, scene).flip


def stays(answer: Answer, other: Answer) -> bool:
    return (other.abstained, other.value) == (answer.abstained, answer.value)


def becomes(answer: Answer) -> object:
    """What a flip says that the answer becomes: an answer may become none, since nothing fits a description."""
    return str(answer) if answer.abstained else answer.value


def brute(engine: Engine, program: str, scene: Scene, answer: Answer, deltas: np.ndarray) -> float:
    """The least of the deltas at which some corner of the box gives another answer: all corners are tried.

    A larger box holds the corners' answers of a smaller one, so the least is found by bisection.
    Sound for decisions made of min, max and 1 − x, whose extremes over a box are at corners.
    """
    tables = engine.evidence(scene)._tables.values()
    known = [(t, int(i)) for t in tables for i in np.flatnonzero(~np.isnan(t.logits.reshape(-1)))]
    p = torch.sigmoid(torch.tensor([float(t.logits.reshape(-1)[i]) for t, i in known], dtype=torch.float64)).numpy()
    assert len(p) <= 8

    def flips(delta: float) -> bool:
        for signs in itertools.product((-1.0, 1.0), repeat=len(p)):
            moved = np.clip(p + delta * np.array(signs), 0.0, 1.0)
            oracle = Told({(t.question.text, i): float(q) for (t, i), q in zip(known, moved)}, len(scene))
            other = Engine(oracle=oracle, logic=engine.logic, presuppositions=engine.context.presuppositions)
            if not stays(answer, other.run(program, scene)):
                return True
        return False

    least = bisect.bisect_left(deltas, True, key=flips)
    return float(deltas[least]) if least < len(deltas) else 1.0


class Told:
    """An oracle that gives the scores it was told."""

    name = "told"

    def __init__(self, scores: dict[tuple[str, int], float], n: int) -> None:
        self.scores, self.n = scores, n

    def score(self, requests):
        from neptune.scene.types import Scores

        out = []
        for r in requests:
            places = [int(np.ravel_multi_index(tuple(row), (self.n,) * len(row))) for row in r.objects]
            p = torch.tensor([self.scores.get((r.question.text, i), 0.5) for i in places], dtype=torch.float64)
            out.append(Scores.of(to_logit(p).clamp(-50, 50).numpy()))
        return out

    def query(self, requests):
        raise AssertionError("no open question is asked")


@pytest.mark.parametrize("program", ONE_SIGN)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_brute_force(program: str, seed: int) -> None:
    """No smaller box holds another answer, and the change found is that large."""
    engine, scene = Engine(oracle=LevelOracle(seed)), world(2)
    answer, flip = flip_of(engine, program, scene)
    assert flip is not None
    if program.startswith("describe"):
        assert flip.at_most is None or flip.at_least <= flip.at_most
        return
    deltas = np.arange(0.0, 1.0, 0.01)
    least = brute(engine, program, scene, answer, deltas)
    # `least` is the first of the grid at or above the true distance.
    assert flip.at_least <= least + 1e-6
    assert flip.at_most is not None
    assert flip.at_most >= least - 0.01 - 1e-6
    assert flip.at_most - flip.at_least <= 0.01


@pytest.mark.parametrize("program", ONE_SIGN[:3])
@pytest.mark.parametrize("seed", range(4))
def test_godel_flips_at_the_distance_from_a_half(program: str, seed: int) -> None:
    engine = Engine(oracle=LevelOracle(seed))
    answer, flip = flip_of(engine, program, world(3))
    assert flip is not None
    assert answer.probability is not None
    assert flip.at_least == pytest.approx(abs(answer.probability - 0.5), abs=RESOLUTION + 1e-6)
    assert flip.answer is (not answer.value)


@pytest.mark.parametrize("logic", ["godel", "product", "lukasiewicz"])
@pytest.mark.parametrize(
    "program",
    [
        *ONE_SIGN,
        "exists(Object, lambda x: left(x, iota(Object, lambda y: cube(y) and red(y))))",
        "count(Object, lambda x: red(x)) > count(Object, lambda x: cube(x))",
        "exists(Object, lambda x: red(x) ^ cube(x))",
    ],
)
def test_the_change_flips_and_nothing_smaller_does(program: str, logic: str) -> None:
    """The change found flips a run on it; random changes below the lower bound never do."""
    engine, scene = Engine(oracle=LevelOracle(7), logic=logic), world(3)
    answer, flip = flip_of(engine, program, scene)
    assert flip is not None
    rng = np.random.default_rng(0)
    tables = list(engine.evidence(scene)._tables.values())
    for _ in range(6):
        scores = {}
        for t in tables:
            for i in np.flatnonzero(~np.isnan(t.logits.reshape(-1))):
                p = 1 / (1 + np.exp(-float(t.logits.reshape(-1)[i])))
                step = rng.choice([-1.0, 1.0]) * max(flip.at_least - 1e-6, 0.0)
                scores[t.question.text, int(i)] = float(np.clip(p + step, 0, 1))
        assert stays(answer, Engine(oracle=Told(scores, 3), logic=logic).run(program, scene))
    if flip.at_most is not None:
        assert flip.at_most >= flip.at_least
        assert max(abs(c.to - c.score) for c in flip.changes) == pytest.approx(flip.at_most)
        assert flip.answer != answer.value


@pytest.mark.parametrize("logic", ["godel", "product", "lukasiewicz"])
@pytest.mark.parametrize(
    "program",
    [
        "exists(Object, lambda x: left(x, iota(Object, lambda y: cube(y) and red(y))))",
        "count(Object, lambda x: red(x)) > count(Object, lambda x: cube(x))",
    ],
)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_no_listed_change_can_be_left_out(program: str, logic: str, seed: int) -> None:
    """All the changes together flip the answer; without any one of them it stays."""
    engine, scene = Engine(oracle=LevelOracle(seed), logic=logic), world(3)
    answer, flip = flip_of(engine, program, scene)
    assert flip is not None
    assert 1 <= len(flip.changes) <= 12
    scores = {
        (t.question.text, int(i)): 1 / (1 + np.exp(-float(t.logits.reshape(-1)[i])))
        for t in engine.evidence(scene)._tables.values()
        for i in np.flatnonzero(~np.isnan(t.logits.reshape(-1)))
    }

    def with_changes(changes: Iterable[Change]) -> Answer:
        moved = {(c.question, int(np.ravel_multi_index(c.objects, (3,) * len(c.objects)))): c.to for c in changes}
        return Engine(oracle=Told(scores | moved, 3), logic=logic).run(program, scene)

    assert becomes(with_changes(flip.changes)) == flip.answer
    for spared in flip.changes:
        assert stays(answer, with_changes(c for c in flip.changes if c is not spared))


LEFT_OF = "exists(Object, lambda x: left(x, iota(Object, lambda y: red(y))))"


@pytest.mark.parametrize("policy", ["auto", "abstain", "answer"])
@pytest.mark.parametrize(
    "program",
    [
        LEFT_OF,
        "point(Object, lambda x: red(x))",
        "exists(Object, lambda x: left(x, point(Object, lambda y: red(y) and cube(y))))",
        "if exists(Object, lambda x: left(x, iota(Object, lambda y: red(y)))):\n    return 'a'\nreturn 'b'",
    ],
)
@pytest.mark.parametrize("schedule", ["all", "lazy"])
def test_no_smaller_box_holds_another_outcome(program: str, policy: str, schedule: str) -> None:
    """Another answer, an abstention, or an answer where there was none: of what the engine does under its policy."""
    for seed in range(5):
        engine = Engine(oracle=LevelOracle(seed), presuppositions=policy, schedule=schedule)
        scene = world(2)
        answer, flip = flip_of(engine, program, scene)
        assert flip is not None
        inside = np.array([max(flip.at_least - 1e-6, 0.0)])
        assert brute(engine, program, scene, answer, inside) == 1.0
        if flip.at_most is not None:
            assert flip.at_most >= flip.at_least


@pytest.mark.parametrize("logic", ["godel", "product", "lukasiewicz"])
@pytest.mark.parametrize("policy", ["auto", "abstain", "answer"])
@pytest.mark.parametrize(("red", "distance"), [(0.6, 0.1), (0.3, 0.2)])
def test_whether_anything_fits_is_what_flips(red: float, distance: float, policy: str, logic: str) -> None:
    """Who is meant, and what is said of him, are sure; whether anything is red is not."""
    scene, scores = world(2), {"red": (0.0, red), "left": (0.0, 0.99, 0.0, 0.0)}

    class Words(Told):
        def score(self, requests):
            for r in requests:
                word = "red" if r.question.text.endswith("red?") else "left"
                self.scores |= {(r.question.text, i): p for i, p in enumerate(scores[word])}
            return super().score(requests)

    engine = Engine(oracle=Words({}, 2), logic=logic, presuppositions=policy)
    answer, flip = flip_of(engine, LEFT_OF, scene)
    assert flip is not None
    if policy == "answer":
        assert answer.value is True
        assert flip.at_most is not None
        assert not str(flip.answer).startswith("abstained")
        return
    assert answer.abstained == (red <= 0.5)
    assert flip.at_least <= distance + 1e-6
    if policy == "abstain" or not answer.abstained:
        assert flip.at_least == pytest.approx(distance, abs=2e-3)
    assert flip.at_most == pytest.approx(distance, abs=5e-3)
    assert [(c.question.endswith("red?"), c.objects) for c in flip.changes] == [(True, (1,))]
    if answer.abstained:
        assert flip.answer is True
    else:
        assert str(flip.answer).startswith("abstained: nothing fits")


def test_a_run_is_inspected_under_its_own_policy() -> None:
    """Of a task that must point, an answer is looked into as it was given, whatever the engine would do."""
    engine, scene = Engine(oracle=LevelOracle(0, (0.1,)), presuppositions="abstain"), world(3)
    assert engine.run(LEFT_OF, scene, presuppositions="answer").value is False
    flip = inspect(engine, LEFT_OF, scene, presuppositions="answer").flip
    assert flip is not None
    assert flip.answer is True
    flip = inspect(engine, LEFT_OF, scene).flip
    assert flip is not None
    assert flip.answer is False


def test_a_contradiction_can_not_be_proved_to_flip() -> None:
    _, flip = flip_of(Engine(oracle=LevelOracle(1)), "exists(Object, lambda x: red(x) and not red(x))", world(2))
    assert flip is not None
    assert flip.at_most is None


def test_what_is_constant_never_flips() -> None:
    _, flip = flip_of(Engine(oracle=LevelOracle(1)), "1 + 1 == 2", world(2))
    assert flip is not None
    assert flip.at_least == 1.0


@pytest.mark.parametrize("program", ONE_SIGN)
def test_a_lazy_run_is_inspected_without_asking(program: str) -> None:
    engine, scene = Engine(oracle=LevelOracle(3), schedule="lazy"), world(5)
    engine.run(program, scene)
    engine.oracle = Silent()  # would refuse
    inside = inspect(engine, program, scene)
    assert inside.flip is not None
    assert inside.plan[0]["depth"] == 0
    unknown = [n for n in inside.plan if n.get("known", 0) < n.get("cells", 0)]
    assert bool(unknown) == (inside.skipped > 0)


def test_lines_and_plan_show_their_values() -> None:
    program = 'r = score("is it red?")\nn = r.count("x1")\nif n > 0:\n    k = "some"\nreturn n > 1'
    engine, scene = Engine(oracle=LevelOracle(2)), world(3)
    engine.run(program, scene)
    inside = inspect(engine, program, scene)
    bound = {row["name"]: row for row in inside.lines}
    assert len(bound["r"]["scores"]) == 3
    assert bound["n"]["n"] == sum(s > 0.5 for s in bound["r"]["scores"])
    assert bound["r"]["line"] == 1
    assert any(row["text"].startswith("#") for row in inside.plan)


def test_calibrated_scores_are_moved_and_put_back() -> None:
    from neptune.algebra import LogicParameters

    parameters = LogicParameters(oracle={"default": (2.0, 0.5)})
    engine, scene = Engine(oracle=LevelOracle(4), parameters=parameters), world(3)
    program = "exists(Object, lambda x: red(x))"
    answer, flip = flip_of(engine, program, scene)
    assert flip is not None
    assert answer.probability is not None
    assert flip.at_least == pytest.approx(abs(answer.probability - 0.5), abs=RESOLUTION + 1e-6)
    node = dsl.plan.make(dsl.plan.Atom, dsl.plan.Predicate("red", 1), ("x",))
    evidence = engine.evidence(scene)
    box = ScoreVector(engine.context, evidence, [node])
    back = box.moved(box.p).table(engine.wording.question(node.predicate)).logits
    np.testing.assert_allclose(back, evidence.table(engine.wording.question(node.predicate)).logits, atol=1e-5)


def test_of_a_formula_that_is_huge_written_out_as_much_is_listed_as_is_shown() -> None:
    node: plan.Node = plan.make(plan.Atom, plan.Predicate("red", 1), ("@0",))
    for _ in range(60):  # each part stands twice in the next: 2⁶⁰ of them written out
        node = plan.make(plan.Or, (plan.make(plan.Not, plan.make(plan.And, (node, node))), node))
    assert len(parts_of(node, 0, {}, set())) == MOST_NODES
