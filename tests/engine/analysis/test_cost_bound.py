"""The most that a program can ask: no run asks more, whatever the oracle says and whatever the schedule."""

from __future__ import annotations

import pytest
from helpers.made_programs import BINARY, LEVELS, UNARY, LevelOracle, formulas, programs, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dsl
from dsl.vocabulary import Vocabulary
from neptune.engine import Engine
from neptune.engine.analysis.cost_bound import cost_bound
from neptune.engine.schedule import Schedule
from neptune.errors import NeptuneError

SCHEDULES = ["all", "lazy", Schedule(batch=2), Schedule("best-first"), Schedule("best-first", batch=4)]
MANY = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


pytestmark = pytest.mark.usefixtures("one_thread")


@st.composite
def branching(draw: st.DrawFn) -> str:
    """A program whose way depends on answers: branches, loops, numbers, values, objects, open questions."""

    def truth() -> str:
        return draw(formulas((), 2))

    def of(name: str) -> str:
        return draw(formulas((name,), 1))

    word, other = draw(st.sampled_from(UNARY)), draw(st.sampled_from(UNARY))
    relation, number = draw(st.sampled_from(BINARY)), draw(st.integers(0, 3))
    return draw(
        st.sampled_from(
            [
                f"if {truth()}:\n    return {truth()}\nelif {truth()}:\n    return {truth()}\nreturn {truth()}",
                f"n = 0\nfor o in objects:\n    if {word}(o):\n        n += 1\nif n > {number}:\n"
                f"    return {truth()}\nreturn n",
                f"found = [o for o in objects if {word}(o)]\n"
                f"return len(found) > {number} and {relation}(found[0], found[{number}])",
                f"n = count(Object, lambda x: {of('x')}) + count(Object, lambda x: {of('x')})\n"
                f'return n > {number} and score(f"is there a group of {{n}}?", 0)',
                f"c = describe(Color, point(Object, lambda x: {of('x')}))\n"
                f'if c == "red":\n    return c\nreturn exists(Object, lambda y: color(y, c) and {of("y")})',
                f'c = str(describe(Color, point(Object, lambda x: {of("x")})))\nreturn score(f"is it {{c}}?")',
                f"o = point(Object, lambda x: {of('x')})\n"
                f'if query("what is it?", o) == "red":\n    return {truth()}\nreturn query("where is it?", o)',
                f"best = topk(score('is it nice?'), 2)\nreturn {relation}(best[0], best[1]) and {truth()}",
                f"p = score('is it nice?').exists('x1').prob()\nq = score('is it old?').exists('x1').prob()\n"
                f"if p * 2 - q > 0.{number}:\n    return {truth()}\nreturn p < q",
                f"return [count(Object, lambda x: {of('x')}), {truth()}, {{'a': {truth()}}}]",
                f"a = point(Object, lambda x: {of('x')})\nb = point(Object, lambda x: {of('x')})\n"
                f"return {truth()} if a == b else {word}(a) and {other}(b)",
                f"return {truth()} if {truth()} and {truth()} else not {truth()}",
            ]
        )
    )


def asked(engine: Engine, program: str, scene) -> int:
    """Return the calls of a run, those before a mistake too."""
    before = engine.oracle.calls
    try:
        usage = engine.run(program, scene).usage
    except (dsl.ProgramError, NeptuneError):
        return engine.oracle.calls - before
    assert usage.oracle_calls == engine.oracle.calls - before
    return usage.oracle_calls


class Counting(LevelOracle):
    """Counts, and gives one of several answers to open questions."""

    calls = 0

    def score(self, requests):
        self.calls += sum(len(r.objects) for r in requests)
        return super().score(requests)

    def query(self, requests):
        self.calls += sum(len(r.objects) for r in requests)
        return [[("red", "blue")[self.seed % 2]] * len(r.objects) for r in requests]


