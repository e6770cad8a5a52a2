"""What the trainings of the shipped scorers from answers share: fields, the way through the loop, what is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from neptune.config.paths import WrittenFolder
from neptune.learn.shared import Progress, commit
from neptune.learn.train.loop import Settings, fit
from neptune.perception.checkpoints import device_of
from neptune.perception.embedded import store
from neptune.runs.record import write_json

Holdout = Annotated[int, Field(ge=1, description="pictures, or examples, held out to choose the best epoch")]
Limit = Annotated[int | None, Field(ge=2, description="use at most so many pictures, or examples")]
Tau = Annotated[float, Field(ge=0, description="temperature of the quantifiers in training from answers")]
Logic = Annotated[str, Field(description="logic of the training from answers; gradients of godel reach one cell each")]
Curriculum = Annotated[
    list[tuple[float, int]],
    Field(description="(share of the epochs, most variables): until then, only programs that bind so few"),
]
Epochs = Annotated[int, Field(ge=1, description="passes over the pictures, or examples, at most")]
BatchSize = Annotated[int, Field(ge=1, description="pictures with all their questions, or examples, a step")]
Rate = Annotated[float, Field(gt=0, description="peak learning rate")]
Minutes = Annotated[float, Field(gt=0, description="training ends by then")]

Network = TypeVar("Network", bound=nn.Module)


class ScorerConfig(BaseModel):
    """The fields that both trainings have; a training says its own defaults of the others."""

    model_config = ConfigDict(extra="forbid")

    follow_links: bool = Field(False, description="symbolic links below data_dir may lead out of it")
    output_dir: WrittenFolder | None = None
    seed: int = 0
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; default: PyTorch's own choice")
    weight_decay: float = Field(default=1e-4, ge=0)
    limit: Limit = None
    logic: Logic = "product"
    quantifier_tau: Tau = 0.5
    curriculum: Curriculum
    epochs: Epochs
    batch: BatchSize
    lr: Rate
    max_minutes: Minutes
    holdout: Holdout


def difficulty(curriculum: Sequence[tuple[float, int]], share: float) -> int | None:
    """Return the most variables of a program at a share in [0, 1] of the training; ``None``: any number."""
    return next((most for until, most in sorted(curriculum) if share < until), None)


def trained(
    part: str,
    config: ScorerConfig,
    net: Network,
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[Network, Any], Tensor],
    score: Callable[[Network], float],
    *,
    examples: int,
    averaging: float,
    checkpoint: Path,
    progress: Progress,
) -> tuple[Network, dict[str, Any]]:
    """Train a network as a config says; parameters and result as of :func:`neptune.learn.train.loop.fit`.

    `examples` is how many an epoch has, `averaging` the decay of the averaged weights.
    """
    settings = Settings(
        epochs=config.epochs,
        batch=config.batch,
        lr=config.lr,
        weight_decay=config.weight_decay,
        max_seconds=config.max_minutes * 60,
        seed=config.seed,
        averaging=averaging,
    )
    return fit(
        part,
        net,
        batches,
        loss,
        score,
        settings,
        steps=-(-examples // config.batch),
        device=torch.device(device_of(config.device)),
        checkpoint=checkpoint,
        progress=progress,
    )


def write(
    kind: str,
    net: nn.Module,
    config: ScorerConfig,
    left_out: set[str],
    about: dict[str, Any],
    results: dict[str, Any],
    begun: float,
    output: Path,
) -> None:
    """Write the network and the results, and take the checkpoint away.

    Parameters
    ----------
    kind
        Of network; its files are called so.
    net, config
        The network, and what it was trained with.
    left_out
        Fields of the config that its file does not keep: where things lay.
    about
        What else the network's file says.
    results
        Gets ``seconds``, since `begun` on the monotonic clock.
    output
        The folder.
    """
    told = {"config": config.model_dump(mode="json", exclude=left_out), "commit": commit()}
    store.save(net, kind, output / f"{kind}.safetensors", about | told)
    results["seconds"] = round(time.monotonic() - begun, 1)
    write_json(output / "results.json", results)
    (output / f"{kind}.checkpoint.pt").unlink(missing_ok=True)
