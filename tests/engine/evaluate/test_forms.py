"""Programs filled in from a form are what they would be, made ready each by itself."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import dsl
import neptune.tasks
from dsl.errors import ProgramError
from dsl.plan.guards import insert_guards
from neptune.engine import Engine
from neptune.engine.analysis import inspection_batch
from neptune.engine.evaluate.stage import NotBatchable, Stage
from neptune.engine.interpret.values import needed
from neptune.engine.schedule.pushdown import push_down
from neptune.engine.session.forms import forms
from neptune.engine.session.forms.forms import Forms
from neptune.engine.session.forms.ready import ready
from neptune.engine.session.forms.words import exchangeable, with_placeholders
from neptune.engine.session.precompiled import Precompiled, precompile, told
from neptune.engine.session.program_paths import Given, follow

SAMPLE = Path(__file__).resolve().parents[3] / "examples" / "clevr"
VALUES = ("red", "blue", "gray", "cube", "sphere", "metal", "rubber", "small", "large")
RELATIONS = ("left", "right", "front", "behind")

WRITTEN = (
    "exists(Object, lambda x: red(x))",
    "exists(Object, lambda x: red(x) and cube(x) and small(x))",
    "exists(Object, lambda x: not red(x) and cube(x))",
    "exists(Object, lambda x: not (red(x) and cube(x) and small(x)))",
    "all(Object, lambda x: red(x) and cube(x) and small(x))",
    "all(Object, lambda x: red(x) and cube(x) and small(x) and left(x, iota(Object, lambda y: blue(y) and metal(y))))",
    "all(Object, lambda x: (red(x) and cube(x) and small(x)) or left(x, iota(Object, lambda y: blue(y))))",
    "exists(Object, lambda x: red(x) and red(x))",
    "exists(Object, lambda x: red(x) and left(x, iota(Object, lambda y: red(y))) and right(x, iota(Object, lambda y: "
    "red(y))) and cube(x))",
    "exists(Object, lambda x: exists(Object, lambda y: left(x, y) and right(y, x) and red(x) and blue(y)))",
    "exists(Object, lambda x: right(x, iota(Object, lambda y: cube(y) and small(y) and behind(y, iota(Object, lambda z:"
    " metal(z))))))",
    "describe(Color, iota(Object, lambda x: right(x, iota(Object, lambda y: red(y)))))",
    "describe(Color, iota(Object, lambda x: cube(x) and right(x, iota(Object, lambda y: red(y) and cube(y)))))",
    "describe(Shape, iota(Object, lambda x: red(x) and same_size(x, iota(Object, lambda y: blue(y) and small(y)))))",
    "count(Object, lambda x: larger(x, iota(Object, lambda y: red(y)))) > count(Object, lambda x: large(x))",
    "same_color(iota(Object, lambda x: red(x)), iota(Object, lambda x: red(x)))",
    "same_color(iota(Object, lambda x: red(x)), iota(Object, lambda x: cube(x)))",
    "red(iota(Object, lambda x: cube(x)))",
    "exists(Object, red)",
    "exists(Object, lambda x: left(x, red(x)))",
    "exists(Object, lambda x: left(x) and red(x))",
    "exists(Object, lambda x: ball(x) and shiny(x) and red(x))",
    'exists(Object, lambda x: color(x, "red") and cube(x))',
    "exists(Object, lambda x: Red(x))",
    "exists(Object, lambda x: leftmost(x) and red(x))",
    "iota(Object, lambda x: red(x) and cube(x))",
    "point(Object, lambda x: red(x) and cube(x))",
    "exists(Object, lambda x: red(x) == cube(x) and small(x))",
    "exists(Object, lambda x: (red(x) and cube(x)) == (small(x) and metal(x)))",
    "count(Object, lambda x: (red(x) or blue(x)) and (cube(x) and small(x) or sphere(x)))",
    "exists(Object, lambda x: some0(x) and red(x))",
    "exists(Object, lambda red: red(red))",
    "red = 3\nexists(Object, lambda x: red(x))",
    "exists(Object, lambda x: redd(x) and cube(x)",
    # a relation of one object and a word: a text of its own
    "describe(Shape, lambda k: Shape(k, iota(Object, lambda x: behind(x, sphere) and behind(x, cube) and metal(x))))",
    "exists(Object, lambda x: left(x, cube) and red(x))",
    "count(Object, lambda x: right(x, ball) or small(x))",
    "exists(Object, lambda x: front(x, metal))",
    "exists(Object, lambda x: behind(x, thing) and blue(x))",
    "describe(Color, iota(Object, lambda x: left(x, iota(Object, lambda y: red(y) and unheard_of(y)))))",
    "exists(Object, lambda x: near(x, cube) and left(x, wall) and red(x))",
)


def odd_texts() -> list[str]:
    """Return texts of words where no vocabulary expects them: whatever a model may write."""
    heads = (
        "exists(Object, lambda x: {})",
        "count(Object, lambda x: {})",
        "describe(Color, iota(Object, lambda x: {}))",
    )
    heads += ("iota(Shape, lambda k: exists(Object, lambda x: shape(x, k) and {}))",)
    told = [
        f"{r}(x, {w})" for r in (*RELATIONS, "near", "same_color") for w in (*VALUES, "thing", "Object", "x", "wall")
    ]
    told += [f"{w}({v})" for w in (*VALUES, "hidden", "large_red") for v in ("x", "Object", "red", "cube")]
    rng = random.Random(3)
    return [rng.choice(heads).format(" and ".join([a, *rng.sample(told, rng.randint(0, 2))])) for a in told]


def made_texts(count: int) -> list[str]:
    """Return random texts: nested descriptions, connectives, brackets."""
    rng = random.Random(5)

    def said(v: str, depth: int) -> str:
        parts = [f"{w}({v})" for w in rng.sample(VALUES, rng.randint(0, 3))]
        if depth and (rng.random() < 0.8 or not parts):
            parts.insert(rng.randint(0, len(parts)), f"{rng.choice(RELATIONS)}({v}, {one(depth - 1)})")
        parts = parts or [f"{rng.choice(VALUES)}({v})"]
        if rng.random() < 0.2:
            parts[0] = f"not {parts[0]}"
        text = (" or " if rng.random() < 0.2 else " and ").join(parts)
        return f"({text}) and {rng.choice(VALUES)}({v})" if rng.random() < 0.2 else text

    def one(depth: int) -> str:
        v = "xyz"[depth]
        return f"iota(Object, lambda {v}: {said(v, depth)})"

    heads = ["exists(Object, lambda x: {})", "count(Object, lambda x: {})", "all(Object, lambda x: {})"]
    heads += ["describe(Color, iota(Object, lambda x: {}))", "iota(Object, lambda x: {})"]
    return [rng.choice(heads).format(said("x", rng.randint(0, 2))) for _ in range(count)]


def gold(name: str) -> list[str]:
    return [sample.gold() for sample in neptune.tasks.load(name, SAMPLE).samples]


def stage(of: Stage) -> tuple[Any, ...]:
    return (of.truths, of.main, of.presupposed, of.relative, of.leaves, of.parts) + tuple(
        getattr(of.template, name) for name in ("node", "predicates", "objects")
    )


def said(layout: Any) -> list[Any]:
    lines = [(x.row, inspection_batch._atom(x.node), x.truths, x.vars, list(x.said.items())) for x in layout.shown]
    return [*lines, stage(layout.stage), layout.line, layout.margin, layout.goal.kind, layout.goal.soft]


def tried(make: Callable[[], Precompiled]) -> tuple[Precompiled | None, str]:
    try:
        return make(), ""
    except (NotBatchable, ProgramError) as error:
        return None, f"{type(error).__name__}: {error}"


def compared(texts: list[str], logic: str = "godel") -> int:
    """Compare each text filled in with the same text made ready by itself; return how many were filled in."""
    context, filled = Engine(oracle="random", logic=logic).context, 0
    insides, known = inspection_batch.Insides(context), Forms(context)
    for text in texts:
        alone, wrong = tried(partial(precompile, context, text))
        made, wrong_too = tried(partial(known.made, text))
        assert wrong == wrong_too
        if made is None or alone is None:
            continue
        for name in ("need", "text", "line", "notes", "names", "settled", "told", "chain"):
            assert getattr(made, name) == getattr(alone, name), (text, name)
        assert stage(made.stage) == stage(alone.stage), text
        assert (made.choice is None) == (alone.choice is None)
        if made.form is not None:
            filled += 1
            layout = insides._filled(*made.form)
            if layout is not None:
                assert said(layout) == said(inspection_batch._laid_out(context, alone)), text
    return filled


def test_written_texts() -> None:
    assert compared(list(WRITTEN)) >= 12


def test_words_where_none_is_expected() -> None:
    compared(odd_texts())


@pytest.mark.parametrize("logic", ["godel", "product"])
def test_made_texts(logic: str) -> None:
    assert compared(made_texts(100), logic) > 60


@pytest.mark.parametrize("name", ["clevr", "clevr-refexps", "clevr-puzzle"])
def test_gold_programs(name: str) -> None:
    texts = gold(name)
    assert compared(texts) > 0.9 * len(texts)


def test_texts_made_ready_for_a_schedule_have_the_plans_that_they_have_alone() -> None:
    context, filled = Engine(oracle="random", schedule="lazy").context, 0
    texts = [*WRITTEN, *made_texts(100), *gold("clevr"), *gold("clevr-puzzle")]
    for text in [*texts, *odd_texts()]:
        found = ready(context, text, 5)
        if found is None:
            continue
        filled += 1
        conventions = context.vocabulary, context.limits, context.distinct_variables
        checked = dsl.check(text, vocabulary=context.vocabulary, limits=context.limits)
        alone = follow(checked.program, Given(None, limits=context.limits), *conventions)
        need = needed(alone.value)
        assert need == found.need, text
        assert (alone.line, alone.names, told(checked.program, alone.line)) == (found.line, found.names, found.told), (
            text
        )
        guarded = insert_guards(found.need.of)
        assert (guarded, push_down(guarded)) == (found.guarded, found.pushed), text
        assert (*alone.notes, *checked.notes, alone.takes) == (False,), text
    assert filled > 0.7 * len(texts)


def test_programs_of_one_form_are_made_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def counted(context: Any, text: str) -> Any:
        seen.append(text)
        return precompile(context, text)

    monkeypatch.setattr(forms, "precompile", counted)
    known = Forms(Engine(oracle="random").context)
    for colour in ("red", "blue", "gray"):
        for relation in RELATIONS:
            known.made(f"count(Object, lambda x: {relation}(x, iota(Object, lambda y: {colour}(y) and small(y))))")
    assert len(seen) == 1
    assert not set(re.findall(r"\w+", seen[0])) & {*VALUES, *RELATIONS}


def test_words_about_which_more_is_known_are_not_exchanged() -> None:
    values, relations = exchangeable(Engine(oracle="random").context.vocabulary)
    assert values >= set(VALUES)
    assert relations == set(RELATIONS)  # larger is derived, same_size symmetric


def test_placeholders_are_known_as_the_words_are() -> None:
    vocabulary = Engine(oracle="random").context.vocabulary
    extended = with_placeholders(vocabulary)
    for value in VALUES:
        for name in ("some0", "some0a", "more3"):
            assert extended.arities(name) == vocabulary.arities(value)
            assert extended.of(name, 1) == vocabulary.of(value, 1)
            assert extended.is_vacuous(name) == vocabulary.is_vacuous(value)
    for one, other in (("than0a", "than0b"), ("than0b", "than0a")):
        assert extended.converse(one) == other
        assert extended.arities(one) == vocabulary.arities("left")
        assert extended.of(one, 2) == vocabulary.of("left", 2)
    with pytest.raises(NotBatchable):
        Forms(Engine(oracle="random").context).made("if exists(Object, lambda x: red(x)):\n    return 1\nreturn 2")
