"""Training from answers: targets, losses, examples, gradients to every leaf, a short run that learns and resumes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from neptune import tasks
from neptune.algebra import LogicParameters
from neptune.cli import main
from neptune.engine import Engine
from neptune.engine.session.soft_answers import SoftAnswer, soft_answers
from neptune.errors import DatasetError
from neptune.learn.finetune.answers import accuracy, difficulty
from neptune.learn.finetune.embedded import Canvases, SceneScorer
from neptune.learn.finetune.targets import Target, is_right, loss_of, mean_loss, target_of
from neptune.learn.finetune.training_examples import read_training_examples, variables
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.scene.types import ScoreRequest

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clevr"
TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")


def answer(kind: str, values: tuple[object, ...], *chances: float) -> SoftAnswer:
    return SoftAnswer(kind, values, torch.tensor(chances, dtype=torch.float64))  # type: ignore[arg-type]


def test_targets_are_truths_numbers_words_and_objects() -> None:
    kinds = {"yes": Target("truth", True), "no": Target("truth", False)}
    seen = set()
    for name in TASKS:
        for sample in tasks.load(name, str(SAMPLE), 40).samples:
            target = target_of(sample)
            seen.add(target.kind)
            if name == "clevr" and sample.expected in kinds:
                assert target == kinds[sample.expected]
            if target.kind == "number":
                assert target.value == int(sample.expected)
    assert seen == {"truth", "number", "text", "object"}


def test_losses_are_those_of_the_books() -> None:
    assert float(loss_of(answer("truth", (False, True), 0.3, 0.7), Target("truth", True))) == pytest.approx(
        -math.log(0.7)
    )
    assert float(loss_of(answer("number", (0, 1, 2), 0.2, 0.5, 0.3), Target("number", 1))) == pytest.approx(math.log(2))
    pointed = answer("objects", (0, 1), 0.9, 0.2)
    expected = -(math.log(0.9) + math.log(0.8)) / 2
    assert float(loss_of(pointed, Target("object", 0))) == pytest.approx(expected)
    # 1 is a number and True is a truth: neither is the other.
    assert not is_right(answer("number", (1,), 1.0), Target("truth", True))
    assert is_right(answer("text", ("red", "blue"), 0.4, 0.6), Target("text", "blue"))
    assert float(mean_loss([None], [Target("truth", True)])) == 0.0


def test_difficulty_counts_bound_variables_and_grows() -> None:
    assert variables("exists(Object, lambda x: red(x))") == 1
    assert variables("exists(Object, Object, lambda x, y: left(x, y))") == 2
    steps = [(0.5, 2), (0.25, 1)]
    assert [difficulty(steps, s) for s in (0.0, 0.24, 0.25, 0.49, 0.5, 1.0)] == [1, 1, 2, 2, None, None]


def test_lessons_hold_boxes_and_no_attributes() -> None:
    pictures, problems = read_training_examples(TASKS, str(SAMPLE), limit=5)
    assert len(pictures) == 5
    assert not problems
    assert all(picture.scene.annotation is None for picture in pictures)
    assert all(picture.examples and len(picture.scene) for picture in pictures)


def test_no_questions_is_an_error(tmp_path: Path) -> None:
    for name in ("questions.json", "scenes.json"):
        (tmp_path / name).write_text(json.dumps({name.removesuffix(".json"): []}))
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError):
        read_training_examples(["clevr"], str(tmp_path))


class Leaves:
    """Logits of every cell asked, each a parameter of its own."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, int], Tensor] = {}
        self.draw = torch.Generator().manual_seed(0)

    def __call__(self, requests: list[ScoreRequest]) -> list[Tensor]:
        out = []
        for request in requests:
            key = (request.question.text, id(request.scene))
            assert key not in self.cells  # all cells of a question are asked at once
            self.cells[key] = torch.randn(len(request.objects), generator=self.draw).requires_grad_()
            out.append(self.cells[key])
        return out


