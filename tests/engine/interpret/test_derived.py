"""What a vocabulary says is derived: its meaning against brute force over scenes, ties included; nobody is asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from dsl.vocabulary import Vocabulary, VocabularyError
from dsl.vocabulary.derived import BOXES, Derivation
from dsl.vocabulary.geometry import Geometry
from neptune import Engine, Scene
from neptune.engine.analysis.inspection import inspect
from neptune.engine.evidence.box_relations import holds
from neptune.engine.schedule import Schedule
from neptune.engine.session.soft_answers import SoftAnswer, soft_answers
from neptune.learn.tune.kinds import kinds_of
from neptune.perception.oracle.scene import SceneOracle
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

CLEVR = Vocabulary.load("clevr")
SCENES = [Scene.synthetic(n, seed) for n in (1, 2, 3, 4, 6) for seed in range(6)]
SCHEDULES: dict[str, str | Schedule] = {"all": "all", "lazy": "lazy", "best-first": Schedule("best-first", 1)}

DERIVING = Vocabulary.from_data(
    {
        "name": "deriving",
        "sorts": {
            "Size": {"attribute": "size", "values": ["small", "large"], "ordered": True},
            "Color": {"attribute": "color", "values": list(CLEVR.values("Color"))},
            "Shape": {"attribute": "shape", "values": list(CLEVR.values("Shape"))},
        },
        "predicates": {
            "same_color": {"arity": 2, "derive": {"same": "Color"}},
            "twin": {"arity": 2, "same": "shape", "derive": {"same": "Shape"}},
            "smaller": {"arity": 2, "converse": "larger", "derive": {"less": "Size"}},
            "larger": {"arity": 2, "converse": "smaller"},
            "left": {"arity": [1, 2], "converse": "right", "derive": {"boxes": "left"}},
            "right": {"arity": [1, 2], "converse": "left"},
            "under": {"arity": [1, 2], "derive": {"boxes": "below"}},
            "wider": {"arity": 2, "derive": {"boxes": "larger"}},
        },
        "superlatives": {"leftmost": {"comparative": "left"}, "largest": {"comparative": "larger"}},
    }
)


class Counting(SceneOracle):
    """The scene oracle, which keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()
        self.cells = 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer, and count."""
        for request in requests:
            self.asked.add(request.question.predicate)
            self.cells += len(request.objects)
        return super().score(requests)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """No open question is needed."""
        raise AssertionError("asked openly")


class World:
    """One scene's truth, read from the annotation and the boxes."""

    def __init__(self, scene: Scene) -> None:
        assert scene.annotation is not None
        self.scene, self.all = scene, range(len(scene))
        self.attributes = scene.annotation.attributes
        self.x = [(b[0] + b[2]) / 2 for b in scene.boxes.tolist()]
        self.y = [(b[1] + b[3]) / 2 for b in scene.boxes.tolist()]

    def isa(self, x: int, value: str) -> bool:
        return any(values[x] == value for values in self.attributes.values())

    def larger(self, x: int, y: int) -> bool:
        return self.isa(x, "large") and self.isa(y, "small")

    def same(self, x: int, y: int, attribute: str) -> bool:
        return x != y and self.attributes[attribute][x] == self.attributes[attribute][y]

    def most(self, x: int, beats: Callable[[int, int], bool], fits: Callable[[int], bool]) -> bool:
        """ψ(x) ∧ ∀y (ψ(y) → beats(x, y)), an object against itself left out."""
        return fits(x) and all(beats(x, y) for y in self.all if y != x and fits(y))


Truth = Callable[[World], Any]

