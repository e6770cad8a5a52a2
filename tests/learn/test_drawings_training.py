"""The scorer of drawings is trained from attributes, or from right and wrong answers alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from neptune.cli import main
from neptune.errors import DatasetError
from neptune.learn.finetune.drawings import DrawingsConfig, DrawingScorer, attributes_of, read_drawings, train_drawings
from neptune.perception.embedded.drawing_net import DrawingNet
from neptune.perception.oracle.drawings import DrawingOracle

pytest.importorskip("matplotlib", reason="the curve needs matplotlib: make setup")
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples/nlvr"


def config(labels: str, **more: object) -> DrawingsConfig:
    fields = {"labels": labels, "data_dir": str(SAMPLE), "split": "dev", "holdout": 4, "threads": 1, "batch": 4}
    return DrawingsConfig.model_validate(
        fields | {"program_cache_address": str(ROOT / "programs/nlvr.json"), "lr": 0.01} | more
    )


def quiet(part: str, share: float, message: str) -> None:
    """Show nothing."""


def test_attributes_are_learned_from_a_few_drawings(tmp_path: Path) -> None:
    results = train_drawings(config("attributes", epochs=12, curriculum=[]), tmp_path, quiet)
    assert results["examples"] == {"training": 12, "held_out": 4}
    scores = results["history"]["scores"]
    assert max(scores) > 0.6, "of nine values a guess tells all three right once in 27"
    assert max(scores) > scores[0]
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["labels"] == "attributes"
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert not (tmp_path / "drawings.checkpoint.pt").exists()
    oracle = DrawingOracle(tmp_path / "drawings.safetensors", device="cpu")
    assert set(oracle.module.attributes) == {"color", "shape", "size"}


def test_answers_alone_give_a_gradient_to_colours_and_shapes() -> None:
    wanted = config("answers")
    drawings, problems = read_drawings(wanted, "dev", attributes_of("nlvr"))
    assert not problems
    assert all(d.truth == {} and d.item.scene.annotation is None for d in drawings), "no box is told anything"
    from neptune.algebra import LogicParameters
    from neptune.engine import Engine
    from neptune.engine.session.soft_answers import soft_answers
    from neptune.learn.finetune.targets import mean_loss

    torch.manual_seed(0)
    net = DrawingNet(attributes_of("nlvr"))
    parameters = LogicParameters("product", quantifier_tau=0.5)
    engine = Engine(oracle="scene", logic=parameters.logic, parameters=parameters, vocabulary="nlvr")
    pairs = [(d.item.example.program, d.item.scene) for d in drawings]
    optimiser, losses = torch.optim.Adam(net.parameters(), lr=3e-3), []
    for _ in range(6):
        answers = soft_answers(engine.context, pairs, DrawingScorer(net, drawings))
        loss = mean_loss(answers, [d.item.example.target for d in drawings])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert net.heads["color"].weight.grad is not None
    assert float(net.heads["color"].weight.grad.abs().sum()) > 0
    assert losses[-1] < losses[0]


def test_the_command_trains_from_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", str(ROOT / "configs/train-drawings.json"), "--data_dir", str(SAMPLE), "--labels", "answers"]
    words += ["--holdout", "4", "--epochs", "2", "--val_split", "dev", "--output_dir", str(tmp_path), "--threads", "1"]
    assert main(words) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results["labels"] == "answers"
    assert "attributes" not in results
    assert 0 <= results["accuracy"]["val"] <= 1
    assert len(results["history"]["scores"]) == 2
    assert "accuracy.val" in capsys.readouterr().out


def test_what_can_not_be_learned_is_said(tmp_path: Path) -> None:
    world = tmp_path / "plain.json"
    world.write_text('{"name": "plain", "predicates": {"shiny": {"arity": 1}}}', encoding="utf-8")
    with pytest.raises(DatasetError, match="no sort of values"):
        attributes_of(str(world))
