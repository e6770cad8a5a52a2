"""What programs mean where Python's meaning would be another: truths, counts, numbers, sureness, empty pictures."""

from __future__ import annotations

import pytest

import dsl
from neptune.engine import Engine
from neptune.scene import Scene


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(oracle="scene")


@pytest.fixture
def eight() -> Scene:
    return Scene.synthetic(8, seed=1)


def refused(engine: Engine, program: str, scene: Scene) -> dsl.ProgramError:
    with pytest.raises(dsl.ProgramError) as caught:
        engine.run(program, scene)
    return caught.value


# --- plain values where a truth is meant ---------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ('exists(Object, lambda x: color(x) == "red" or "blue")', 'did you mean color(x) == "blue"?'),
        ("count(Object, lambda x: color(x) != red and blue)", 'did you mean color(x) != "blue"?'),
        ("count(Object, lambda x: cube(x) or sphere)", "did you mean sphere(x)?"),
        ("count(Object, lambda x: sphere or cube(x))", "did you mean sphere(x)?"),
        ("all(Object, lambda block: cube(block) and shiny)", "did you mean shiny(block)?"),
        ("count(Object, lambda x: not cube)", "did you mean cube(x)?"),
        ("count(Object, lambda x: cube(x) and not sphere)", "did you mean sphere(x)?"),
        ("count(Object, lambda x: red(x) and (cube or sphere))", "did you mean cube(x)?"),
        ("[o for o in Object if cube]", "did you mean cube(o)?"),
        ('not "cube"', "did you mean exists(Object, lambda x: cube(x))?"),
        ("red or blue", "did you mean exists(Object, lambda x: red(x))?"),
        ('if red:\n    return "yes"\nreturn "no"', "did you mean exists(Object, lambda x: red(x))?"),
        ("exists(Object, lambda x: red(x) and 3)", "compare it with something"),
        ("exists(Object, lambda x: cube(x) and [1])", "compare it with something"),
        ('exists(Object, lambda x: red(x)) and "heavy" or "light"', "compare it with something"),
        ('def f(x, n):\n  return red(x) and n\nreturn exists(Object, lambda x: f(x, 3))', "compare it with something"),
        ("exists(Object, lambda x: red(x)) or None", "compare it with something"),
        ("exists(Color, lambda c: exists(Object, lambda x: color(x, c)) and c)", "compare it with something"),
    ],
)  # fmt: skip
def test_a_text_or_a_number_is_no_truth_beside_a_formula(engine: Engine, eight: Scene, program: str, hint: str) -> None:
    error = refused(engine, program, eight)
    assert "is no truth value" in error.what
    assert error.hint == hint
    assert error.span is not None


@pytest.mark.parametrize(
    ("program", "value", "note"),
    [
        ("reds = [o for o in Object if red(o)]\nreturn reds and exists(Object, lambda x: cube(x))", True, "a list"),
        ("n = 2\nreturn n and exists(Object, lambda x: cube(x))", True, "a number"),
        ("best = None\nreturn exists(Object, lambda x: cube(x)) and best", False, "None"),
    ],
)  # fmt: skip
def test_what_a_variable_holds_keeps_pythons_meaning_and_is_reported(
    engine: Engine, eight: Scene, program: str, value: bool, note: str
) -> None:
    answer = engine.run(program, eight)
    assert answer.value is value
    assert any(n.startswith(f"{note} beside a formula was read as in Python") for n in answer.notes)


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ('name = ""\nreturn name or "unknown"', "unknown"),
        ('name = "a"\nif name and not False:\n    name = name + "b"\nreturn name', "ab"),
        ("items = []\nreturn 1 if not items else 2", 1),
        ('shade = "red"\nreturn count(Object, lambda x: not shade or color(x) == shade)', 1),
        ("exists(Object, lambda x: red(x) and True)", True),
    ],
)
def test_plain_values_among_themselves_are_pythons(engine: Engine, eight: Scene, program: str, value: object) -> None:
    answer = engine.run(program, eight)
    assert answer.value == value
    assert answer.notes == ()


# --- counts that choose --------------------------------------------------------------------------


