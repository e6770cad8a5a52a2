"""What estimates decided in a round is looked at again alone: where it stays, the whole choice does."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from neptune.engine import Engine
from neptune.engine.schedule import Schedule
from neptune.engine.schedule.choice.selection import choose
from neptune.engine.schedule.rounds import Decision, Remembered, _same, _would_be_chosen
from neptune.engine.schedule.state import UnforeseenError
from neptune.engine.session.answers import run_program
from neptune.engine.session.session import Session
from neptune.scene import Scene

PROGRAMS = (
    "exists(Object, lambda x: small(x) and red(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
    "exists(Object, lambda x: metal(x) and same_shape(x, iota(Object, lambda y: large(y) and red(y))))",
    "count(Object, lambda x: metal(x) and cube(x) and behind(x, iota(Object, lambda y: large(y) and blue(y))))",
    "describe(Color, iota(Object, lambda x: small(x) and cylinder(x) and rubber(x)))",
    "describe(Shape, iota(Object, lambda x: red(x) and metal(x) and left(x, "
    "iota(Object, lambda y: sphere(y) and small(y) and right(y, iota(Object, lambda z: gray(z) and cube(z)))))))",
    "count(Object, lambda x: red(x) and cube(x)) > count(Object, lambda x: blue(x) and metal(x))",
    "count(Object, lambda x: (red(x) and cube(x)) or (blue(x) and sphere(x) and small(x)))",
)


def _asked(program: str, scene: Scene, schedule: Schedule, logic: str) -> tuple[Engine, list[Decision]]:
    """Answer a program lazily; return what it decided, round by round."""
    engine = Engine(oracle="scene", oracle_options={"noise": 0.2}, schedule=schedule, logic=logic)
    runs: list[Session] = []
    run_program(replace(engine.context, watch=runs.append), program, scene)
    return engine, runs[0].asker.decisions


def _chosen_anew(decision: Decision, turn: int, schedule: Schedule, state: Remembered) -> bool:
    """Tell whether choosing from scratch chooses the same."""
    made = decision.rounds[turn]
    state.back_to(made)
    try:
        found = choose(state, decision.goal, schedule.batch, schedule.strategy == "best-first", turn)
    except UnforeseenError:
        return False
    return _same(found, made.choices)


@pytest.mark.parametrize("logic", ["godel", "product"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_round_that_weighs_the_same_is_chosen_again(program: str, logic: str) -> None:
    stayed = left = 0
    for seed, schedule in ((0, Schedule()), (1, Schedule()), (2, Schedule(batch=4)), (3, Schedule("best-first"))):
        scene = Scene.synthetic(7 + seed, seed=seed)
        engine, decisions = _asked(program, scene, schedule, logic)
        taught = [(d, turn, said) for d in decisions for turn, r in enumerate(d.rounds) for said in r.learned]
        for trial in range(12):
            estimates, chance = engine.context.estimates.copy(), random.Random(trial)
            for _, _, (predicate, _, _) in taught:
                asked = chance.randrange(40)
                estimates.learn(predicate, chance.randint(0, asked), asked)
            state = Remembered(scene, engine.context.logic, estimates)
            for decision in decisions:
                for turn, made in enumerate(decision.rounds):
                    try:
                        stays = _would_be_chosen(made, decision.goal, schedule, state, turn)
                    except UnforeseenError:
                        stays = False
                    assert not stays or _chosen_anew(decision, turn, schedule, state)
                    stayed, left = stayed + stays, left + (not stays)
    assert stayed > 20, (stayed, left)


def test_other_estimates_can_choose_otherwise() -> None:
    """Red objects are said to be everywhere, or nowhere: what is asked first changes, and is told."""
    program, scene, schedule = PROGRAMS[2], Scene.synthetic(8, seed=0), Schedule()
    engine, (decision, *_) = _asked(program, scene, schedule, "godel")
    told = set()
    for common in ("metal", "cube", "large", "blue"):
        estimates = engine.context.estimates.copy()
        for predicate in {said[0] for made in decision.rounds for said in made.learned}:
            estimates.learn(predicate, 500 if predicate.name == common else 0, 500)
        state = Remembered(scene, engine.context.logic, estimates)
        told.add(_would_be_chosen(decision.rounds[0], decision.goal, schedule, state, 0))
    assert False in told