# Each: a program, and what it means by its definition.
CASES: list[tuple[str, Truth]] = [
    (
        "exists(Object, lambda x: largest(x))",
        lambda w: any(w.most(x, w.larger, lambda _: True) for x in w.all),
    ),
    (
        "count(Object, lambda x: smallest(x))",
        lambda w: sum(w.most(x, lambda a, b: w.larger(b, a), lambda _: True) for x in w.all),
    ),
    (
        "count(Object, lambda x: metal(x) and biggest(x))",
        lambda w: sum(w.most(x, w.larger, lambda o: w.isa(o, "metal")) for x in w.all),
    ),
    (
        "exists(Object, lambda x: exists(Object, lambda y: red(x) and bigger(x, y)))",
        lambda w: any(w.isa(x, "red") and w.larger(x, y) for x in w.all for y in w.all),
    ),
    (
        "count(Object, lambda x: forall(Object, lambda y: not smaller(x, y)))",
        lambda w: sum(not any(w.larger(y, x) for y in w.all if y != x) for x in w.all),
    ),
    (
        "forall(Object, lambda x: forall(Object, lambda y: larger(x, y) or smaller(x, y)))",
        lambda w: all(w.larger(x, y) or w.larger(y, x) for x in w.all for y in w.all if x != y),
    ),
    (
        "count(Object, lambda x: exists(Object, lambda y: larger(y, x) ^ cube(x)))",
        # The guard holds for each sign: of x with itself neither "larger" nor "not larger" is a witness.
        lambda w: sum(
            any(w.larger(y, x) != w.isa(x, "cube") for y in w.all if y != x) for x in w.all
        ),
    ),
]  # fmt: skip

DERIVED: list[tuple[str, Truth]] = [
    (
        "count(Object, lambda x: exists(Object, lambda y: same_color(x, y)))",
        lambda w: sum(any(w.same(x, y, "color") for y in w.all) for x in w.all),
    ),
    (
        "exists(Object, lambda x: exists(Object, lambda y: twin(x, y) and larger(x, y)))",
        lambda w: any(w.same(x, y, "shape") and w.larger(x, y) for x in w.all for y in w.all),
    ),
    (
        "exists(Object, lambda x: largest(x) and leftmost(x))",
        lambda w: any(
            w.most(x, w.larger, lambda _: True) and w.x[x] == min(w.x) for x in w.all
        ),
    ),
    (
        "count(Object, lambda x: exists(Object, lambda y: right(x, y) and under(x, y)))",
        lambda w: sum(any(w.x[x] > w.x[y] and w.y[x] > w.y[y] for y in w.all) for x in w.all),
    ),
    (
        "count(Object, lambda x: left(x))",
        lambda w: sum(w.x[x] < w.scene.size[0] / 2 for x in w.all),
    ),
    (
        "forall(Object, lambda x: under(x) or right(x))",
        lambda w: all(w.y[x] > w.scene.size[1] / 2 or w.x[x] > w.scene.size[0] / 2 for x in w.all),
    ),
]  # fmt: skip


def check(engine: Engine, cases: list[tuple[str, Truth]], scenes: list[Scene]) -> None:
    for (program, truth), scene in itertools.product(cases, scenes):
        answer = engine.run(program, scene)
        assert (answer.value, answer.settled) == (truth(World(scene)), True), (program, scene.name)


