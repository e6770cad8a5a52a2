"""``task: train``: trains the detector and the scorer from a folder in CLEVR's format.

Run by ``run.py --config configs/train-embedded.json``. Writes ``detector.safetensors``,
``scorer.safetensors``, ``results.json`` and ``calibration.png`` into the output folder.
Killed, the same command resumes at the last finished epoch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from neptune.config.paths import ReadFolder
from neptune.errors import ConfigError
from neptune.learn.shared import Progress, commit, hold_out, shown, threads
from neptune.learn.train import calibration, measure
from neptune.learn.train.augment import Paster
from neptune.learn.train.data import ClevrFolder
from neptune.learn.train.detector import choose_thresholds, train_detector
from neptune.learn.train.domain import fit_domain, share_outside
from neptune.learn.train.fields import ClevrTraining
from neptune.learn.train.loop import Settings
from neptune.learn.train.scorer import JITTER, train_scorer
from neptune.perception.checkpoints import device_of
from neptune.perception.embedded import store
from neptune.perception.embedded.concepts import AXES, CONCEPTS, SAME
from neptune.perception.embedded.detector_net import DetectorNet
from neptune.perception.embedded.said import Thresholds
from neptune.perception.embedded.scorer_net import ScorerNet
from neptune.plots import require_matplotlib
from neptune.runs.record import write_json
from neptune.runs.record.lock import alone

Part = Literal["detector", "scorer"]


class PartConfig(BaseModel):
    """How one network is trained; see :class:`~neptune.learn.train.loop.Settings`."""

    model_config = ConfigDict(extra="forbid")

    epochs: int = Field(default=24, ge=1, description="passes over the training pictures, at most")
    batch: int = Field(default=16, ge=1, description="pictures a step")
    lr: float = Field(default=2e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(default=1e-4, ge=0)
    patience: int = Field(default=12, ge=1, description="stop after so many epochs without a better held-out score")
    averaging: float = Field(default=0.998, ge=0, lt=1, description="decay of the averaged weights")
    width: int = Field(default=32, ge=4, description="channels of the first layer")


class TrainConfig(ClevrTraining):
    """The configuration of ``task: train``."""

    task: Literal["train"] = "train"
    name: str = "train-embedded"
    weights: ReadFolder | None = Field(
        None,
        description="a folder of trained weights: they are kept; what is a picture of their domain is fitted anew, and "
        "a detector's thresholds",
    )
    parts: list[Part] = Field(default=["detector", "scorer"], min_length=1)
    max_minutes: float = Field(default=38.0, gt=0, description="both parts together end by then, one half each")
    features: int = Field(default=256, ge=8, description="length of the scorer's feature vector")
    detector: PartConfig = Field(default_factory=lambda: PartConfig(epochs=24, batch=16, lr=2e-3))
    scorer: PartConfig = Field(default_factory=lambda: PartConfig(epochs=60, batch=8, lr=1.5e-3, patience=20))


@alone
def train(config: TrainConfig, output_dir: str | Path, progress: Progress | None = None) -> dict[str, Any]:
    """Train the networks and measure them.

    Parameters
    ----------
    config
        What to train, on what, and for how long.
    output_dir
        Where weights, results and figure are written; a checkpoint found there is resumed.
    progress
        Called with part, share done and message; ``None``: a progress bar on the terminal.

    Returns
    -------
    dict
        The content of ``results.json``: figures of each part, calibration, times, files.

    Raises
    ------
    ConfigError
        If more pictures are held out than there are, or `weights` can not be read.
    DatasetError, PictureError
        If the data can not be read.
    MissingExtraError
        If matplotlib is missing (checked before the training).
    """
    begun = time.monotonic()
    output = Path(output_dir)
    if "scorer" in config.parts and config.weights is None:
        require_matplotlib("train")
    device = torch.device(device_of(config.device))
    folder = ClevrFolder(config.data_dir, config.limit, config.follow_links)
    held_out, training = hold_out(len(folder), config.holdout, config.seed)
    val = ClevrFolder(config.val_dir, None, config.follow_links) if config.val_dir else None
    measured, indices = (val, list(range(len(val)))) if val else (folder, held_out)
    pictures = {"training": len(training), "held_out": len(held_out), "measured": len(indices)}
    results: dict[str, Any] = {
        "task": "train",
        "pictures": pictures,
        "measured_on": "val_dir" if val else "held-out part of data_dir",
        "device": str(device),
        "threads": config.threads or torch.get_num_threads(),
        "seed": config.seed,
    }
    about = {
        "training": {**pictures, "folder": config.data_dir.resolve().name, "format": "CLEVR"}
        | ({"world": config.world} if config.world else {}),
        "config": config.model_dump(mode="json", exclude={"data_dir", "val_dir", "output_dir", "weights"}),
        "commit": commit(),
    }
    work = _Work(config, folder, training, held_out, measured, indices, device, output, about)
    with threads(config.threads), shown(progress) as report:
        if config.weights is not None:
            results |= {part: _refit(work, part, config.weights, report) for part in config.parts}
        else:
            work_on = {"detector": _detector, "scorer": _scorer}
            results |= {part: work_on[part](work, report) for part in ("detector", "scorer") if part in config.parts}
    results["seconds"] = round(time.monotonic() - begun, 1)
    write_json(output / "results.json", results)
    for part in config.parts:  # finished: nothing is left to resume
        (output / f"{part}.checkpoint.pt").unlink(missing_ok=True)
    return results


@dataclass(frozen=True)
class _Work:
    """What both parts need: pictures to train on, to hold out and to measure on, and where results go."""

    config: TrainConfig
    folder: ClevrFolder
    training: list[int]
    held_out: list[int]
    measured: ClevrFolder
    indices: list[int]
    device: torch.device
    output: Path
    about: dict[str, Any]

    def settings(self, part: PartConfig) -> Settings:
        return Settings(
            **part.model_dump(exclude={"width"}),
            max_seconds=self.config.max_minutes * 60 / len(self.config.parts),
            seed=self.config.seed,
        )

    def domain(self, net: DetectorNet | ScorerNet, part: str, progress: Progress) -> dict[str, float]:
        """Fit what the network takes for a picture of its domain; return the figures."""
        said = f"what is a picture of {self.config.world or 'its domain'}"
        found = fit_domain(
            net, self.folder.pixels, self.training, self.config.seed, lambda share: progress(part, share, said)
        )
        return found | {"measured_outside": round(share_outside(net, self.measured.pixels, self.indices), 4)}


def _refit(work: _Work, part: Part, weights: Path, progress: Progress) -> dict[str, Any]:
    """Fit the domain of trained weights anew, and a detector's thresholds; all else stays as it is."""
    net, about = store.load(part, weights / f"{part}.safetensors", work.device, ConfigError)
    domain = work.domain(net, part, progress)
    chosen: dict[str, float] = {}
    if part == "detector":
        paster = Paster(work.folder, work.training)
        chosen = _said(choose_thresholds(net, work.folder, work.held_out, paster, work.config.seed))
    file = work.output / f"{part}.safetensors"
    training = about.get("training", {}) | ({"world": work.config.world} if work.config.world else {})
    store.save(net, part, file, {**about, **chosen, "training": training, "domain": domain})
    return {**chosen, "domain": domain, "bytes": file.stat().st_size}


