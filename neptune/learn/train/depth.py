"""Trains the depth head: from the shipped scorer's features of CLEVR's objects to the depths of ``pixel_coords``.

Run by ``run.py --config configs/train-depth.json``. Writes ``depth.safetensors`` and ``results.json``; a few minutes on
one CPU core, most of them for the scorer to look at the pictures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from neptune.config.paths import ReadFolder
from neptune.errors import ConfigError, DatasetError
from neptune.learn.shared import Progress, commit, hold_out, shown, threads
from neptune.learn.train.augment import mirrored
from neptune.learn.train.data import ClevrFolder
from neptune.learn.train.fields import ClevrTraining
from neptune.learn.train.measure import jittered
from neptune.perception.checkpoints import device_of
from neptune.perception.embedded import store
from neptune.perception.embedded.canvas import to_float
from neptune.perception.embedded.depth_net import DepthNet
from neptune.perception.embedded.sizes import HEIGHT, WIDTH
from neptune.runs.record import write_json
from neptune.runs.record.lock import alone
from neptune.tasks.json_files import read_records

JITTER = 0.03
"""Training boxes are moved by this share of their size, as a detector's boxes are."""
CAMERA = 5.34
"""CLEVR's camera stands about so high above the ground, in its units."""
TENTH = 0.1
"""Depths that differ by more than this share of the nearer one are told apart by where boxes end, too."""


class DepthConfig(ClevrTraining):
    """The configuration of ``task: train-depth``; the scenes need ``pixel_coords`` too."""

    task: Literal["train-depth"] = "train-depth"
    name: str = "train-depth"
    scorer: ReadFolder | None = Field(None, description="weights of the scorer that looks; default: the shipped ones")
    looks: int = Field(
        default=4, ge=1, description="times that each picture is looked at, mirrored and with boxes moved"
    )
    epochs: int = Field(default=60, ge=1, description="passes over the features")
    batch: int = Field(default=32, ge=1, description="pictures a step")
    lr: float = Field(default=2e-3, gt=0, description="peak learning rate")
    hidden: int = Field(default=192, ge=4, description="units of the hidden layer")


@alone
def train_depth(config: DepthConfig, output_dir: str | Path, progress: Progress | None = None) -> dict[str, Any]:
    """Train the head and measure it.

    Parameters
    ----------
    config
        What to train, on what.
    output_dir
        Where weights and results are written.
    progress
        Called with part, share done and message; ``None``: a progress bar on the terminal.

    Returns
    -------
    dict
        The content of ``results.json``: the order of pairs, the errors, the file.

    Raises
    ------
    ConfigError, DatasetError, PictureError
        If weights or data can not be read.
    """
    begun, output = time.monotonic(), Path(output_dir)
    device = torch.device(device_of(config.device))
    folder = ClevrFolder(config.data_dir, config.limit, config.follow_links)
    truth = depths_of(config.data_dir, len(folder))
    held_out, training = hold_out(len(folder), config.holdout, config.seed)
    looking, about = store.load("scorer", config.scorer and config.scorer / "scorer.safetensors", device, ConfigError)
    with threads(config.threads), shown(progress) as report:
        net = DepthNet(looking.features + 10, config.hidden).to(device)
        net.ground.copy_(fit_ground(config.data_dir, len(folder)))
        seen = _looks(config, folder, training, looking, report)
        kept = [(_features(looking, folder, i), truth[i]) for i in held_out]
        _fit(net, config, seen, [truth[i] for i in training], kept, report)
        measured, depths = folder, truth
        indices = held_out
        if config.val_dir is not None:
            measured = ClevrFolder(config.val_dir, None, config.follow_links)
            depths, indices = depths_of(config.val_dir, len(measured)), list(range(len(measured)))
        figures = measure(net, looking, measured, depths, indices)
    world = config.world or about.get("training", {}).get("world")
    pictures = {"training": len(training), "held_out": len(held_out), "measured": len(indices)}
    file = output / "depth.safetensors"
    store.save(
        net.cpu(),
        "depth",
        file,
        {
            "network": {"features": net.features, "hidden": net.hidden},
            "training": {**pictures, "folder": config.data_dir.resolve().name} | ({"world": world} if world else {}),
            "config": config.model_dump(mode="json", exclude={"data_dir", "val_dir", "output_dir", "scorer"}),
            "commit": commit(),
        },
    )
    results = {
        "task": "train-depth",
        "pictures": pictures,
        "measured_on": "val_dir" if config.val_dir else "held-out part of data_dir",
        **figures,
        "bytes": file.stat().st_size,
        "seconds": round(time.monotonic() - begun, 1),
    }
    write_json(output / "results.json", results)
    return results