@pytest.mark.parametrize("planner", ["optimised", "naive"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_size_comparisons_mean_what_they_say(schedule: str, planner: str) -> None:
    check(Engine(oracle="scene", schedule=SCHEDULES[schedule], planner=planner), CASES, SCENES[::2])
    oracle = Counting()
    engine = Engine(oracle=oracle, schedule=SCHEDULES[schedule], planner=planner, vocabulary=DERIVING)
    check(engine, DERIVED, SCENES[1::2])
    assert oracle.asked <= {"small", "large", *DERIVING.values("Color"), *DERIVING.values("Shape")}


@pytest.mark.parametrize("logic", ["product", "lukasiewicz", "frank:0.5"])
def test_in_other_logics(logic: str) -> None:
    check(Engine(oracle="scene", logic=logic), CASES, SCENES[::3])
    check(Engine(oracle="scene", logic=logic, vocabulary=DERIVING), DERIVED, SCENES[::3])


def sure(answers: Sequence[SoftAnswer], truths: list[Any]) -> bool:
    """Tell whether each answer is almost certainly the right one."""
    return all(float(a.probability(t).detach()) > 0.99 for a, t in zip(answers, truths, strict=True))


@pytest.mark.parametrize("logic", ["godel", "product"])
def test_in_batches_and_soft_answers(logic: str) -> None:
    for vocabulary, cases in ((CLEVR, CASES), (DERIVING, DERIVED)):
        oracle = Counting()
        engine = Engine(oracle=oracle, logic=logic, vocabulary=vocabulary)
        pairs = [(p, s) for p, _ in cases for s in SCENES]
        truths = [truth(World(s)) for _, truth in cases for s in SCENES]
        assert [a.value for a in engine.run_many(pairs)] == truths
        assert sure(soft_answers(engine.context, pairs), truths)
        counted = Counting()

        def scorer(requests: Sequence[ScoreRequest], counted: Counting = counted) -> list[torch.Tensor]:
            return [torch.from_numpy(s.logits) for s in counted.score(requests)]

        assert sure(soft_answers(engine.context, pairs, scorer), truths)
        for who in (oracle, counted):
            assert not who.asked & {"larger", "smaller"}
            assert vocabulary is CLEVR or not who.asked & {"left", "right", "under", "same_color", "twin"}


def test_which_object_is_the_largest() -> None:
    engine = Engine(oracle="scene")
    found = 0
    for scene in SCENES:
        world = World(scene)
        who = [x for x in world.all if world.most(x, world.larger, lambda _: True)]
        answer = engine.run("iota(Object, lambda x: largest(x))", scene)
        shape = engine.run("describe(Shape, iota(Object, lambda x: largest(x)))", scene)
        if who:
            found += 1
            assert answer.objects == tuple(who)
            assert not answer.presuppositions
            assert shape.value == world.attributes["shape"][who[0]]
        else:  # several are as large: none of them is larger than the others
            assert answer.presuppositions
            assert shape.presuppositions
    assert 5 < found < len(SCENES)


def test_what_is_derived_from_values_is_weighed_by_descriptions() -> None:
    """Σ_y w(y) · min(large(x), small(y)), by hand, from soft scores; an object with itself counts 0."""
    engine = Engine(oracle="random", oracle_options={"seed": 3}, vocabulary="clevr")
    scene = Scene.synthetic(4, 2)
    small, large, red = (engine.table(f'{name}("x")', scene).values for name in ("small", "large", "red"))
    weight = torch.softmax(torch.logit(red), 0)
    cells = torch.minimum(large[:, None], small[None, :])
    cells.fill_diagonal_(0.0)
    found = engine.table('larger("x", iota(Object, lambda y: red(y)))', scene).values
    torch.testing.assert_close(found, cells @ weight)
    assert engine.run('larger("x", iota(Object, lambda y: red(y)))', scene).usage.oracle_calls == 0


def test_call_counts() -> None:
    """Two questions an object for any comparison of sizes, none for boxes; what is not derived is asked as before."""
    scene = Scene.synthetic(5, 1)

    def cells(program: str, vocabulary: Vocabulary | None = CLEVR) -> int:
        oracle = Counting()
        engine = Engine(oracle=oracle, vocabulary=vocabulary)
        answer = engine.run(program, scene)
        assert answer.usage.oracle_calls == oracle.cells == engine.explain(program, 5).parts[0].oracle_cells
        assert answer.usage.cache_hits == 0
        return oracle.cells

    assert cells("exists(Object, lambda x: largest(x))") == 10
    assert cells("exists(Object, lambda x: exists(Object, lambda y: left(x, y) and red(x)))") == 25
    assert cells("exists(Object, lambda x: exists(Object, lambda y: left(x, y) and red(x)))", DERIVING) == 5
    assert cells("exists(Object, lambda x: leftmost(x))", DERIVING) == 0
    assert cells("exists(Object, lambda x: exists(Object, lambda y: same_color(x, y)))") == 10


def test_an_open_vocabulary_asks() -> None:
    engine = Engine(oracle="random", vocabulary=None)
    scene = Scene.synthetic(4, 0)
    assert (
        engine.run("exists(Object, lambda x: exists(Object, lambda y: larger(x, y)))", scene).usage.oracle_calls == 12
    )
    assert engine.run("exists(Object, lambda x: largest(x))", scene).usage.oracle_calls == 4


def test_the_same_words_in_free_text_are_asked() -> None:
    oracle = Counting()
    engine = Engine(oracle=oracle, vocabulary=DERIVING)
    scene = Scene.synthetic(3, 0)
    engine.run("exists(Object, lambda x: exists(Object, lambda y: left(x, y)))", scene)
    assert oracle.cells == 0
    text = "is the object in the red box left of the object in the green box?"
    engine.run(f'score("{text}", 2).exists("x1").exists("x2")', scene)
    assert oracle.cells == 6


def test_boxes_are_facts_for_calibration_and_for_what_would_flip() -> None:
    from neptune.algebra import LogicParameters, logic

    parameters = LogicParameters(logic.get("godel"), kinds={"relation": ("left", "right")})
    with torch.no_grad():
        for module in parameters.oracle.values():
            module.b.fill_(-9.0)
    scene = Scene.synthetic(4, 1)
    for planner in ("optimised", "naive"):
        engine = Engine(oracle="scene", vocabulary=DERIVING, planner=planner, parameters=parameters)
        program = "exists(Object, lambda x: exists(Object, lambda y: left(x, y)))"
        assert engine.run(program, scene).value is True
        flip = inspect(engine, program, scene).flip
        assert flip is not None
        assert flip.at_least == 1.0
        assert not flip.changes
        both = "exists(Object, lambda x: exists(Object, lambda y: left(x, y) and red(x)))"
        engine.run(both, scene)
        flip = inspect(engine, both, scene).flip
        assert flip is not None
        assert flip.changes
        assert all("red" in change.question for change in flip.changes)


def test_boxes_that_are_equal_are_neither() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [20, 5, 24, 9]], dtype=np.float32)
    scene = Scene(boxes, (20, 10))
    for what in BOXES:
        two = holds(scene, Geometry(what), 2)
        assert two.shape == (3, 3)
        assert not (two & two.T).any()
        assert not two[0, 1]
        assert (holds(scene, Geometry(BOXES[what]), 2) == two.T).all()
    assert holds(scene, Geometry("left"), 2)[0].tolist() == [False, False, True]
    assert holds(scene, Geometry("above"), 2)[0].tolist() == [False, False, True]
    assert holds(scene, Geometry("larger"), 2)[0].tolist() == [False, False, True]
    assert holds(scene, Geometry("left"), 1).tolist() == [True, True, False]
    assert holds(scene, Geometry("below"), 1).tolist() == [False, False, True]
    assert holds(Scene.synthetic(0), Geometry("left"), 2).shape == (0, 0)


