"""Dear formulas in boxes of live objects: bounds that hold what those without boxes hold, the same decisions, and
programs over several variables that are settled within a small part of the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from helpers.made_programs import LEVELS, LOGICS, MANY, SCHEDULES, LevelOracle, check_same, programs, world
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsl import plan
from dsl.plan.guards import insert_guards
from neptune.answer import Usage
from neptune.engine import Engine
from neptune.engine.evaluate.ends import boxes
from neptune.engine.evaluate.executor import Executor
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evaluate.stage import NotBatchable
from neptune.engine.schedule import Schedule, rounds
from neptune.engine.schedule.pushdown import push_down
from neptune.engine.session.answers import run_program
from neptune.engine.session.precompiled import precompile
from neptune.scene import Scene


@contextmanager
def all_dear() -> Iterator[None]:
    """Take every formula that binds a variable for dear."""
    with patch.object(boxes, "LARGE", 1), patch.object(boxes, "FEW", 0):
        boxes.dear.cache_clear()
        try:
            yield
        finally:
            boxes.dear.cache_clear()


DESCRIBED = "iota(Object, lambda w: cube(w) and behind(w, x) and left(w, y) and right(w, z))"


def of_three(conditions: str, said: str, quantifier: str = "exists") -> str:
    """Return a program of three variables, conditions on them, and something said of a described object."""
    body = f"{conditions} {'and' if quantifier == 'exists' else 'or'} {said}"
    for name in "zyx":
        body = f"{quantifier}(Object, lambda {name}: {body})"
    return body


COLOURED = "red(x) and blue(y) and green(z)"
OVER_SEVERAL = {
    "three variables": of_three(COLOURED, f"left(x, {DESCRIBED})"),
    "conditions last": of_three(f"left(x, {DESCRIBED})", COLOURED),
    "for all": of_three("not red(x) or not blue(y) or not green(z)", f"left(x, {DESCRIBED})", "forall"),
    "denied": of_three(COLOURED, f"not left(x, {DESCRIBED})"),
    "two descriptions": of_three(
        COLOURED,
        "left(x, iota(Object, lambda w: cube(w) and behind(w, x) and left(w, y))) and "
        "right(y, iota(Object, lambda w: sphere(w) and front(w, y) and right(w, z)))",
    ),
    "one in another": of_three(
        COLOURED,
        "left(x, iota(Object, lambda w: cube(w) and behind(w, y) and "
        "left(w, iota(Object, lambda v: sphere(v) and right(v, z) and front(v, x)))))",
    ),
    "counted": "count(Object, lambda x: red(x) and exists(Object, lambda y: exists(Object, lambda z: "
    f"blue(y) and green(z) and left(x, {DESCRIBED}))))",
    "four variables": of_three(
        COLOURED, f"exists(Object, lambda u: yellow(u) and left(u, x)) and left(x, {DESCRIBED})"
    ),
    "nothing beside": of_three("true", f"left(x, {DESCRIBED})").replace("true and ", ""),
    "nothing beside, for all": of_three("false", f"left(x, {DESCRIBED})", "forall").replace("false or ", ""),
    "pairs alone": of_three("left(x, y) and right(y, z)", f"left(x, {DESCRIBED})"),
    "in turn": "forall(Object, lambda x: not red(x) or exists(Object, lambda y: exists(Object, lambda z: "
    f"blue(y) and green(z) and left(x, {DESCRIBED}))))",
}


@pytest.mark.parametrize("logic", ["godel", "product", "lukasiewicz"])
@pytest.mark.parametrize("program", OVER_SEVERAL.values(), ids=OVER_SEVERAL)
def test_descriptions_over_several_variables_are_settled(program: str, logic: str) -> None:
    """Of 60 objects the table of such a description has 13 million cells, and would be made each round."""
    made: list[rounds.Decision] = []
    work: list[int] = []

    def watched(decision, state, *rest):
        before = state.evaluator.work
        outcome = worked(decision, state, *rest)
        made.append(decision)
        work.append(state.evaluator.work - before)
        return outcome

    worked = rounds._work_towards
    scene = Scene.synthetic(60, seed=0)
    with patch.object(rounds, "_work_towards", watched):
        lazy = Engine(oracle="scene", schedule="lazy", logic=logic).run(program, scene)
    assert not any(
        decision.rounds and spent > rounds.MOST_WORK // 4 for decision, spent in zip(made, work, strict=True)
    )
    assert all(decision.outcome == "settled" for decision in made)
    assert lazy.usage.oracle_calls < 2_200  # of 7,320
    if logic == "godel":
        everything = Engine(oracle="scene", schedule="all").run(program, scene)
        assert lazy.value == everything.value
        if lazy.bounds is not None and everything.probability is not None:
            assert lazy.bounds[0] - 1e-6 <= everything.probability <= lazy.bounds[1] + 1e-6


@pytest.mark.parametrize("schedule", [s for s in SCHEDULES if s.batch or s.strategy != "frontier"], ids=str)
def test_other_schedules_settle_them_too(schedule) -> None:
    scene, program = Scene.synthetic(30, seed=1), OVER_SEVERAL["three variables"]
    lazy = Engine(oracle="scene", schedule=schedule).run(program, scene)
    assert lazy.value == Engine(oracle="scene", schedule="all").run(program, scene).value


@pytest.mark.parametrize("logic", ["godel", "product"])
@pytest.mark.parametrize("program", OVER_SEVERAL.values(), ids=OVER_SEVERAL)
def test_what_was_chosen_in_boxes_would_be_chosen_again(program: str, logic: str) -> None:
    """A round is remembered with its boxes: with the estimates that it was made with, it is made again."""
    scene, schedule, runs = Scene.synthetic(26, seed=3), Schedule(), []
    engine = Engine(oracle="scene", oracle_options={"noise": 0.2}, schedule=schedule, logic=logic)
    before = engine.context.estimates.copy()
    run_program(replace(engine.context, watch=runs.append), program, scene)
    decisions = runs[0].asker.decisions
    assert program == OVER_SEVERAL["two descriptions"] or any(made.reach != "whole" for made in decisions[0].rounds)
    assert rounds.still_chosen(decisions, schedule, rounds.Remembered(scene, engine.context.logic, before), before)


@settings(max_examples=60, **MANY)
@example(OVER_SEVERAL["three variables"], 3, "missing", 60830, "product", Schedule())
@given(
    programs() | st.sampled_from(list(OVER_SEVERAL.values())),
    st.integers(1, 5),
    st.sampled_from([None, *LEVELS]),
    st.integers(0, 10**6),
    st.sampled_from(LOGICS),
    st.sampled_from(SCHEDULES),
)
def test_decisions_are_those_of_asking_everything(program, n, levels, seed, logic, schedule) -> None:
    with all_dear():
        check_same(program, n, levels, seed, logic, schedule)


@settings(max_examples=80, **MANY)
@given(
    programs() | st.sampled_from(list(OVER_SEVERAL.values())),
    st.integers(1, 4),
    st.sampled_from([None, "crisp", "sure"]),
    st.sampled_from(["godel", "product", "lukasiewicz", "frank:0.1"]),
    st.sampled_from(["few", "settled", "live"]),
    st.integers(0, 10**6),
)
@torch.no_grad()
def test_bounds_in_boxes_hold_those_without(program, n, levels, logic, reach, seed) -> None:
    """Whatever is known: they are no tighter; in its box a formula has the same; and what a conjunction of literals and
    quantifiers leaves open, or decides, is the same."""
    engine = Engine(oracle=LevelOracle(seed, LEVELS[levels] if levels else None), schedule="lazy", logic=logic)
    context, scene, rng = engine.context, world(n), np.random.default_rng(seed)
    try:
        made = precompile(context, program)
    except NotBatchable:
        return
    root = push_down(insert_guards(made.need.of))
    if isinstance(root, plan.Describe | plan.CountTrue | plan.Number):
        return
    evidence, atoms = engine.evidence(scene), KnownAtoms(engine.evidence(scene), context)
    free, boxed = (Executor(n, context.logic, context.parameters, atoms, 10**7, "naive", 100) for _ in range(2))
    named = [node for node in plan.walk(root) if isinstance(node, plan.Atom)]
    with all_dear():
        for _ in range(4):
            for atom in named[:: rng.integers(1, 3)]:
                cells = rng.integers(0, n, (rng.integers(0, 2 * n), atom.predicate.arity))
                asked = [(context.wording.question(atom.predicate), atom.predicate.symmetric, cells)]
                evidence.ask(context.oracle, asked, Usage())
            for executor in (free, boxed):
                executor.forget()
            inside = boxed.confine(root, reach)
            (low, high), (least, most) = free.ends(root), boxed.ends(root)
            assert (least <= low + 1e-6).all()
            assert (most >= high - 1e-6).all()
            middle = context.logic.middle
            if reach == "live" and logic == "godel" and _boolean(root):
                assert ((least > middle) == (low > middle)).all()
                assert ((most > middle) == (high > middle)).all()
            for node, box in inside.boxes.items():
                if not box.empty:
                    have = tuple(sorted(node.free))
                    for whole, part in zip(free.ends(node), inside.within(node).truth(node), strict=True):
                        np.testing.assert_allclose(_finite(box.cut(whole, have)), _finite(part), rtol=0, atol=2e-6)


def _finite(carrier: np.ndarray) -> np.ndarray:
    """Return carrier values within the limits of logits."""
    return np.clip(np.asarray(carrier, np.float64), -13.8, 13.8)


def _boolean(root: plan.Node) -> bool:
    classes = plan.Atom | plan.Not | plan.And | plan.Or | plan.Exists | plan.Forall | plan.Same
    return all(isinstance(node, classes) for node in plan.walk(root))