def depths_of(folder: Path, limit: int) -> list[Tensor]:
    """Return the depth of each object of each scene, in CLEVR's units.

    Raises
    ------
    DatasetError
        If an object has no ``pixel_coords``.
    """
    found = []
    for record in read_records(folder / "scenes.json", "scenes")[:limit]:
        try:
            found.append(torch.tensor([float(o["pixel_coords"][2]) for o in record["objects"]]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DatasetError(
                "An object of scenes.json has no depth",
                where=str(folder / "scenes.json"),
                expected="'pixel_coords': [x, y, depth]",
            ) from error
    return found


def fit_ground(folder: Path, limit: int) -> Tensor:
    """Return ``(a, b, c)``: one over the depth of the ground is ``a + b x + c y``, with x and y as shares of a side.

    The centres of objects lie in planes above the ground, as far as they are high: there one over the depth is larger
    by the height of the camera over what is left of it.
    """
    rows, wanted = [], []
    for record in read_records(folder / "scenes.json", "scenes")[:limit]:
        for thing in record["objects"]:
            x, y, depth = thing["pixel_coords"]
            above = CAMERA / (CAMERA - float(thing["3d_coords"][2]))
            rows.append([above, above * x / WIDTH, above * y / HEIGHT])
            wanted.append(1 / depth)
    solution, *_ = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)
    return torch.tensor(solution, dtype=torch.float32)


def measure(
    net: DepthNet, looking: Any, folder: ClevrFolder, truth: Sequence[Tensor], indices: Sequence[int]
) -> dict[str, Any]:
    """Return how often the order of pairs is right, of the head and of the lower edges of boxes, and the errors.

    ``far``: of pairs whose depths differ by more than a tenth of the nearer one; ``near``: of the others.
    """
    right = {"far": [0, 0, 0], "near": [0, 0, 0]}
    errors: list[float] = []
    with torch.inference_mode():
        for i in indices:
            found = net(_features(looking, folder, i))[0]
            true, edges = truth[i], folder.examples[i].boxes[:, 3]
            errors += (found - true).abs().tolist()
            for a, b in combinations(range(len(true)), 2):
                gap = float(true[a] - true[b])
                row = right["far" if abs(gap) > TENTH * float(min(true[a], true[b])) else "near"]
                row[0] += 1
                row[1] += float(found[a] - found[b]) * gap > 0
                row[2] += float(edges[b] - edges[a]) * gap > 0
    order = {
        name: {"pairs": n, "order": round(own / max(1, n), 5), "lower_edge": round(edge / max(1, n), 5)}
        for name, (n, own, edge) in right.items()
    }
    return {"order": order, "error": {"median": float(np.median(errors)), "mean": float(np.mean(errors))}}


def _features(looking: Any, folder: ClevrFolder, index: int, turn: int = 0) -> Tensor:
    """Return what the scorer sees in the boxes of a picture; of turn 1, 3, … mirrored, from 2 on with boxes moved."""
    pixels, boxes = to_float(folder.pixels(index)), folder.examples[index].boxes
    if turn % 2:
        pixels, boxes = pixels.flip(2), mirrored(boxes)
    if turn > 1:
        boxes = jittered(boxes, torch.Generator().manual_seed(1000 * index + turn), JITTER)
    device = looking.temperature.device
    with torch.inference_mode():
        found: Tensor = looking.encode(pixels[None].to(device), [boxes.to(device)])
    return found.clone()


def _looks(
    config: DepthConfig, folder: ClevrFolder, training: Sequence[int], looking: Any, report: Progress
) -> list[list[Tensor]]:
    """Return for each training picture its features, at each look."""
    found = []
    for k, index in enumerate(training):
        found.append([_features(looking, folder, index, turn) for turn in range(config.looks)])
        report("depth", 0.9 * k / len(training), "looking at the pictures")
    return found


def _fit(
    net: DepthNet,
    config: DepthConfig,
    seen: Sequence[Sequence[Tensor]],
    truth: Sequence[Tensor],
    kept: Sequence[tuple[Tensor, Tensor]],
    report: Progress,
) -> None:
    """Fit the head; the epoch that is best on the pictures held out is kept."""
    every = torch.cat([look for looks in seen for look in looks])
    net.mean.copy_(every.mean(0))
    net.scale.copy_(every.std(0).clamp(min=1e-3))
    torch.manual_seed(config.seed)
    for layer in (net.mix[0], net.mix[2]):
        layer.reset_parameters()  # type: ignore[operator]
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=1e-3)
    steps = config.epochs * -(-len(seen) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, steps, pct_start=0.1)
    rng, best, state = np.random.default_rng(config.seed), float("inf"), net.state_dict()
    for epoch in range(config.epochs):
        order = rng.permutation(len(seen))
        for start in range(0, len(order), config.batch):
            chosen = order[start : start + config.batch].tolist()
            parts = [seen[i][int(rng.integers(len(seen[i])))] for i in chosen]
            loss = _loss(net, parts, [truth[i] for i in chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            held = float(_loss(net, [f for f, _ in kept], [t for _, t in kept]))
        if held < best:
            best, state = held, {name: value.clone() for name, value in net.state_dict().items()}
        report("depth", 0.9 + 0.1 * (epoch + 1) / config.epochs, f"epoch {epoch + 1}")
    net.load_state_dict(state)


def _loss(net: DepthNet, parts: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """Return the loss of some pictures: of depths (Laplace, with the spread), and of the order within each picture."""
    sizes = [len(part) for part in parts]
    depth, spread = net(torch.cat(list(parts)))
    true = torch.cat(list(truth)).to(depth.device)
    error = (depth - true).abs()
    total: Tensor = (error / spread + spread.log()).mean() + error.mean()
    order: Tensor = depth.new_zeros(())
    pairs = 0
    for own, width, target in zip(torch.split(depth, sizes), torch.split(spread, sizes), torch.split(true, sizes)):
        gap = target[:, None] - target[None, :]
        # Differences within a picture decide the order; the picture's mean also carries the camera's jitter.
        said = own[:, None] - own[None, :]
        order = order + functional.smooth_l1_loss(said, gap, reduction="sum", beta=0.05) * 0.5
        order = (
            order
            - (
                functional.logsigmoid(said / torch.hypot(width[:, None], width[None, :]) * gap.sign()) * (gap != 0)
            ).sum()
        )
        pairs += int((gap != 0).sum())
    return total + 2.0 * order / max(1, pairs)