def test_a_longer_order() -> None:
    ways = Derivation("greater", "Size").ways(("s", "m", "l"))
    assert set(ways) == {("m", "s"), ("l", "s"), ("l", "m")}
    assert set(Derivation("less", "Size").ways(("s", "m", "l"))) == {(b, a) for a, b in ways}
    assert Derivation("greater", "Size").converse == Derivation("less", "Size")


def test_temperatures_of_what_is_never_asked() -> None:
    assert not {"larger", "smaller"} & set(kinds_of(CLEVR, "kind")["relation"])
    assert {"left", "behind"} <= set(kinds_of(CLEVR, "kind")["relation"])


@pytest.mark.parametrize(
    ("derive", "arity", "message"),
    [
        ({"smae": "Color"}, 2, "unknown field 'smae'. did you mean 'same'"),
        ({}, 2, "expected one of same, greater, less, boxes"),
        ("Color", 2, "expected an object"),
        ({"same": "Colour"}, 2, "no sort 'Colour' with values. did you mean 'Color'"),
        ({"greater": "Color"}, 2, "the values of 'Color' are not ordered"),
        ({"boxes": "behind"}, 2, "expected one of left, right"),
        ({"boxes": "larger"}, 1, "a relation of two objects"),
        ({"same": "Color"}, 1, "a relation of two objects"),
    ],
)
def test_a_wrong_derivation_says_so(derive: Any, arity: int, message: str) -> None:
    sorts = {"Color": {"values": ["red", "blue"]}}
    data = {"name": "a", "sorts": sorts, "predicates": {"p": {"arity": arity, "derive": derive}}}
    with pytest.raises(VocabularyError, match=message):
        Vocabulary.from_data(data)


def test_converses_are_derived_from_converses() -> None:
    def made(left: dict[str, Any], right: dict[str, Any]) -> Vocabulary:
        words = {"left": {"arity": 2, "converse": "right", **left}, "right": {"arity": 2, "converse": "left", **right}}
        return Vocabulary.from_data({"name": "a", "predicates": words})

    assert made({}, {"derive": {"boxes": "right"}}).derived("left", 2) == Derivation("boxes", "left")
    assert made({}, {}).derived("left", 2) is None
    with pytest.raises(VocabularyError, match="each other's converse"):
        made({"derive": {"boxes": "left"}}, {"derive": {"boxes": "left"}})
