"""The scorer that fine-tuning stands on: the oracle's own logits, and gradients in two passes that are exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import VLMS
from helpers.vlm_scenes import TOLERANCE, requests, scene, watched
from torch import Tensor, nn

from neptune.algebra import LogicParameters
from neptune.engine import Engine
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import ConfigError
from neptune.learn.finetune.cells import CellScorer, has_dropout
from neptune.learn.finetune.lora import LoraSettings, attach
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.scene.types import ScoreRequest

IF = """
if exists(Object, lambda x: ball(x)):
    return exists(Object, lambda x: cube(x))
return False
"""
COUNT = "count(Object, lambda x: red(x) and left(x, iota(Object, lambda y: cube(y))))"


def adapted(
    kind: str = "qwen2_vl", dtype: torch.dtype = torch.float32, **settings: Any
) -> tuple[TransformersOracle, list[nn.Parameter]]:
    """A tiny model with a LoRA adapter that already does something."""
    oracle = TransformersOracle(VLMS[kind](), max_pixels=4096)
    _, parameters = attach(oracle.reader.model, LoraSettings(rank=2, targets="all-linear", **settings))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in parameters:
            p.add_(0.1 * torch.randn(p.shape, generator=draw))
    oracle.reader.model.to(dtype)
    return oracle, parameters


def engine(logic: str = "product", tau: float = 0.5) -> Engine:
    parameters = LogicParameters(logic, quantifier_tau=tau)
    return Engine(oracle="scene", vocabulary=None, logic=parameters.logic, parameters=parameters)


class Direct:
    """The obvious scorer: all prompts in one batch, one graph."""

    def __init__(self, oracle: TransformersOracle) -> None:
        self.oracle = oracle

    def __call__(self, asked: Sequence[ScoreRequest]) -> list[Tensor]:
        prompts, places = self.oracle.cells(asked)
        logits = self.oracle.reader.logits(self.oracle.reader.inputs(prompts))
        return [logits[torch.from_numpy(at)] for at in places]


def gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    found = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
    for p in parameters:
        p.grad = None
    return found


def assert_same_gradients(found: Sequence[Tensor], wanted: Sequence[Tensor], cells: int) -> None:
    """Compare gradients of a float64 model, each the sum of one term for each of so many cells.

    In float32 the model itself loses some 100 roundings on the way back, more or fewer by the shape of a batch, so
    that no bound follows from the sum. In float64 that is 1e-14. What is left in float32 is a cell's logit and the
    derivative by it: each may be off by one rounding, and so a term by one rounding of its size.
    """
    rounding = torch.finfo(torch.float32).eps
    for mine, direct in zip(found, wanted, strict=True):
        assert direct.dtype == torch.float64
        torch.testing.assert_close(mine, direct, atol=cells * rounding * float(direct.abs().max()), rtol=0)


@pytest.mark.parametrize("kind", ["qwen2_vl", "smolvlm"])
def test_two_passes_give_the_oracles_logits_and_the_direct_gradient(kind: str) -> None:
    oracle, parameters = adapted(kind)
    of = scene()
    asked = requests(of)
    scorer = CellScorer(oracle, parameters)
    found = torch.cat(list(scorer(asked))).detach().numpy()
    expected = np.concatenate([scores.logits for scores in oracle.score(asked)])
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)

    oracle.reader.model.double()
    pairs = [(COUNT, of), (IF, of)]

    def loss(answers: Sequence[Any]) -> Tensor:
        return -answers[0].log_probability(1) - answers[1].log_probability(True)

    loss(soft_answers(engine().context, pairs, Direct(oracle))).backward()
    wanted = gradients(parameters)
    assert sum(float(g.abs().sum()) for g in wanted) > 1e-3
    oracle.reader.batches.most = 3
    scorer = CellScorer(oracle, parameters)
    loss(soft_answers(engine().context, pairs, scorer)).backward()
    assert all(p.grad is None for p in parameters)
    with watched(oracle) as rows:
        scorer.backward()
    assert max(rows) == 3, "micro-batches"
    assert scorer.sent_back == scorer.asked
    assert_same_gradients(gradients(parameters), wanted, scorer.asked)


def test_checkpointing_and_a_failing_batch_change_no_gradient() -> None:
    oracle, parameters = adapted(dtype=torch.float64)
    of = scene()

    def run(most: float = float("inf")) -> list[Tensor]:
        oracle.reader.model.train()
        scorer = CellScorer(oracle, parameters)
        with watched(oracle, most):
            (answer,) = soft_answers(engine().context, [(COUNT, of)], scorer)
            assert answer is not None
            (-answer.log_probability(1)).backward()
            scorer.backward()
        return gradients(parameters)

    wanted = run()
    oracle.reader.model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_same_gradients(run(most=2), wanted, cells=12)  # 3 red, 3 cubes, 6 pairs
    assert oracle.reader.batches.tokens > 0


def test_cells_that_the_loss_does_not_depend_on_are_left_out() -> None:
    """With hard quantifiers in godel logic one cell decides."""
    oracle, parameters = adapted()
    scorer = CellScorer(oracle, parameters)
    program = "exists(Object, lambda x: ball(x) and cube(x))"
    (answer,) = soft_answers(engine("godel", 0.0).context, [(program, scene())], scorer)
    assert answer is not None
    (-answer.log_probability(True)).backward()
    scorer.backward()
    assert scorer.asked == 6
    assert scorer.sent_back == 1
    assert sum(float(g.abs().sum()) for g in gradients(parameters)) > 0


def test_a_condition_gets_a_gradient() -> None:
    """Soft branches: the weights learn from what an `if` asks, too."""
    oracle, parameters = adapted()
    of = scene()
    scorer = CellScorer(oracle, parameters)
    balls: list[Tensor] = []

    def spy(asked: Sequence[ScoreRequest]) -> list[Tensor]:
        found = scorer(asked)
        for request, logits in zip(asked, found, strict=True):
            if "ball" in request.question.text:
                logits.retain_grad()
                balls.append(logits)
        return found

    (answer,) = soft_answers(engine().context, [(IF, of)], spy)
    assert answer is not None
    (-answer.log_probability(True)).backward()
    assert len(balls) == 1
    assert balls[0].grad is not None
    assert bool((balls[0].grad != 0).all())
    scorer.backward()
    before = float(answer.probability(True).detach())
    with torch.no_grad():
        for p in parameters:
            assert p.grad is not None
            p -= 0.01 * p.grad
    (after,) = soft_answers(engine().context, [(IF, of)], CellScorer(oracle, parameters))
    assert after is not None
    assert float(after.probability(True)) > before


def test_dropout_is_the_same_in_both_passes() -> None:
    oracle, parameters = adapted(dtype=torch.float64, dropout=0.5)
    oracle.reader.model.train()
    assert has_dropout(oracle.reader.model)
    oracle.reader.batches.most = 4
    asked = requests(scene())[:1]

    def found(seed: int) -> Tensor:
        with torch.no_grad():
            return CellScorer(oracle, parameters, seed=seed)(asked)[0].detach()

    assert torch.equal(found(3), found(3))
    assert not torch.equal(found(3), found(4))
    # The gradient is that of the masks of the first pass: with the mask of one part fixed, compare with one graph.
    scorer = CellScorer(oracle, parameters, seed=3)
    (logits,) = scorer(asked)
    logits.sum().backward()
    scorer.backward()
    mine = gradients(parameters)
    prompts, _ = oracle.cells(asked)
    torch.manual_seed(3 * 1_000_003)
    direct = oracle.reader.logits(oracle.reader.inputs(prompts))
    torch.testing.assert_close(direct.detach().float(), logits.detach(), atol=TOLERANCE, rtol=0)
    direct.sum().backward()
    assert_same_gradients(mine, gradients(parameters), scorer.asked)


def test_layers_that_are_not_there_are_an_error() -> None:
    oracle = TransformersOracle(VLMS["qwen2_vl"]())
    with pytest.raises(ConfigError, match="No layer can be adapted"):
        attach(oracle.reader.model, LoraSettings(targets=["no_such_layer"]))


def test_by_default_the_language_model_alone_is_adapted() -> None:
    oracle = TransformersOracle(VLMS["internvl"]())
    wrapped, parameters = attach(oracle.reader.model, LoraSettings())
    names = [n for n, p in wrapped.named_parameters() if p.requires_grad]
    assert len(names) == len(parameters) > 0
    assert all("language_model" in n and "lora_" in n for n in names)
