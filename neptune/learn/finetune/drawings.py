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
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from neptune.algebra import LogicParameters
from neptune.config import Config, make_config
from neptune.config.paths import KeptPath, NameOrPath, ReadPath
from neptune.engine import Engine
from neptune.engine.assemble import engine_arguments
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import DatasetError
from neptune.learn.curves import draw_scores
from neptune.learn.finetune.data import Item, read_questions
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
from neptune.learn.shared import Progress, hold_out, shown, threads
from neptune.perception.checkpoints import device_of
from neptune.perception.embedded.drawing_net import DrawingNet, cut
from neptune.perception.oracle.drawings import value_of
from neptune.plots import require_matplotlib
from neptune.resources import vocabulary_of
from neptune.runs.record.lock import alone
from neptune.scene.types import ScoreRequest

BRIGHTER = 0.1
"""Colours of training boxes are changed by a normal number of this deviation, on a scale from -1 to 1."""


class DrawingsConfig(ScorerConfig):
    """The configuration of ``task: train-drawings``."""

    task: Literal["train-drawings"] = "train-drawings"
    labels: Literal["attributes", "answers"] = Field(
        "attributes", description="what is told: of each box its attributes, or of each sentence whether it is true"
    )
    dataset: str = Field("nlvr", description="a dataset of drawings, with programs")
    data_dir: ReadPath = Field(description="its folder: trained on")
    split: str | None = Field(None, description="its split")
    val_split: str | None = Field(None, description="another split of the folder: the figures reported")
    od_model: NameOrPath = Field("regions", description="detector of the boxes")
    od_options: dict[str, Any] = Field(default_factory=dict)
    program_cache_address: KeptPath | None = Field(None, description="JSON file of programs by question")
    vocabulary: NameOrPath = Field("nlvr", description="vocabulary by name or file: its sorts of values are learned")
    holdout: Holdout = 100
    curriculum: Curriculum = Field(default=[(0.4, 1), (0.7, 2)])
    epochs: Epochs = 12
    batch: BatchSize = 32
    lr: Rate = 3e-3
    max_minutes: Minutes = 30.0
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


@alone
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
        "network": {"attributes": attributes, "width": net.width, "features": net.features},
    }
    val = results["accuracy"].get("val")
    reached = f"; {100 * val:.1f} % of the answers on {config.val_split}" if val is not None else ""
    what = "boxes" if config.labels == "attributes" else "answers"
    title = f"Scorer of drawings, from {config.labels} only{reached}"
    draw_scores(history["scores"], output / "curve.png", f"right {what}, held-out examples (%)", title)
    left_out = {"data_dir", "output_dir", "program_cache_address"}
    write("drawings", net, config, left_out, about, results, begun, output)
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

    loss: Callable[[DrawingNet, Sequence[Drawing]], Tensor]
    loss = from_attributes if config.labels == "attributes" else from_answers
    return trained(
        f"drawings from {config.labels}",
        config,
        net,
        batches,
        loss,
        score,
        examples=len(training),
        averaging=0.98,
        checkpoint=checkpoint,
        progress=progress,
    )


def _recoloured(drawing: Drawing) -> Drawing:
    """Return a drawing whose colours are a little different, all boxes alike."""
    shift = torch.randn(3) * BRIGHTER
    return replace(drawing, crops=(drawing.crops + shift[None, :, None, None]).clamp(-1.2, 1.2))
