"""Needs of the values themselves (a ranking, a key, who belongs to a sort): asked lazily, they get the same answer."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import pytest
from helpers.made_programs import BINARY, LEVELS, LOGICS, MANY, SCHEDULES, UNARY, LevelOracle, chains, formulas, world
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from dsl.vocabulary import Vocabulary
from neptune.engine import Engine
from neptune.engine.schedule import Schedule
from neptune.engine.session.soft_answers import soft_answers

CLEVR = json.loads((Path(__file__).resolve().parents[3] / "prompts/vocabulary/clevr.json").read_text(encoding="utf-8"))
SHAPES = {
    "topk": "topk(iota(Object, lambda x: {body}), {k})",
    "key of max": "max([o for o in Object], key=lambda x: {body})",
    "sorted": "sorted([o for o in Object], key=lambda x: {body}, reverse=True)",
    "among": "exists(Object, lambda y: among(y, topk(iota(Object, lambda x: {body}), {k})) and red(y))",
    "members": "[o for o in Chosen]",
    "members in a formula": "count(Chosen, lambda y: {other}(y))",
    "ranked members": "topk(iota(Chosen, lambda y: {other}(y)), {k})",
}


pytestmark = pytest.mark.usefixtures("one_thread")


@st.composite
def nested(draw: st.DrawFn) -> str:
    """A formula of x with quantifiers inside quantifiers over literals, as definitions of sorts are."""
    names = ["x", *(f"y{i}" for i in range(draw(st.integers(1, 3))))]
    literals = []
    for _ in range(draw(st.integers(len(names), 2 * len(names)))):
        if draw(st.booleans()):
            literal = f"{draw(st.sampled_from(UNARY))}({draw(st.sampled_from(names))})"
        else:
            first, second = draw(st.permutations(names))[:2]
            literal = f"{draw(st.sampled_from(BINARY))}({first}, {second})"
        literals.append(("not " if draw(st.integers(0, 3)) == 0 else "") + literal)
    body = draw(st.sampled_from([" and ", " or "])).join(literals)
    for name in reversed(names[1:]):
        body = f"{draw(st.sampled_from(['exists', 'forall']))}(Object, lambda {name}: ({body}))"
    return body


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, str]:
    """A program that needs values themselves, and the definition of its sort `Chosen`."""
    body = draw(st.one_of(nested(), nested(), formulas(("x",), 3), chains()))
    shape, k, other = draw(st.sampled_from(sorted(SHAPES))), draw(st.integers(1, 4)), draw(st.sampled_from(UNARY))
    return SHAPES[shape].format(body=body, k=k, other=other), body


@lru_cache(maxsize=64)
def words(where: str) -> Vocabulary:
    sorts = {**CLEVR["sorts"], "Chosen": {"of": "Object", "where": f"lambda x: {where}"}}
    return Vocabulary.from_data({**CLEVR, "name": "clevr-with-chosen", "sorts": sorts})


def answer(program: str, where: str, n: int, seed: int, levels: str | None, logic: str, **options):
    oracle = LevelOracle(seed, LEVELS[levels] if levels else None)
    try:
        return Engine(oracle=oracle, vocabulary=words(where), logic=logic, **options).run(program, world(n))
    except dsl.ProgramError as error:
        return str(error)


def check(case, n: int, levels: str | None, seed: int, logic: str, schedule: Schedule | str) -> None:
    program, where = case
    if levels == "ties" and logic != "godel":
        levels = None  # the order of operations decides between equals there, in the last bit
    everything = answer(program, where, n, seed, levels, logic, schedule="all", planner="naive")
    lazy = answer(program, where, n, seed, levels, logic, schedule=schedule)
    if isinstance(everything, str) or isinstance(lazy, str):
        assert everything == lazy
        return
    assert "missing evidence" not in (everything.why, lazy.why), lazy.trace
    assert (everything.value, everything.abstained) == (lazy.value, lazy.abstained)
    assert lazy.usage.oracle_calls <= everything.usage.oracle_calls


@settings(max_examples=200, **MANY)
@given(
    cases(),
    st.integers(0, 5),
    st.sampled_from([None, "crisp", "sure", "ties"]),
    st.integers(0, 10**6),
    st.sampled_from(LOGICS),
    st.sampled_from([*SCHEDULES, "all"]),
)
def test_same_values_and_nothing_is_missing(case, n, levels, seed, logic, schedule):
    check(case, n, levels, seed, logic, schedule)


@pytest.mark.parametrize("logic", ["godel", "product", "lukasiewicz"])
@pytest.mark.parametrize("schedule", SCHEDULES[1:])
def test_a_known_minimum_is_known_though_not_everything_was_asked(logic, schedule):
    """An object to whose right nothing is: of that the other conditions of a quantifier need not be asked."""
    body = "exists(Object, lambda y: left(x, y) and red(y))"
    lazier = False
    for seed in range(12):
        program = f"topk(iota(Object, lambda x: {body}), 2)"
        check((program, body), 3, "crisp", seed, logic, schedule)
        check(("[o for o in Chosen]", body), 3, "crisp", seed, logic, schedule)
        calls = [
            answer(program, body, 3, seed, "crisp", logic, schedule=s).usage.oracle_calls for s in ("all", schedule)
        ]
        lazier |= calls[1] < calls[0]
    assert lazier


@pytest.mark.parametrize("logic", ["product", "lukasiewicz", "frank:0.1"])
@pytest.mark.parametrize("shape", ["topk", "key of max", "sorted", "among", "more than another"])
def test_of_equally_good_ones_the_order_of_operations_chooses_none(logic, shape):
    """Another schedule adds in another order, which moves the last bit of a score."""
    body = "forall(Object, lambda y: (not right(x, y) or not red(x) or not red(y) or not red(y)))"
    of_each = f"[float({body.replace('(x, y)', '(o, y)').replace('red(x)', 'red(o)')}) for o in Object]"
    more = f"p = {of_each}\nreturn [a > b for a in p for b in p]"
    program = more if shape == "more than another" else SHAPES[shape].format(body=body, k=1)
    for seed in range(8):
        check((program, body), 3, "crisp", seed, logic, Schedule())


@pytest.mark.parametrize("schedule", ["all", "lazy"])
@pytest.mark.parametrize("body", ["left(x, x)", "exists(Object, lambda y: red(y))", "same_object(x, x)"])
def test_what_is_the_same_for_every_object_is_ranked_too(body, schedule):
    """Of equals the first come first."""
    engine, program = Engine(oracle=LevelOracle(1), schedule=schedule), f"topk(iota(Object, lambda x: {body}), 2)"
    assert engine.run(program, world(3)).value == [0, 1]
    assert engine.run(program, world(0)).value == []
    (soft,) = soft_answers(engine.context, [(f"len({program})", world(3))])
    assert soft is not None
    assert float(soft.probability(2).detach()) == pytest.approx(1.0)