def _detector(work: _Work, progress: Progress) -> dict[str, Any]:
    """Train, save and measure the detector."""
    own = work.config.detector
    net, thresholds, history = train_detector(
        work.folder,
        work.training,
        work.held_out,
        work.settings(own),
        device=work.device,
        checkpoint=work.output / "detector.checkpoint.pt",
        progress=progress,
        width=own.width,
    )
    domain = work.domain(net, "detector", progress)
    file = work.output / "detector.safetensors"
    more = {"network": {"width": own.width}, "domain": domain} | _said(thresholds)
    store.save(net, "detector", file, {**work.about, **more})
    found = measure.detect_all(net, map(work.measured.pixels, work.indices))
    figures = measure.detector_figures(found, work.measured.boxes(work.indices), thresholds)
    return {**figures, **_said(thresholds), "domain": domain, "bytes": file.stat().st_size, "history": history}


def _said(thresholds: Thresholds) -> dict[str, float]:
    """Return a detector's thresholds as its weights say them."""
    return {"threshold": thresholds.score, "inside": thresholds.inside}


def _scorer(work: _Work, progress: Progress) -> dict[str, Any]:
    """Train, calibrate, save and measure the scorer."""
    own = work.config.scorer
    net, history = train_scorer(
        work.folder,
        work.training,
        work.held_out,
        work.settings(own),
        device=work.device,
        checkpoint=work.output / "scorer.checkpoint.pt",
        progress=progress,
        width=own.width,
        features=work.config.features,
    )
    calibration.calibrate(net, work.folder, work.held_out, jitter=JITTER, seed=work.config.seed)
    temperatures = calibration.temperatures(net)
    domain = work.domain(net, "scorer", progress)
    file = work.output / "scorer.safetensors"
    network = {"width": own.width, "features": work.config.features}
    more = {"network": network, "concepts": CONCEPTS, "temperatures": temperatures, "domain": domain}
    store.save(net, "scorer", file, {**work.about, **more})
    figures = scorer_figures(net, work.measured, work.indices, work.output / "calibration.png")
    return {**figures, "temperatures": temperatures, "domain": domain, "bytes": file.stat().st_size, "history": history}


def scorer_figures(net: Any, folder: ClevrFolder, indices: list[int], figure: Path | None = None) -> dict[str, Any]:
    """Return a scorer's accuracy by attribute, relation and ``same_*``, and its calibration error.

    All with the true boxes; `jittered` sums up the same with boxes moved as a detector's may be.
    Draws the reliability diagram to `figure`, if given.
    """
    evidence, attributes = measure.gather(net, folder, indices)
    shaken, shaken_attributes = measure.gather(net, folder, indices, jitter=JITTER, seed=1)
    if figure is not None:
        calibration.draw(evidence, figure, f"Scorer on {len(indices)} pictures it was not trained on")
    return {
        "attributes": attributes,
        "relations": {name: evidence[name].accuracy for name in AXES},
        "same": {name: evidence[name].accuracy for name in SAME},
        "ece": calibration.calibration_errors(evidence),
        "jittered": {
            "attributes": shaken_attributes,
            "relations": measure.pooled(shaken, list(AXES)).accuracy,
            "ece": calibration.calibration_errors(shaken)["all"],
        },
    }