@pytest.mark.parametrize("name", TASKS)
def test_the_loss_of_each_task_reaches_every_leaf_that_it_depends_on(name: str) -> None:
    """With soft quantifiers every score counts, so every cell of every leaf must get a gradient."""
    parameters = LogicParameters("product", quantifier_tau=0.5)
    engine = Engine(oracle="scene", logic=parameters.logic, parameters=parameters)
    pictures, _ = read_training_examples([name], str(SAMPLE), limit=4)
    tried = 0
    for picture in pictures:
        for example in picture.examples[:3]:
            leaves = Leaves()
            (found,) = soft_answers(engine.context, [(example.program, picture.scene)], leaves)
            assert found is not None
            loss_of(found, example.target).backward()
            assert leaves.cells
            for (text, _), cells in leaves.cells.items():
                assert cells.grad is not None, (example.program, text)
                assert bool(cells.grad.isfinite().all()), (example.program, text)
                assert bool((cells.grad != 0).all()), (example.program, text)
            tried += 1
    assert tried >= 4


def test_the_scorer_in_training_says_what_the_oracle_says() -> None:
    pictures, _ = read_training_examples(["clevr"], str(SAMPLE), limit=3)
    oracle = EmbeddedOracle()
    scorer = SceneScorer(oracle.module, [picture.scene for picture in pictures], Canvases())
    engine = Engine(oracle=oracle)
    pairs = [(e.program, picture.scene) for picture in pictures for e in picture.examples]
    for own, other in zip(
        soft_answers(engine.context, pairs, scorer), soft_answers(engine.context, pairs), strict=True
    ):
        assert own is not None
        assert other is not None
        torch.testing.assert_close(own.probabilities, other.probabilities, atol=1e-4, rtol=0)


def test_the_shipped_scorer_answers_most_questions() -> None:
    pictures, _ = read_training_examples(["clevr"], str(SAMPLE), limit=6)
    share, families = accuracy(EmbeddedOracle().module, pictures)
    assert share > 0.9
    assert set(families) <= {e.family for picture in pictures for e in picture.examples}


def test_a_short_run_writes_weights_curve_and_results_and_learns(tmp_path: Path) -> None:
    words = ["--config", "configs/train-answers.json", "--data_dir", str(SAMPLE), "--val_dir", str(SAMPLE)]
    more = ["--limit", "8", "--holdout", "2", "--epochs", "2", "--batch", "2", "--width", "4", "--features", "8"]
    assert main([*words, *more, "--output_dir", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["labels"] == "answers only"
    assert len(results["history"]["scores"]) == 2
    assert 0 <= results["accuracy"]["val"] <= 1
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert EmbeddedOracle(tmp_path / "scorer.safetensors").module.width == 4
    assert not (tmp_path / "scorer.checkpoint.pt").exists()


def test_a_step_of_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    pictures, _ = read_training_examples(["clevr"], str(SAMPLE), limit=2)
    parameters = LogicParameters("product", quantifier_tau=0.5)
    engine = Engine(oracle="scene", logic=parameters.logic, parameters=parameters)
    net, canvases = ScorerNet(width=4, features=16, dropout=0.0).eval(), Canvases()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    pairs = [(e.program, picture.scene) for picture in pictures for e in picture.up_to(1)]
    targets = [e.target for picture in pictures for e in picture.up_to(1)]
    losses = []
    for _ in range(30):
        scorer = SceneScorer(net, [picture.scene for picture in pictures], canvases)
        loss = mean_loss(soft_answers(engine.context, pairs, scorer), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", "configs/train-answers.json", "--output_dir", str(tmp_path / "out"), "--data_dir"]
    assert main([*words, str(tmp_path)]) == 2
    assert main([*words, str(SAMPLE), "--limit", "5", "--holdout", "5"]) == 2
    assert main([*words, str(SAMPLE), "--epochs", "0"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)
    assert "5 pictures are held out of 5" in lines[1]