@settings(max_examples=250, **MANY)
@given(
    st.lists(st.one_of(programs(), branching()), min_size=1, max_size=3),
    st.integers(0, 5),
    st.sampled_from([None, *LEVELS]),
    st.integers(0, 10**6),
    st.sampled_from(SCHEDULES),
    st.sampled_from(["godel", "product"]),
)
def test_no_run_asks_more(texts, n, levels, seed, schedule, logic):
    oracle = Counting(seed, LEVELS[levels] if levels else None)
    engine, scene = Engine(oracle=oracle, schedule=schedule, logic=logic), world(n)
    each, union, total = 0, None, 0
    for text in texts:
        try:
            worst = cost_bound(engine.context, text, n)
        except dsl.ProgramError:
            continue
        calls = asked(engine, text, scene)  # after the others: what they asked is known
        alone = asked(Engine(oracle=Counting(seed, oracle.levels), schedule=schedule, logic=logic), text, scene)
        if not worst.followed:
            return
        assert alone <= worst.calls <= worst.cells.total()
        total, each = total + calls, each + worst.calls
        if union is None:
            union = worst.cells
        else:
            union.add(worst.cells)
    if union is not None:
        assert total <= min(each, union.total())


@settings(max_examples=100, **MANY)
@given(programs(), st.integers(0, 5))
def test_what_branches_on_nothing_is_followed(text, n):
    assert cost_bound(Engine(oracle="random").context, text, n).followed


@pytest.mark.parametrize(
    ("program", "n", "calls", "union"),
    [
        ("exists(Object, lambda x: red(x) and cube(x))", 5, 10, 10),
        ("exists(Object, lambda x: exists(Object, lambda y: left(x, y)))", 5, 20, 20),
        ("exists(Object, lambda x: exists(Object, lambda y: same_color(x, y)))", 5, 10, 10),
        ('return score("is it night?", 0)', 5, 1, 1),
        ('if score("is it night?", 0):\n    return count(Object, lambda x: red(x))\nreturn 0', 5, 6, 6),
        # Both ways of a branch, of which one is taken:
        (
            'if score("is it night?", 0):\n    return count(Object, lambda x: red(x))\n'
            "return count(Object, lambda x: blue(x))",
            5,
            6,
            11,
        ),
        ("n = 0\nfor o in objects:\n    if red(o):\n        n += 1\nreturn n", 5, 5, 5),
        ('return query("what is it?", point(Object, lambda x: red(x)))', 5, 6, 10),
        ("count(Object, lambda x: red(x))", 0, 0, 0),
        # Derived from sizes:
        ("exists(Object, lambda x: exists(Object, lambda y: larger(x, y)))", 5, 10, 10),
    ],
)
def test_the_bound_is_what_the_worst_course_asks(program, n, calls, union):
    worst = cost_bound(Engine(oracle="random").context, program, n)
    assert worst.followed
    assert (worst.calls, worst.cells.total()) == (calls, union)


def test_what_is_read_off_the_boxes_is_not_counted():
    words = Vocabulary.from_data({"name": "places", "predicates": {"left": {"arity": 2, "derive": {"boxes": "left"}}}})
    program = "exists(Object, lambda x: exists(Object, lambda y: left(x, y) and red(y)))"
    assert cost_bound(Engine(oracle="random", vocabulary=words).context, program, 5).calls == 5
    assert cost_bound(Engine(oracle="random", vocabulary=None).context, program, 5).calls == 25


@pytest.mark.parametrize(
    "program",
    [
        'p = score("is it nice?").exists("x1").prob()\nreturn score(f"is it {p:.1f}?", 0)',
        'p = score("is it nice?").exists("x1").prob()\nreturn [red(o) for o in objects][int(p * 2)]',
        'p = score("is it nice?").exists("x1").prob()\nreturn float(p) > 0.6 and score("is it old?", 0)',
        'q = query("what is it?")\nreturn score(f"is it {q}?", 0)',
        'q = query("what is it?")\nif "red" in q:\n    return score("is it old?", 0)\nreturn False',
        "return [o for o in objects if red(o) or blue(o) or count(Object, lambda x: left(x, o)) > 1]",
    ],
)
def test_what_is_not_followed_says_so(program):
    assert not cost_bound(Engine(oracle="random").context, program, 12).followed