@pytest.mark.parametrize("logic", ["godel", "product", "lukasiewicz"])
@pytest.mark.parametrize("seed", range(4))
def test_a_count_chooses_the_largest(logic: str, seed: int) -> None:
    engine, scene = Engine(oracle="scene", logic=logic), Scene.synthetic(9, seed=seed)
    colors = engine.run("[count(Object, lambda x: color(x, c)) for c in Color]", scene).value
    values = engine.vocabulary.values("Color")
    for word in ("iota", "the", "point", "describe", "argmax"):
        answer = engine.run(f"{word}(Color, lambda c: count(Object, lambda x: describe(Color, x) == c))", scene)
        assert colors[values.index(answer.value)] == max(colors)
        assert "a count as what is chosen by was read as: no other has a larger one" in answer.notes
    lefts = engine.run("[count(Object, lambda y: left(y, o)) for o in Object]", scene).value
    for program in (
        "argmax(Object, lambda x: count(Object, lambda y: left(y, x)))",
        "iota(Object, lambda x: count(Object, lambda y: left(y, x)))",
        "best([o for o in Object], lambda x: count(Object, lambda y: left(y, x)))",
    ):
        assert lefts[engine.run(program, scene).value] == max(lefts)


def test_a_count_chooses_inside_a_quantifier(engine: Engine, eight: Scene) -> None:
    rival = "argmax(Object, lambda x: count(Object, lambda y: left(y, x) and not same_object(y, z)))"
    answer = engine.run(f"exists(Object, lambda z: same_object(z, {rival}))", eight)
    assert answer.value is True
    assert engine.run("exists(Object, lambda x: count(Object, lambda y: left(y, x)))", eight).notes == (
        "a count used as a truth value was read as 'count > 0'",
    )


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("sum([int(color(o, c)) for o in Object for c in Color])", 8),
        ("sum([cube(o) for o in Object]) == count(Object, lambda x: cube(x))", True),
        ("sum([cube(o) for o in Object], 10) - count(Object, lambda x: cube(x))", 10),
        ("int(exists(Object, lambda x: cube(x)))", 1),
        ("float(cube(point(Object, lambda x: cube(x)))) > 0.9", True),
        ("round(2.567, digits=1)", 2.6),
        ("round(2.567, 2)", 2.57),
        ("max([1, -5], key=lambda v: -v)", -5),
        ("min([1, -5], key=lambda v: -v)", 1),
        ("max([], default=4)", 4),
        ("max([3], default=4)", 3),
        ("max([o for o in Object], key=lambda o: count(Object, lambda x: left(x, o))) == "
         "argmax(Object, lambda o: count(Object, lambda x: left(x, o)))", True),
        ("sum([1, 2], 10)", 13),
        ("sum([1, 2], start=10)", 13),
        ("sorted([3, 1, 2], None, True)", [3, 2, 1]),
        ("sorted([3, -4], lambda v: v * v)", [3, -4]),
        ('len(topk(score("is the object in the red box red?"), k=3))', 3),
        ('count(Object, lambda x: cube(x)) < float("inf")', True),
        ('float("inf") == count(Object)', False),
        ('exists(Object, lambda x: count(Object, lambda y: left(x, y)) > float("inf"))', False),
        ('low = float("inf")\nfor n in [4, 2, count(Object)]:\n    if n < low:\n        low = n\nreturn low', 2),
    ],
)  # fmt: skip
def test_numbers(engine: Engine, eight: Scene, program: str, value: object) -> None:
    assert engine.run(program, eight).value == value


@pytest.mark.parametrize(
    "program",
    [
        'float("nan")',
        'round(float("inf"))',
        'range(float("inf"))',
        '[1, 2][float("inf")]',
        'topk(score("red?"), float("inf"))',
        'float("inf") - float("inf")',
        'float("inf")',
        '"a,b".split(sep=",")',
        '{}.get("b", default=3)',
        'score("red?").exists("x1", distinct=False)',
        'query("what is it?", n=1)',
        "round(2.5, places=1)",
    ],
)
def test_numbers_and_names_of_arguments_without_a_meaning_are_errors(
    engine: Engine, eight: Scene, program: str
) -> None:
    assert refused(engine, program, eight).span is not None


