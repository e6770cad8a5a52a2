"""``task: train-drawings``: trains the scorer of drawings, from attributes or from right and wrong answers alone.

``labels: attributes``: of each box that the detector finds its colour, shape and size are known. ``labels: answers``:
of no box anything is known; regions of one colour, programs and the truth of their sentences are all there is, and the
loss is at the answer. Writes ``drawings.safetensors`` (for ``vlm_options: {"weights": …}``), ``results.json`` and
``curve.png``; killed, the same command resumes at the last finished epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from neptune.algebra import LogicParameters
from neptune.config import Config, make_config
from neptune.config.paths import KeptPath, NameOrPath, ReadPath, WrittenFolder
from neptune.engine import Engine
from neptune.engine.assemble import engine_arguments
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import DatasetError
from neptune.learn.finetune.answers import difficulty
from neptune.learn.finetune.data import Item, read_questions
from neptune.learn.finetune.targets import is_right, mean_loss
from neptune.learn.shared import Progress, commit, hold_out, shown, threads
from neptune.learn.train.loop import Settings, fit
from neptune.perception.checkpoints import device_of
from neptune.perception.embedded import store
from neptune.perception.embedded.drawing_net import DrawingNet, cut
from neptune.perception.oracle.drawings import value_of
from neptune.plots import require_matplotlib, save_figure
from neptune.resources import vocabulary_of
from neptune.runs.record import write_json
from neptune.scene.types import ScoreRequest

BRIGHTER = 0.1
"""Colours of training boxes are changed by a normal number of this deviation, on a scale from -1 to 1."""


class DrawingsConfig(BaseModel):
    """The configuration of ``task: train-drawings``."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["train-drawings"] = "train-drawings"
    labels: Literal["attributes", "answers"] = Field(
        "attributes", description="what is told: of each box its attributes, or of each sentence whether it is true"
    )
    dataset: str = Field("nlvr", description="a dataset of drawings, with programs")
    data_dir: ReadPath = Field(description="its folder: trained on")
    split: str | None = Field(None, description="its split")
    follow_links: bool = Field(False, description="symbolic links below data_dir may lead out of it")
    val_split: str | None = Field(None, description="another split of the folder: the figures reported")
    output_dir: WrittenFolder | None = None
    od_model: NameOrPath = Field("regions", description="detector of the boxes")
    od_options: dict[str, Any] = Field(default_factory=dict)
    program_cache_address: KeptPath | None = Field(None, description="JSON file of programs by question")
    vocabulary: NameOrPath = Field("nlvr", description="vocabulary by name or file: its sorts of values are learned")
    seed: int = 0
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; default: PyTorch's own choice")
    holdout: int = Field(default=100, ge=1, description="examples held out to choose the best epoch")
    limit: int | None = Field(default=None, ge=2, description="use at most so many examples")
    logic: str = Field("product", description="logic of the training from answers")
    quantifier_tau: float = Field(0.5, ge=0, description="temperature of the quantifiers in it")
    curriculum: list[tuple[float, int]] = Field(
        default=[(0.4, 1), (0.7, 2)],
        description="(share of the epochs, most variables): until then, only programs that bind so few",
    )
    epochs: int = Field(default=12, ge=1, description="passes over the examples, at most")
    batch: int = Field(default=32, ge=1, description="examples a step")
    lr: float = Field(default=3e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(default=1e-4, ge=0)
    max_minutes: float = Field(default=30.0, gt=0, description="training ends by then")
    width: int = Field(default=12, ge=1, description="channels of the network's first layer")
    features: int = Field(default=48, ge=1, description="length of the feature vector of a box")

    def run_config(self, split: str | None) -> Config:
        """Return the configuration of a run that answers the questions of a split.

        Raises
        ------
        ConfigProblems
            If names do not exist, or fields are missing.
        """
        same = ["dataset", "data_dir", "follow_links", "seed", "od_model", "od_options", "vocabulary"]
        same += ["program_cache_address"]
        given = {field: getattr(self, field) for field in same}
        provider = "gold" if self.program_cache_address is None else "cache"
        given |= {"split": split, "vlm_model_name": "drawings", "code_gen_provider": provider}
        return make_config(given | {"num_samples": self.limit}, "train-drawings")


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """One example: its question, and what the network sees of each box of its scene.

    Parameters
    ----------
    item
        The question on its scene, which has no annotation.
    crops, sides
        Of all boxes, see :func:`neptune.perception.embedded.drawing_net.cut`.
    truth
        Attribute → for each box the index of its value, -1: not known; empty where answers are the only labels.
    """

    item: Item
    crops: Tensor
    sides: Tensor
    truth: Mapping[str, Tensor]


def train_drawings(config: DrawingsConfig, output_dir: str | Path, progress: Progress | None = None) -> dict[str, Any]:
    """Train the scorer of drawings, and measure the share of right answers.

    Parameters
    ----------
    config, output_dir, progress
        As for :func:`neptune.learn.train.train.train`.

    Returns
    -------
    dict
        The content of ``results.json``: ``accuracy`` of answers and, where they are labels, ``attributes`` (held-out
        examples, and ``val``), the history of the training, and what was left out.

    Raises
    ------
    ConfigError, DatasetError, PictureError
        If more examples are held out than there are, or the data can not be read.
    MissingExtraError
        If matplotlib is missing (checked before the training).
    """
    begun = time.monotonic()
    output = Path(output_dir)
    require_matplotlib("train-drawings")
    attributes = attributes_of(config.vocabulary)
    with threads(config.threads):
        drawings, problems = read_drawings(config, config.split, attributes)
        held, rest = hold_out(len(drawings), config.holdout, config.seed)
        held_out, training = [drawings[i] for i in held], [drawings[i] for i in rest]
        with shown(progress) as report:
            net, history = _fit(config, attributes, training, held_out, output / "drawings.checkpoint.pt", report)
        results: dict[str, Any] = {
            "task": config.task,
            "labels": config.labels,
            "examples": {"training": len(training), "held_out": len(held_out)},
            "not_used": len(problems),
            "accuracy": {"held_out": accuracy(config, net, held_out)},
            "history": history,
            "seed": config.seed,
        }
        known = {"held_out": attribute_accuracy(net, held_out)} if config.labels == "attributes" else {}
        if config.val_split is not None:
            val, left = read_drawings(config, config.val_split, attributes)
            results["accuracy"]["val"] = accuracy(config, net, val)
            results["val_not_used"] = len(left)
            known |= {"val": attribute_accuracy(net, val)} if known else {}
        if known:
            results["attributes"] = known
    about = {
        "training": {"labels": config.labels, **results["examples"]},
        "config": config.model_dump(mode="json", exclude={"data_dir", "output_dir", "program_cache_address"}),
        "commit": commit(),
        "network": {"attributes": attributes, "width": net.width, "features": net.features},
    }
    store.save(net, "drawings", output / "drawings.safetensors", about)
    draw_curve(history["scores"], config, results["accuracy"], output / "curve.png")
    results["seconds"] = round(time.monotonic() - begun, 1)
    write_json(output / "results.json", results)
    (output / "drawings.checkpoint.pt").unlink(missing_ok=True)
    return results


def attributes_of(vocabulary: str) -> dict[str, list[str]]:
    """Return attribute → its values, of a vocabulary's sorts of values.

    Raises
    ------
    ConfigError, DatasetError
        If it can not be read, or has none.
    """
    known = vocabulary_of(vocabulary)
    sorts = known.sorts.values() if known is not None else ()
    found = {sort.attribute: list(sort.values) for sort in sorts if sort.attribute and len(sort.values) > 1}
    if not found:
        raise DatasetError("The vocabulary has no sort of values to learn", where=vocabulary)
    return found


def read_drawings(
    config: DrawingsConfig, split: str | None, attributes: Mapping[str, Sequence[str]]
) -> tuple[list[Drawing], list[str]]:
    """Read the examples of a split; with them one line for each that can not be used.

    Raises
    ------
    DatasetError
        If none can be used.
    """
    run = config.run_config(split)
    engine = Engine(**(engine_arguments(run) | {"oracle": "scene", "oracle_options": {}}))
    questions = read_questions(run, engine)
    drawings = []
    for item in questions.items:
        scene = item.scene
        assert scene.picture is not None  # a detector looked at it
        crops, sides = cut(np.asarray(scene.picture.image.convert("RGB")), scene.boxes)
        truth = {}
        if config.labels == "attributes":
            if scene.annotation is None:
                raise DatasetError("An example has no annotation to learn from", where=item.example.id)
            shown_of = scene.true_object
            for name, values in attributes.items():
                said = scene.annotation.attributes[name]
                rows = [values.index(said[k]) if k >= 0 and said[k] in values else -1 for k in shown_of.tolist()]
                truth[name] = torch.tensor(rows, dtype=torch.int64)
        bare = replace(scene, annotation=None)  # what the objects are is not there to be seen
        drawings.append(Drawing(replace(item, scene=bare), crops, sides, truth))
    return drawings, questions.problems


class DrawingScorer:
    """Answers the questions about a few drawings, with gradients to the network; each box is looked at once.

    Parameters
    ----------
    net
        The network.
    drawings
        What will be asked about.
    """

    def __init__(self, net: DrawingNet, drawings: Sequence[Drawing]) -> None:
        device = next(net.parameters()).device
        self._net, self._first, place = net, dict[int, int](), 0
        for drawing in drawings:
            self._first[id(drawing.item.scene)] = place
            place += len(drawing.crops)
        crops, sides = torch.cat([d.crops for d in drawings]), torch.cat([d.sides for d in drawings])
        self._features = net.encode(crops.to(device), sides.to(device)).float()

    def __call__(self, requests: Sequence[ScoreRequest]) -> list[Tensor]:
        """Return for each request the logits of its M objects, ``(M,)``.

        Raises
        ------
        OracleError
            If a question asks for no value that the network knows.
        """
        found = []
        for request in requests:
            rows = torch.from_numpy(np.asarray(request.objects, dtype=np.int64)[:, 0])
            rows = (rows + self._first[id(request.scene)]).to(self._features.device)
            found.append(self._net.logits(self._features, value_of(request.question, self._net.attribute_of), rows))
        return found


def accuracy(config: DrawingsConfig, net: DrawingNet, drawings: Sequence[Drawing]) -> float:
    """Return the share of questions whose most probable answer, in godel logic, is right."""
    engine, training = Engine(oracle="scene", logic="godel", vocabulary=config.vocabulary), net.training
    net.eval()
    with torch.no_grad():
        scorer = DrawingScorer(net, drawings)
        pairs = [(d.item.example.program, d.item.scene) for d in drawings]
        answers = soft_answers(engine.context, pairs, scorer)
    net.train(training)
    right = [is_right(a, d.item.example.target) for a, d in zip(answers, drawings, strict=True)]
    return sum(right) / max(1, len(right))


def attribute_accuracy(net: DrawingNet, drawings: Sequence[Drawing]) -> float:
    """Return the share of boxes, among those of which they are known, of which all attributes are told right."""
    training = net.training
    net.eval()
    with torch.no_grad():
        features = net.encode(torch.cat([d.crops for d in drawings]), torch.cat([d.sides for d in drawings]))
        right, known = torch.ones(len(features), dtype=torch.bool), torch.ones(len(features), dtype=torch.bool)
        for name in net.attributes:
            truth = torch.cat([d.truth[name] for d in drawings])
            right &= net.values(features, name).argmax(1).cpu() == truth
            known &= truth >= 0
    net.train(training)
    return float((right & known).sum() / known.sum().clamp_min(1))


def _fit(
    config: DrawingsConfig,
    attributes: Mapping[str, Sequence[str]],
    training: Sequence[Drawing],
    held_out: Sequence[Drawing],
    checkpoint: Path,
    progress: Progress,
) -> tuple[DrawingNet, dict[str, Any]]:
    device = torch.device(device_of(config.device))
    torch.manual_seed(config.seed)
    net = DrawingNet(attributes, config.width, config.features)
    parameters = LogicParameters(config.logic, quantifier_tau=config.quantifier_tau)
    engine = Engine(oracle="scene", logic=parameters.logic, parameters=parameters, vocabulary=config.vocabulary)

    def batches(epoch: int) -> Iterator[list[Drawing]]:
        rng = np.random.default_rng([config.seed, epoch])
        most = difficulty(config.curriculum, epoch / config.epochs) if config.labels == "answers" else None
        now = [d for d in training if most is None or d.item.example.difficulty <= most] or list(training)
        order = rng.permutation(len(now))
        for start in range(0, len(order), config.batch):
            yield [_recoloured(now[i]) for i in order[start : start + config.batch]]

    def from_answers(module: DrawingNet, batch: Sequence[Drawing]) -> Tensor:
        with torch.autocast(device.type, enabled=False):
            pairs = [(d.item.example.program, d.item.scene) for d in batch]
            answers = soft_answers(engine.context, pairs, DrawingScorer(module, batch))
            return mean_loss(answers, [d.item.example.target for d in batch])

    def from_attributes(module: DrawingNet, batch: Sequence[Drawing]) -> Tensor:
        crops, sides = torch.cat([d.crops for d in batch]), torch.cat([d.sides for d in batch])
        features = module.encode(crops.to(device), sides.to(device)).float()
        losses = [
            functional.nll_loss(module.values(features, name), truth.to(device), ignore_index=-1)
            for name, truth in ((name, torch.cat([d.truth[name] for d in batch])) for name in module.attributes)
        ]
        return torch.stack(losses).sum()

    def score(module: DrawingNet) -> float:
        if config.labels == "attributes":
            return attribute_accuracy(module, held_out)
        return accuracy(config, module, held_out)

    settings = Settings(
        epochs=config.epochs,
        batch=config.batch,
        lr=config.lr,
        weight_decay=config.weight_decay,
        max_seconds=config.max_minutes * 60,
        seed=config.seed,
        averaging=0.98,
    )
    loss: Callable[[DrawingNet, Sequence[Drawing]], Tensor]
    loss = from_attributes if config.labels == "attributes" else from_answers
    steps = -(-len(training) // config.batch)
    return fit(
        f"drawings from {config.labels}",
        net,
        batches,
        loss,
        score,
        settings,
        steps=steps,
        device=device,
        checkpoint=checkpoint,
        progress=progress,
    )


def _recoloured(drawing: Drawing) -> Drawing:
    """Return a drawing whose colours are a little different, all boxes alike."""
    shift = torch.randn(3) * BRIGHTER
    return replace(drawing, crops=(drawing.crops + shift[None, :, None, None]).clamp(-1.2, 1.2))


def draw_curve(scores: Sequence[float], config: DrawingsConfig, reached: dict[str, float], path: Path) -> None:
    """Write the learning curve: what is right of the held-out examples after each epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(np.arange(1, len(scores) + 1), [100 * s for s in scores], color="#2f6f8f", marker="o", markersize=3)
    axis.set_ylim(0, 102)
    axis.set_xlabel("epoch")
    what = "boxes" if config.labels == "attributes" else "answers"
    axis.set_ylabel(f"right {what}, held-out examples (%)")
    val = f"; {100 * reached['val']:.1f} % of the answers on {config.val_split}" if "val" in reached else ""
    axis.set_title(f"Scorer of drawings, from {config.labels} only{val}", fontsize=10)
    save_figure(figure, path, 130)
