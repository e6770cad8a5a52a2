"""``task: train-answers``: trains the embedded scorer from answers alone, through the programs, from random weights.

No attribute, relation or place of an object is ever a label: boxes and questions with their answers are all there
is. Easy questions come first. Writes ``scorer.safetensors`` (for ``vlm_options: {"weights": …}``), ``results.json``
and ``curve.png``; killed, the same command resumes at the last finished epoch.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from neptune.algebra import LogicParameters
from neptune.config.paths import ReadPath
from neptune.engine import Engine
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import ConfigError
from neptune.learn.curves import draw_scores
from neptune.learn.finetune.embedded import Canvases, SceneScorer
from neptune.learn.finetune.scorers import (
    BatchSize,
    Curriculum,
    Epochs,
    Holdout,
    Minutes,
    Rate,
    ScorerConfig,
    difficulty,
    trained,
    write,
)
from neptune.learn.finetune.targets import is_right, mean_loss
from neptune.learn.finetune.training_examples import PictureExamples, TrainingExample, read_training_examples
from neptune.learn.shared import Progress, hold_out, shown, threads
from neptune.learn.train import calibration
from neptune.learn.train.domain import fit_domain
from neptune.perception.checkpoints import device_of
from neptune.perception.embedded import store
from neptune.perception.embedded.concepts import CONCEPTS
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.plots import require_matplotlib
from neptune.runs.record.lock import alone

Batch = tuple[list[PictureExamples], list[list[TrainingExample]], torch.Generator]
"""Pictures, those of their questions that are asked now, and what draws the changes of the pictures."""


class AnswersConfig(ScorerConfig):
    """The configuration of ``task: train-answers``."""

    task: Literal["train-answers"] = "train-answers"
    dataset: str | list[str] = Field("clevr", description="CLEVR tasks whose questions are trained on")
    data_dir: ReadPath = Field(description="a folder in CLEVR's format, with a bbox for each object: trained on")
    val_dir: ReadPath | None = Field(None, description="another such folder: the figures reported")
    weights: ReadPath | None = Field(None, description="start from this scorer; null: from random weights")
    holdout: Holdout = 40
    curriculum: Curriculum = Field(default=[(0.3, 1), (0.55, 2), (0.65, 3)])
    epochs: Epochs = 24
    batch: BatchSize = 16
    lr: Rate = 2e-3
    max_minutes: Minutes = 150.0
    width: int = Field(default=32, ge=4, description="channels of the network's first layer")
    features: int = Field(default=256, ge=8, description="length of the feature vector of a box")


@alone
def train_answers(config: AnswersConfig, output_dir: str | Path, progress: Progress | None = None) -> dict[str, Any]:
    """Train the scorer from answers, and measure the share of right answers.

    Parameters
    ----------
    config, output_dir, progress
        As for :func:`neptune.learn.train.train.train`.

    Returns
    -------
    dict
        The content of ``results.json``: ``accuracy`` (held-out pictures, and ``val`` with ``by_family``), the history
        of the training, and what was left out.

    Raises
    ------
    ConfigError, DatasetError, PictureError
        If more pictures are held out than there are, or the data can not be read.
    MissingExtraError
        If matplotlib is missing (checked before the training).
    """
    begun = time.monotonic()
    output = Path(output_dir)
    require_matplotlib("train-answers")
    datasets = [config.dataset] if isinstance(config.dataset, str) else config.dataset
    pictures, problems = read_training_examples(
        datasets, config.data_dir, config.limit, follow_links=config.follow_links
    )
    held, rest = hold_out(len(pictures), config.holdout, config.seed)
    held_out, training = [pictures[i] for i in held], [pictures[i] for i in rest]
    with threads(config.threads):
        with shown(progress) as report:
            net, history = _fit(config, training, held_out, output / "scorer.checkpoint.pt", report)
        results: dict[str, Any] = {
            "task": config.task,
            "labels": "answers only",
            "pictures": {"training": len(training), "held_out": len(held_out)},
            "questions": sum(len(picture.examples) for picture in training),
            "not_used": len(problems),
            "accuracy": {"held_out": accuracy(net, held_out)[0]},
            "history": history,
            "seed": config.seed,
        }
        if config.val_dir is not None:
            val, left = read_training_examples(datasets, config.val_dir, follow_links=config.follow_links)
            share, families = accuracy(net, val)
            results["accuracy"] |= {"val": share, "by_family": families}
            results["val_not_used"] = len(left)
    seen = Canvases()
    # What its features are has changed, and with it where those of its pictures lie.
    domain = fit_domain(net, lambda i: seen.of(training[i].scene)[0], range(len(training)), config.seed)
    about = {
        "domain": domain,
        "training": {"labels": "answers only", **results["pictures"]},
        "network": {"width": net.width, "features": net.features},
        "concepts": CONCEPTS,
        "temperatures": calibration.temperatures(net),
    }
    reached = f"; {100 * results['accuracy']['val']:.1f} % on val" if "val" in results["accuracy"] else ""
    steps = [
        (until * config.epochs, f"up to {most} bound variable{'s' * (most > 1)}")
        for until, most in sorted(config.curriculum)
    ]
    title = f"Scorer trained from answers only, from random weights{reached}"
    draw_scores(history["scores"], output / "curve.png", "right answers, held-out pictures (%)", title, steps)
    write("scorer", net, config, {"data_dir", "val_dir", "output_dir"}, about, results, begun, output)
    return results


def accuracy(net: ScorerNet, pictures: Sequence[PictureExamples]) -> tuple[float, dict[str, float]]:
    """Return the share of questions whose most probable answer, in godel logic, is right: all, and by family."""
    engine, canvases = Engine(oracle="scene", logic="godel"), Canvases()
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    training = net.training
    net.eval()
    with torch.no_grad():
        for picture in pictures:
            scorer = SceneScorer(net, [picture.scene], canvases)
            pairs = [(e.program, picture.scene) for e in picture.examples]
            for example, answer in zip(picture.examples, soft_answers(engine.context, pairs, scorer), strict=True):
                asked[example.family] += 1
                right[example.family] += is_right(answer, example.target)
    net.train(training)
    families = {family: right[family] / n for family, n in sorted(asked.items())}
    return sum(right.values()) / max(1, sum(asked.values())), families


def _fit(
    config: AnswersConfig,
    training: Sequence[PictureExamples],
    held_out: Sequence[PictureExamples],
    checkpoint: Path,
    progress: Progress,
) -> tuple[ScorerNet, dict[str, Any]]:
    device = torch.device(device_of(config.device))
    torch.manual_seed(config.seed)
    net = ScorerNet(config.width, config.features)
    if config.weights is not None:
        loaded, about = store.load("scorer", config.weights, device, ConfigError)
        net = ScorerNet(**about["network"])
        net.load_state_dict(loaded.state_dict())
    parameters = LogicParameters(config.logic, quantifier_tau=config.quantifier_tau)
    engine = Engine(oracle="scene", logic=parameters.logic, parameters=parameters)
    canvases = Canvases()

    def batches(epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([config.seed, epoch])
        generator = torch.Generator().manual_seed(config.seed * 7919 + epoch)
        most = difficulty(config.curriculum, epoch / config.epochs)
        fit_for_now = [i for i, picture in enumerate(training) if picture.up_to(most)]
        order = rng.permutation(fit_for_now or len(training))
        for start in range(0, len(order), config.batch):
            chosen = [training[i] for i in order[start : start + config.batch]]
            yield chosen, [picture.up_to(most) or picture.examples for picture in chosen], generator

    def loss(module: ScorerNet, batch: Batch) -> Tensor:
        chosen, examples, generator = batch
        scorer = SceneScorer(module, [picture.scene for picture in chosen], canvases, generator)
        pairs = [(e.program, picture.scene) for picture, es in zip(chosen, examples, strict=True) for e in es]
        # Logic is cheap, and eight bits of mantissa are too few for it.
        with torch.autocast(device.type, enabled=False):
            answers = soft_answers(engine.context, pairs, scorer)
            return mean_loss(answers, [e.target for es in examples for e in es])

    return trained(
        "answers",
        config,
        net,
        batches,
        loss,
        lambda module: accuracy(module, held_out)[0],
        examples=len(training),
        averaging=0.99,
        checkpoint=checkpoint,
        progress=progress,
    )
