"""Soft answers: values, blends of branches, gradients equal to the naive plan's, and where they reach."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from helpers.four_objects import scene
from torch import Tensor

import dsl
from neptune.algebra import LogicParameters
from neptune.engine import Engine
from neptune.engine.session.soft_answers import MOST_PATHS, SoftAnswer, soft_answers
from neptune.errors import NeptuneError, OracleError
from neptune.scene import Scene
from neptune.scene.types import ScoreRequest

LOGICS = ("godel", "product", "lukasiewicz", "frank:0.1")
PROGRAMS = (
    "exists(Object, lambda x: red(x) and cube(x))",
    "exists(Object, lambda x: exists(Object, lambda y: left(x, y) and cube(x) and small(y)))",
    "all(Object, lambda x: small(x) or metal(x))",
    "count(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: green(y) and ball(y))))",
    "count(Object, lambda x: red(x)) > count(Object, lambda x: blue(x))",
    "point(Object, lambda x: small(x) and cube(x))",
    "describe(Color, iota(Object, lambda x: small(x) and ball(x)))",
    "describe(Shape, iota(Object, lambda x: left(x, iota(Object, lambda y: blue(y)))))",
    "exists(Object, lambda x: same_color(x, iota(Object, lambda y: cube(y))))",
    'score("a cube?")("x") & score("red?")("x")',
    'score("is it day?", 0)',
    "if exists(Object, lambda x: red(x)):\n    return count(Object, lambda x: cube(x))\nreturn 0",
    "n = 0\nfor o in objects:\n    if red(o) and not left(o, o):\n        n = n + 1\nreturn n",
)


class Net:
    """Logits that depend on the scene, the question and the objects, each its own parameter."""

    def __init__(self, seed: int = 0) -> None:
        self.cells: dict[tuple[int, str, int], Tensor] = {}
        self.seed, self.rounds = seed, 0

    def __call__(self, requests: Sequence[ScoreRequest]) -> list[Tensor]:
        self.rounds += 1
        return [self.one(r) for r in requests]

    def one(self, request: ScoreRequest) -> Tensor:
        key = id(request.scene), request.question.text, request.question.arity
        if key not in self.cells:
            draw = np.random.default_rng([self.seed, len(request.scene), *request.question.text.encode()])
            shape = (len(request.scene),) * request.question.arity
            self.cells[key] = torch.tensor(draw.normal(0, 2, shape), dtype=torch.float32, requires_grad=True)
        places = tuple(torch.from_numpy(request.objects.T.copy()))
        return self.cells[key][places].reshape(len(request.objects))


def engine(logic: str = "godel", planner: str = "optimised", **more: object) -> Engine:
    return Engine(oracle="scene", logic=logic, planner=planner, **more)


def worlds() -> list[Scene]:
    return [scene(), *(Scene.synthetic(n, seed=n) for n in (1, 5, 3, 5))]


def loss_of(answers: Sequence[SoftAnswer | None]) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for k, answer in enumerate(answers):
        assert answer is not None
        weights = torch.linspace(0.3, 1.7, len(answer.values), dtype=torch.float64)
        total = total + (1 + k % 3) * (answer.probabilities * weights).sum()
    return total


@pytest.mark.parametrize("logic", LOGICS)
def test_a_padded_batch_has_the_values_and_gradients_of_the_naive_plan(logic: str) -> None:
    asked = [(p, s) for p in PROGRAMS for s in worlds()]
    nets = Net(), Net()
    many = soft_answers(engine(logic).context, asked, nets[0])
    alone = [soft_answers(engine(logic, "naive").context, [pair], nets[1])[0] for pair in asked]
    for one, other, (program, _) in zip(many, alone, asked, strict=True):
        assert one is not None
        assert other is not None
        assert (one.kind, one.values) == (other.kind, other.values), program
        torch.testing.assert_close(one.probabilities, other.probabilities, atol=1e-5, rtol=0)
    loss_of(many).backward()
    loss_of(alone).backward()
    assert nets[0].cells.keys() == nets[1].cells.keys()
    for key, cells in nets[0].cells.items():
        naive = nets[1].cells[key].grad
        assert cells.grad is not None
        assert naive is not None
        torch.testing.assert_close(cells.grad, naive, atol=2e-4, rtol=1e-3, msg=str(key))


@pytest.mark.parametrize("program", [p for p in PROGRAMS if "day" not in p])
def test_a_distribution_sums_to_one_and_follows_the_hard_answer_when_scores_are_sure(program: str) -> None:
    world = scene()
    (soft,) = soft_answers(engine().context, [(program, world)])
    hard = engine().run(program, world)
    assert soft is not None
    if soft.kind == "objects":
        assert [i for i, p in zip(soft.values, soft.probabilities.tolist()) if p > 0.5] == hard.value
        return
    assert float(soft.probabilities.detach().sum()) + soft.left_out == pytest.approx(1.0)
    assert soft.values[int(soft.probabilities.argmax())] == hard.value
    assert soft.kind == hard.kind


def test_a_branch_blends() -> None:
    """P(c)·then + (1 - P(c))·else, and the condition gets a gradient."""
    program = "if exists(Object, lambda x: red(x)):\n    return count(Object, lambda x: cube(x))\nreturn 0"
    world, net = Scene.synthetic(4, seed=3), Net()
    blended, condition, then = soft_answers(
        engine().context,
        [(program, world), ("exists(Object, lambda x: red(x))", world), ("count(Object, lambda x: cube(x))", world)],
        net,
    )
    assert blended is not None
    assert condition is not None
    assert then is not None
    p = condition.probability(True)
    expected = p * then.probabilities
    expected = torch.cat([expected[:1] + (1 - p), expected[1:]])
    torch.testing.assert_close(blended.probabilities, expected)
    blended.probability(2).backward()
    red = next(c for (_, text, _), c in net.cells.items() if "red" in text.replace("red box", ""))
    assert red.grad is not None
    assert float(red.grad.abs().sum()) > 0


def test_what_a_branch_took_holds_on_the_whole_path() -> None:
    program = "c = exists(Object, lambda x: red(x))\na = 1 if c else 0\nb = 1 if c else 0\nreturn a + b"
    (answer,) = soft_answers(engine().context, [(program, Scene.synthetic(3, seed=1))], Net())
    assert answer is not None
    assert set(answer.values) == {0, 2}
    assert float(answer.probabilities.detach().sum()) == pytest.approx(1.0)


def test_many_paths_keep_the_most_probable_and_say_what_is_left_out() -> None:
    program = "n = 0\nfor o in objects:\n    if red(o):\n        n = n + 1\nreturn n"
    net = Net()
    (answer,) = soft_answers(engine().context, [(program, Scene.synthetic(9, seed=1))], net)
    assert answer is not None
    (logits,) = net.cells.values()
    chances = torch.sigmoid(logits.detach().double()).tolist()
    assert MOST_PATHS < 2**9
    likeliest = sorted(map(math.prod, itertools.product(*((p, 1 - p) for p in chances))), reverse=True)
    assert answer.left_out == pytest.approx(sum(likeliest[MOST_PATHS:]), abs=1e-6)
    assert float(answer.probabilities.detach().sum()) + answer.left_out == pytest.approx(1.0)


SOFT = LogicParameters("frank:0.5", quantifier_tau=0.5)


@pytest.mark.parametrize(
    "program",
    [
        "exists(Object, lambda x: red(x) and left(x, iota(Object, lambda y: cube(y))))",
        "count(Object, lambda x: red(x) and not cube(x))",
        "count(Object, lambda x: red(x)) == count(Object, lambda x: cube(x))",
        "point(Object, lambda x: red(x) and behind(x, iota(Object, lambda y: cube(y))))",
        "describe(Color, iota(Object, lambda x: cube(x) and left(x, iota(Object, lambda y: small(y)))))",
        "if exists(Object, lambda x: red(x)):\n    return describe(Size, iota(Object, cube))\nreturn 'large'",
    ],
)
def test_every_leaf_that_the_loss_depends_on_gets_a_gradient(program: str) -> None:
    """With soft quantifiers every cell counts, so every cell of every leaf must get a gradient."""
    net = Net(1)
    soft = engine(logic=SOFT.logic, parameters=SOFT)  # type: ignore[arg-type]
    (answer,) = soft_answers(soft.context, [(program, Scene.synthetic(4, seed=2))], net)
    assert answer is not None
    (-answer.log_probability(answer.values[-1])).backward()
    assert net.cells
    for (_, text, arity), cells in net.cells.items():
        assert cells.grad is not None, text
        used = cells.grad != 0
        if arity == 2:
            used = used | torch.eye(len(cells), dtype=torch.bool)
        assert bool(used.all()), text


def test_temperatures_and_the_strictness_of_and_get_gradients_without_a_scorer() -> None:
    parameters = LogicParameters("frank:0.5", quantifier_tau=0.5, oracle={"red": (1.0, 0.0)})
    noisy = Engine(oracle="scene", logic=parameters.logic, parameters=parameters, oracle_options={"noise": 0.2})
    asked = [(p, s) for p in PROGRAMS[:8] for s in worlds()]
    loss_of(soft_answers(noisy.context, asked)).backward()
    for name, parameter in parameters.named_parameters():
        if name != "log_tau.comparison":
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite()), name
            assert float(parameter.grad) != 0.0, name


def test_learning_only_from_answers_finds_the_leaves() -> None:
    """Free logits for every cell, trained on yes/no and counts, give the right answers afterwards."""
    world = scene()
    asked = [(f"count(Object, lambda x: {c}(x) and {s}(x))", world) for c in ("red", "blue") for s in ("cube", "ball")]
    branch = "if exists(Object, green):\n    return describe(Shape, iota(Object, green))\nreturn 'cube'"
    asked.append((branch, world))
    expected = [1, 1, 1, 0, "sphere"]
    net = Net(4)
    soft_answers(engine("product").context, asked, net)
    optimiser = torch.optim.Adam(net.cells.values(), 0.3)
    for _ in range(60):
        answers = soft_answers(engine("product").context, asked, net)
        optimiser.zero_grad()
        loss = -sum(a.log_probability(e) for a, e in zip(answers, expected, strict=True))  # type: ignore[union-attr]
        loss.backward()  # type: ignore[union-attr]
        optimiser.step()
    for answer, right in zip(soft_answers(engine("product").context, asked, net), expected, strict=True):
        assert answer is not None
        assert answer.probability(right).item() > 0.9


def test_one_round_for_all_and_one_more_for_a_branch() -> None:
    net = Net()
    soft_answers(engine().context, [(p, s) for p in PROGRAMS[:10] for s in worlds()], net)
    assert net.rounds == 1
    net = Net()
    soft_answers(engine().context, [(PROGRAMS[11], s) for s in worlds()], net)
    assert net.rounds == 2


def test_symmetric_questions_are_asked_once_a_pair_and_never_of_one_object() -> None:
    seen: list[ScoreRequest] = []
    net = Net()

    def watch(requests: Sequence[ScoreRequest]) -> list[Tensor]:
        seen.extend(requests)
        return net(requests)

    soft_answers(engine().context, [(PROGRAMS[8], Scene.synthetic(4, seed=0)), (PROGRAMS[1], scene())], watch)
    pairs = {r.question.predicate: r.objects for r in seen if r.question.arity == 2}
    assert len(pairs["same_color"]) == 6
    assert len(pairs["left"]) == 12
    assert all((p[:, 0] != p[:, 1]).all() for p in pairs.values())


def test_empty_scenes_stand_apart() -> None:
    empty = Scene(np.zeros((0, 4), np.float32), (480, 320))
    found = soft_answers(engine().context, [(p, empty) for p in PROGRAMS[:7]], Net())
    assert [a.kind for a in found if a] == ["truth"] * 3 + ["number", "truth", "object", "text"]
    truth, *_ = found
    assert truth is not None
    assert truth.probabilities.tolist() == [1.0, 0.0]
    assert found[3] is not None
    assert found[3].values == (0,)
    assert found[6] is not None
    assert found[6].left_out == 1.0


def test_missing_evidence_gives_no_answer() -> None:
    def silent(requests: Sequence[ScoreRequest]) -> list[Tensor]:
        return [torch.full((len(r.objects),), float("nan") if len(r.scene) == 3 else 1.0) for r in requests]

    asked = [(p, Scene.synthetic(n, seed=n)) for p in (PROGRAMS[0], PROGRAMS[11]) for n in (3, 4)]
    found = soft_answers(engine().context, asked, silent)
    assert [a is None for a in found] == [True, False, True, False]


@pytest.mark.parametrize(
    ("program", "scorer", "kind", "message"),
    [
        ("count(Object, lambda x: ", Net(), dsl.ProgramError, "unclosed"),
        ("1 / 0", Net(), dsl.ProgramError, "(?i)zero"),
        ("[1, 2]", Net(), NeptuneError, "no soft value"),
        (PROGRAMS[0], lambda requests: [], OracleError, "0 tensors for 2"),
        (PROGRAMS[0], lambda requests: [torch.zeros(1) for _ in requests], OracleError, r"shape \(1,\)"),
    ],
)
def test_mistakes_are_errors(
    program: str, scorer: Callable[..., list[Tensor]], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        soft_answers(engine().context, [(program, scene())], scorer)
