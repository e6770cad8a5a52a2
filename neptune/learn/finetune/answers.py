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
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from neptune.algebra import LogicParameters
from neptune.config.paths import ReadPath, WrittenFolder
from neptune.engine import Engine
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import ConfigError
from neptune.learn.finetune.embedded import Canvases, SceneScorer
from neptune.learn.finetune.targets import is_right, mean_loss
from neptune.learn.finetune.training_examples import PictureExamples, TrainingExample, read_training_examples
from neptune.learn.shared import Progress, commit, hold_out, shown, threads
from neptune.learn.train import calibration
from neptune.learn.train.domain import fit_domain
from neptune.learn.train.loop import Settings, fit
from neptune.perception.checkpoints import device_of
from neptune.perception.embedded import store
from neptune.perception.embedded.concepts import CONCEPTS
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.plots import require_matplotlib, save_figure
from neptune.runs.record import write_json

Batch = tuple[list[PictureExamples], list[list[TrainingExample]], torch.Generator]
"""Pictures, those of their questions that are asked now, and what draws the changes of the pictures."""


class AnswersConfig(BaseModel):
    """The configuration of ``task: train-answers``."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["train-answers"] = "train-answers"
    dataset: str | list[str] = Field("clevr", description="CLEVR tasks whose questions are trained on")
    data_dir: ReadPath = Field(description="a folder in CLEVR's format, with a bbox for each object: trained on")
    follow_links: bool = Field(False, description="symbolic links below data_dir may lead out of it")
    val_dir: ReadPath | None = Field(None, description="another such folder: the figures reported")
    output_dir: WrittenFolder | None = None
    weights: ReadPath | None = Field(None, description="start from this scorer; null: from random weights")
    seed: int = 0
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; default: PyTorch's own choice")
    holdout: int = Field(default=40, ge=1, description="pictures held out to choose the best epoch")
    limit: int | None = Field(default=None, ge=2, description="use at most so many pictures")
    logic: str = Field("product", description="logic of the training; gradients of godel reach one cell each")
    quantifier_tau: float = Field(0.5, ge=0, description="temperature of the quantifiers in training")
    curriculum: list[tuple[float, int]] = Field(
        default=[(0.3, 1), (0.55, 2), (0.65, 3)],
        description="(share of the epochs, most variables): until then, only programs that bind so few",
    )
    epochs: int = Field(default=24, ge=1, description="passes over the training pictures, at most")
    batch: int = Field(default=16, ge=1, description="pictures a step, with all their questions")
    lr: float = Field(default=2e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(default=1e-4, ge=0)
    max_minutes: float = Field(default=150.0, gt=0, description="training ends by then")
    width: int = Field(default=32, ge=4, description="channels of the network's first layer")
    features: int = Field(default=256, ge=8, description="length of the feature vector of a box")


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
        "config": config.model_dump(mode="json", exclude={"data_dir", "val_dir", "output_dir"}),
        "commit": commit(),
        "network": {"width": net.width, "features": net.features},
        "concepts": CONCEPTS,
        "temperatures": calibration.temperatures(net),
    }
    store.save(net, "scorer", output / "scorer.safetensors", about)
    draw_curve(history["scores"], config, results["accuracy"], output / "curve.png")
    results["seconds"] = round(time.monotonic() - begun, 1)
    write_json(output / "results.json", results)
    (output / "scorer.checkpoint.pt").unlink(missing_ok=True)
    return results


def difficulty(curriculum: Sequence[tuple[float, int]], share: float) -> int | None:
    """Return the most variables of a program at a share in [0, 1] of the training; ``None``: any number."""
    return next((most for until, most in sorted(curriculum) if share < until), None)


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

    settings = Settings(
        epochs=config.epochs,
        batch=config.batch,
        lr=config.lr,
        weight_decay=config.weight_decay,
        max_seconds=config.max_minutes * 60,
        seed=config.seed,
        averaging=0.99,
    )
    return fit(
        "answers",
        net,
        batches,
        loss,
        lambda module: accuracy(module, held_out)[0],
        settings,
        steps=-(-len(training) // config.batch),
        device=device,
        checkpoint=checkpoint,
        progress=progress,
    )


def draw_curve(scores: Sequence[float], config: AnswersConfig, reached: dict[str, Any], path: Path) -> None:
    """Write the learning curve: right answers on held-out pictures after each epoch, and the curriculum's steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axis = figure.subplots()
    epochs = np.arange(1, len(scores) + 1)
    axis.plot(epochs, [100 * s for s in scores], color="#2f6f8f", marker="o", markersize=3)
    for row, (until, most) in enumerate(sorted(config.curriculum)):
        axis.axvline(until * config.epochs, color="0.75", linewidth=1, linestyle="--")
        label = f"up to {most} bound variable{'s' * (most > 1)} "
        axis.text(until * config.epochs, 2 + 6 * row, label, ha="right", fontsize=7)
    axis.set_ylim(0, 102)
    axis.set_xlabel("epoch")
    axis.set_ylabel("right answers, held-out pictures (%)")
    val = f"; {100 * reached['val']:.1f} % on val" if "val" in reached else ""
    axis.set_title(f"Scorer trained from answers only, from random weights{val}", fontsize=10)
    save_figure(figure, path, 130)
