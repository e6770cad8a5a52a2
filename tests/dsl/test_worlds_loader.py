"""What a world file may say, and what is wrong with one that says it otherwise."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import dsl
from dsl import ProgramError
from dsl.check.checker import check_definitions
from dsl.vocabulary import Vocabulary, VocabularyError
from neptune.errors import ConfigError
from neptune.resources import vocabulary_of

WORLD: dict[str, Any] = {
    "name": "boxes",
    "closed": True,
    "sorts": {
        "Color": {"values": ["yellow", "black"], "wording": {"black": "is {first} black?"}},
        "Box": {"container": True, "places": [[0, 0, 0.4, 1], [0.6, 0, 1, 1]]},
        "Block": {"of": "Object", "where": "lambda x: black(x)"},
        "Tower": {"of": "Box", "where": "lambda b: height(b) > 1"},
    },
    "geometry": {"unit": "container", "gap": 0.02, "tolerance": 0.01},
    "predicates": {
        "inside": {"arity": 2, "derive": {"geometry": "inside"}},
        "above": {"arity": 2, "converse": "below", "derive": {"geometry": "above", "within": "Box"}},
        "below": {"arity": 2, "converse": "above"},
        "touching": {"arity": 2, "derive": {"geometry": "touching", "gap": 3, "unit": "pixel"}},
        "touching_edge": {"derive": {"geometry": "edge"}},
        "open": {"of": ["Box"], "wording": "is {first} open?"},
    },
    "definitions": {
        "on": "lambda x, y: above(x, y) and touching(x, y)",
        "height": {"means": "lambda b: count(Object, lambda x: inside(x, b))", "doc": "how many are in it"},
        "top": "lambda b: iota(Object, lambda x: inside(x, b) and not exists(Object, lambda y: above(y, x)))",
        "lone": ["lambda x: not exists(Object, lambda y: together(x, y))", "lambda x, y: not together(x, y)"],
        "together": "lambda x, y: exists(Box, lambda b: inside(x, b) and inside(y, b))",
    },
    "synonyms": {"upon": "on", "dark": "black"},
}
del WORLD["predicates"]["open"]
WORLD["predicates"]["is_open"] = {"of": ["Box"], "wording": "is {first} open?"}


def world(**changes: Any) -> dict[str, Any]:
    """Return the file with a field changed: ``world(**{"predicates.on": {}})``."""
    data = copy.deepcopy(WORLD)
    for path, value in changes.items():
        row, *names = data, *path.split(".")
        for name in names[:-1]:
            row = row.setdefault(name, {})
        row[names[-1]] = value
    return data


def test_a_world_says_what_its_words_are() -> None:
    words = Vocabulary.from_data(WORLD)
    check_definitions(words)
    assert words.containers == ("Box",)
    assert words.kind("Tower") == "Box"
    assert words.kind("Block") == words.kind("Object") == "Object"
    assert words.of("inside", 2) == ("Object", "Box")
    assert words.of("on", 2) == ("Object", "Object")
    assert words.of("height", 1) == ("Box",)
    assert {d.name: d.gives for d in words.definitions.values()} == {
        **dict.fromkeys(("on", "lone", "together", "Block", "Tower"), "truth"),
        "height": "number",
        "top": "object",
    }
    assert words.definition("upon", 2) is words.definition("on", 2)
    assert words.derived("below", 2) == words.derived("above", 2).converse  # type: ignore[union-attr]
    assert words.derived("above", 2).geometry.gap == 0.02  # type: ignore[union-attr]
    assert words.derived("touching", 2).geometry.unit == "pixel"  # type: ignore[union-attr]
    assert words.symmetric("touching")
    assert words.wording("black") == "is {first} black?"
    assert words.knows("lone", 1)
    assert words.knows("lone", 2)
    assert not words.knows("lone", 3)


WRONG = [
    # names that can not be used
    ({"predicates.in": {"arity": 2}}, "predicates.in: 'in' is a word of the language"),
    ({"predicates.count": {"arity": 1}}, "'count' is a built-in"),
    ({"predicates.open": {"arity": 1}}, "'open' is kept out of the language"),
    ({"definitions.is": "lambda x: black(x)"}, "definitions.is: 'is' is a word of the language"),
    ({"definitions.len": "lambda b: count(Object)"}, "'len' is a built-in"),
    ({"synonyms.all": "black"}, "synonyms.all: 'all' is a built-in"),
    ({"sorts.Color.values": ["yellow", "black", "max"]}, "sorts.Color.values: 'max' is a built-in"),
    ({"sorts.Object": {"values": ["a"]}}, "Object is a sort of every world"),
    ({"predicates.two words": {"arity": 1}}, "'two words' is no name"),
    ({"predicates.__x": {"arity": 1}}, "'__x' is no name"),
    # one word, two meanings
    ({"sorts.Paint": {"values": ["black", "white"]}}, "'black' is in sorts.Color.values too"),
    ({"sorts.Color.values": ["yellow", "black", "black"]}, "'black' is there twice"),
    ({"sorts.Color.values": ["yellow", "black", "Black"]}, "'Black' is there twice, once as 'black'"),
    ({"predicates.black": {"arity": 1}}, "'black' is in sorts.Color.values too"),
    ({"predicates.color": {"arity": 2}}, "'color'.* is in sorts.Color too"),
    ({"definitions.above": "lambda x, y: below(y, x)"}, "'above' is in predicates.above too"),
    ({"sorts.Colour": {"attribute": "color", "values": ["red"]}}, "is in sorts.Color too"),
    ({"definitions.on": ["lambda x, y: above(x, y)", "lambda a, b: above(a, b)"]}, "defined twice with 2"),
    # synonyms
    ({"synonyms.darkish": "dark"}, "'dark' is a synonym itself. Name what it stands for: 'black'"),
    ({"synonyms.yellow": "black"}, "'yellow' has a meaning of its own"),
    ({"synonyms.Dark": "yellow"}, "'Dark' is the same word, and means 'yellow'"),
    ({"synonyms.murky": "blak"}, "no word 'blak'. did you mean 'black'"),
    ({"sort_synonyms": {"Hue": "Colr"}}, "no sort 'Colr'. did you mean 'Color'"),
    # arities
    ({"predicates.near": {"arity": True}}, "'arity' is a number"),
    ({"predicates.near": {"arity": 9}}, "at most 5 arguments"),
    ({"predicates.near": {"arity": 1, "symmetric": True}}, "'symmetric' is said of a predicate of two"),
    ({"predicates.near": {"arity": 1, "same": "color"}}, "'same' is said of a predicate of two"),
    ({"predicates.near": {"arity": 2, "same": "colr"}}, "no sort has the attribute 'colr'"),
    ({"predicates.near": {"arity": 2, "of": ["Object"]}}, "1 sorts for 2 argument"),
    ({"predicates.near": {"arity": 2, "of": ["Object", "Color"]}}, "expected one of Object, Any, Box, Block, Tower"),
    ({"superlatives": {"topmost": {"comparative": "black"}}}, "'black' is no relation of two"),
    # wording
    ({"predicates.near": {"arity": 2, "wording": "is {first} near {other}?"}}, "expected words, or a question with"),
    ({"predicates.near": {"arity": 2, "wording": "is {first} near?"}}, "does not say where {second} is"),
    ({"predicates.near": {"arity": 2, "wording": "{"}}, "predicates.near.wording"),
    ({"predicates.near": {"arity": 2, "wording": 3}}, "'wording' is a text"),
    ({"sorts.Color.wording": {"red": "is it red?"}}, "'red' is none of its values"),
    # sorts of things
    ({"sorts.Box.values": ["a"]}, "a sort of containers has no 'values'"),
    ({"sorts.Block.values": ["a"]}, "a part of another sort has no 'values'"),
    ({"sorts.Block": {"of": "Object"}}, "'where' is missing"),
    ({"sorts.Block": {"where": "lambda x: black(x)"}}, "'of' is missing"),
    ({"sorts.Block.of": "Color"}, "no sort of things 'Color'"),
    ({"sorts.Block.of": "Towr"}, "did you mean 'Tower'"),
    ({"sorts.Block.where": "lambda x, y: above(x, y)"}, "expected a lambda of one argument"),
    ({"sorts.Box.places": [[0, 0, 2, 1]]}, "in shares of the picture"),
    ({"sorts.Block.of": "Tower", "sorts.Tower.of": "Block"}, "it is a part of itself"),
    # geometry
    ({"geometry.unit": "mile"}, "geometry.unit: expected one of pixel, picture, container"),
    ({"geometry.gap": -1}, "geometry.gap: expected a number of units"),
    ({"geometry.slack": 1}, "unknown field 'slack'"),
    ({"predicates.touching.derive": {"geometry": "touchin"}}, "did you mean 'touching'"),
    ({"predicates.touching.derive": {"geometry": "touching", "within": "Color"}}, "expected a sort of containers"),
    ({"predicates.touching.derive": {"geometry": "touching", "side": "top"}}, "unknown field 'side'"),
    ({"predicates.touching_edge.derive": {"geometry": "edge", "side": "topp"}}, "did you mean 'top'"),
    ({"predicates.touching_edge": {"arity": 2, "derive": {"geometry": "edge"}}}, r"says something of 1 box\(es\)"),
    ({"predicates.below": {"arity": 2, "converse": "above", "derive": {"geometry": "above"}}}, "each other's converse"),
    # definitions
    ({"definitions.on": "above(x, y)"}, "expected one lambda"),
    ({"definitions.on": "lambda x, y: above(x,"}, "definitions.on: "),
    ({"definitions.on": "lambda: 1"}, "has no argument"),
    ({"definitions.on": 3}, "expected a text such as"),
    ({"definitions.on": {"mean": "lambda x: black(x)"}}, "unknown field 'mean'. did you mean 'means'"),
    ({"definitions.on": "lambda x, y: on(y, x)"}, r"made of itself \(on → on\)"),
    (
        {"definitions.on": "lambda x, y: under(y, x)", "definitions.under": "lambda x, y: upon(y, x)"},
        r"made of itself \(on → under → on\)",
    ),
    ({"definitions.tall": "lambda b: tower(b)", "sorts.Tower.where": "lambda b: tall(b)"}, "made of itself"),
    ({"definitions.any_tower": "lambda b: exists(Tower)", "sorts.Tower.where": "lambda b: any_tower(b)"}, "of itself"),
    ({"presuppositions": "maybe"}, "presuppositions is one of auto, abstain, answer"),
    ({"closed": "yes"}, "'closed' is true or false"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_what_is_wrong_is_named_with_its_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        Vocabulary.from_data(world(**changes))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("lambda x, y: abov(x, y)", "unknown predicate 'abov'.*did you mean 'above'"),
        ("lambda x, y: above(x, z)", "unknown name 'z'"),
        ("lambda x, y: above(x, y, x)", "unknown predicate 'above' of 3 arguments"),
        ("lambda x, y: exists(Box, lambda b: above(x, b))", "'above' is not said of a Box"),
        ("lambda x, y: exists(Color, lambda c: above(x, c))", "'above' is said of objects"),
    ],
)
def test_a_wrong_definition_is_refused_before_any_program_runs(definition: str, message: str) -> None:
    words = Vocabulary.from_data(world(**{"definitions.on": definition}))
    with pytest.raises(VocabularyError, match=f"(?s)definitions.on: .*{message}"):
        dsl.check("1", vocabulary=words)
    with pytest.raises(ConfigError, match=r"definitions\.on"):
        vocabulary_of(words)


def test_what_a_definition_asks_about_is_what_its_parts_do() -> None:
    words = Vocabulary.from_data(WORLD)
    checked = dsl.check("exists(Block, lambda x: exists(Object, lambda y: upon(x, y)))", vocabulary=words)
    assert checked.predicates == {("above", 2), ("touching", 2)}


@pytest.mark.parametrize(
    ("program", "what", "hint"),
    [
        ("exists(Box, lambda b: black(b))", "'black' is not said of a Box", "exists(Object, lambda y: inside(y, b)"),
        ("exists(Tower, lambda t: above(t, t))", "'above' is not said of a Tower", "inside(y, t)"),
        ("exists(Object, lambda x: height(x) == 2)", "'height' is not said of an Object", "inside(x, y)"),
        ("exists(Object, lambda x: inside(x, x))", "'inside' is not said of an Object", ""),
        ("any([black(b) for b in Box])", "'black' is not said of a Box", ""),
        ("black(iota(Tower))", "'black' is not said of a Tower", ""),
        ("exists(Object, lambda x: touching(x, 'edge'))", "'touching' is said of objects, and 'edge'", "touching_edge"),
        ("exists(Color, lambda c: exists(Object, lambda x: above(x, c)))", "'above' is said of objects", "color(x"),
        ("exists(Object, lambda x: above(x, yellow))", "'above' is said of objects", "color(x"),
        ("exists(Object, lambda x: Box(x, x))", "'Box' is a sort", "exists(Box"),
        ("count(Blok, lambda x: black(x))", "Blok", "Block"),
        ("count(Towers, lambda t: blck(t))", "unknown predicate 'blck'", "black"),
    ],
)
def test_sorts_of_arguments_are_checked_before_anything_is_asked(program: str, what: str, hint: str) -> None:
    with pytest.raises(ProgramError) as caught:
        dsl.check(program, vocabulary=Vocabulary.from_data(WORLD))
    assert what in caught.value.what
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("b = iota(Box)\nblack(b)", "'black' is not said of a Box"),
        ("a = b = iota(Box)\nblack(a)", "'black' is not said of a Box"),
        ("x = iota(Object, lambda x: black(x))\nheight(x) == 2", "'height' is not said of an Object"),
        ("b = iota(Box) if exists(Object) else iota(Box, lambda c: height(c) > 1)\nblack(b)", "'black' is not said"),
        ("boxes = [b for b in Box if height(b) > 1]\nblack(boxes[0])", "'black' is not said of a Box"),
        ("boxes = [b for b in Box]\nlen([c for c in boxes if black(c)])", "'black' is not said of a Box"),
        ("bs = sorted([b for b in Box], key=lambda b: height(b))\nblack(bs[1:][-1])", "'black' is not said of a Box"),
        ("found = False\nfor b in [c for c in Box]:\n    if black(b):\n        found = True\nfound", "'black' is not"),
        ("bs = [c for b in Box for c in [b]]\nblack(bs[0])", "'black' is not said of a Box"),
        # what is no object has no values
        ("describe(Color, iota(Box))", "a Box has no color"),
        ("exists(Box, lambda b: color(b, 'black'))", "a Box has no color"),
        ("b = iota(Tower)\ncolor(b) == 'black'", "a Tower has no color"),
    ],
)
def test_sorts_are_known_through_variables(program: str, what: str) -> None:
    with pytest.raises(dsl.ProgramError, match=what) as caught:
        dsl.check(program, vocabulary=Vocabulary.from_data(WORLD))
    assert "inside(" in caught.value.hint


@pytest.mark.parametrize(
    "program",
    [
        "b = iota(Box)\nheight(b) == 2",
        # given things of two sorts, in branches or one after the other: what it is, is not known
        "if exists(Object):\n    t = iota(Box)\nelse:\n    t = iota(Object)\nblack(t)",
        "t = iota(Box)\nt = iota(Object)\nblack(t)",
        "x = None\nfor b in Box:\n    x = b\nblack(x)",
        "xs = [b for b in Box]\nxs.append(iota(Object))\nblack(xs[-1])",
        # one name in two places
        "ts = [b for b in Box for b in Object]\nblack(ts[0])",
        "any(black(x) and inside(x, b) for b, x in [(b, x) for b in Box for x in Object])",
        "c = describe(Color, iota(Object))\nexists(Object, lambda x: color(x, c))",
    ],
)
def test_where_a_sort_is_not_sure_nothing_is_refused(program: str) -> None:
    dsl.check(program, vocabulary=Vocabulary.from_data(WORLD))