# --- how sure an answer is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "probability"),
    [
        ("1 < 2", 1.0),
        ("exists(Object, lambda x: red(x) or True)", 1.0),
        ('t = topk(score("is the object in the red box red?"), 1)\nreturn len(t) == 1', None),
        ('t = topk(score("is the object in the red box red?"), 2)\nreturn t[0] == t[1]', None),
    ],
)
def test_what_follows_from_an_order_claims_no_probability(
    engine: Engine, eight: Scene, program: str, probability: float | None
) -> None:
    answer = engine.run(program, eight)
    assert (answer.kind, answer.probability) == ("truth", probability)


def test_the_keys_of_a_dict_are_words_of_the_language(engine: Engine, eight: Scene) -> None:
    answer = engine.run("{o: describe(Shape, o) for o in Object if red(o)}", eight)
    assert list(answer.value) == ["object 0"]
    pairs = engine.run("{(o, 1): 2 for o in Object if red(o)}", eight)
    assert pairs.value == {"(object 0, 1)": 2}


# --- a picture of nothing ------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["lazy", "all"])
@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("describe(Color, iota(Object, lambda x: red(x)))", "nothing"),
        ("color(point(Object, lambda x: red(x)))", "nothing"),
        ("iota(Object, lambda x: red(x))", "nothing"),
        ("red(iota(Object, lambda x: red(x)))", "truth"),
        ('describe(Color, iota(Object, lambda x: red(x))) == "red"', "truth"),
        ('color(iota(Object, lambda x: red(x))) == "red"', "truth"),
        ("exists(Object, lambda x: left(x, point(Object, lambda y: red(y))))", "truth"),
    ],
)
def test_nothing_is_described_in_an_empty_picture(schedule: str, program: str, kind: str) -> None:
    engine = Engine(oracle="scene", schedule=schedule)
    answer = engine.run(program, Scene.synthetic(0), presuppositions="answer")
    assert (answer.kind, answer.value) == (kind, None if kind == "nothing" else False)
    assert len(answer.presuppositions) == 1
    withheld = engine.run(program, Scene.synthetic(0))
    assert (withheld.kind, withheld.value, withheld.why) == (kind, None, "presupposition")


# --- what stands in an object's place ------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "same"),
    [
        ("iota(Object, lambda x: left(x, Object))", "iota(Object, lambda x: forall(Object, lambda y: left(x, y)))"),
        ("red(Object)", "forall(Object, lambda x: red(x))"),
        ("sum(Object, lambda x: red(x))", "count(Object, lambda x: red(x))"),
        ("sum(Object, lambda x: count(Object, lambda y: left(x, y)))",
         "sum([count(Object, lambda y: left(x, y)) for x in Object])"),
        ("primary(red)", 'score("is red primary?", 0)()'),
        ("count(Color, lambda c: primary(c))", 'count([score(f"is {c} primary?", 0)() for c in Color])'),
        ("likes(red, 'deep_blue')", 'score("is red likes deep blue?", 0)()'),
        ("exists(Object, lambda x: made_of(x, iota(Material, lambda m: metal(m))))",
         'exists(Object, lambda x: made_of(x, "metal"))'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("schedule", ["all", "lazy"])
def test_in_an_objects_place_stands_every_object_or_a_value(program: str, same: str, schedule: str) -> None:
    engine = Engine(oracle="random", vocabulary="clevr", schedule=schedule)
    for seed in range(5):
        scene = Scene.synthetic(5, seed=seed)
        read, meant = engine.run(program, scene), engine.run(same, scene)
        assert (read.value, read.kind) == (meant.value, meant.kind)
        assert read.notes or "sum" in program


def test_a_known_predicate_of_values_alone_stays_an_error() -> None:
    engine = Engine(oracle="random", vocabulary="clevr")
    for program in ("exists(Color, lambda c: cube(c))", 'left("red", "blue")'):
        assert "texts only" in refused(engine, program, Scene.synthetic(4)).what
