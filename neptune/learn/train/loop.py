"""The training loop of both networks: warm-up and cosine, averaged weights, early stopping, resumption."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from neptune.learn.shared import Progress, load_checkpoint, save_checkpoint

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train.

    Parameters
    ----------
    epochs, batch
        Passes over the training pictures; pictures a step.
    lr, weight_decay
        Peak learning rate and weight decay of AdamW.
    patience
        Stop after so many epochs without a better held-out score.
    max_seconds
        The schedule is compressed so that it ends by then (wall time); ``inf``: no limit. Runs that reach the
        limit are reproducible only as far as the machine's speed is.
    averaging
        Decay of the averaged weights, in [0, 1).
    seed
        Of shuffling, augmentation and initial weights.
    """

    epochs: int
    batch: int
    lr: float
    weight_decay: float = 1e-4
    patience: int = 1000
    max_seconds: float = math.inf
    averaging: float = 0.998
    seed: int = 0


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether bfloat16 is worth using: on CUDA, and on CPUs with the instructions for it."""
    if device.type == "cuda":
        return True
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


class Averaged(Generic[Network]):
    """An exponential moving average of a module's parameters and buffers, as a module of its own."""

    def __init__(self, module: Network, decay: float) -> None:
        self.module: Network = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's present state; faster in the first steps."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        new = module.state_dict()
        for name, value in self.module.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(new[name].to(value.dtype), 1 - decay)
            else:
                value.copy_(new[name])


def fit(
    part: str,
    module: Network,
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[Network, Any], Tensor],
    score: Callable[[Network], float],
    settings: Settings,
    *,
    steps: int,
    device: torch.device,
    checkpoint: Path,
    progress: Progress,
) -> tuple[Network, dict[str, Any]]:
    """Train a module and return its best averaged weights.

    Parameters
    ----------
    part
        Name for progress and messages.
    module
        Trained in place, on `device`.
    batches
        Epoch → the epoch's batches; must depend on the epoch and the seed only.
    loss
        ``(module, batch)`` → a scalar to minimise.
    score
        Averaged module → a number to maximise, on held-out pictures.
    steps
        Batches an epoch.
    checkpoint
        File written after each epoch; if it is there and has the same settings, training resumes from it.

    Returns
    -------
    tuple
        The best averaged module, and a history: ``epochs``, ``best_epoch``, ``best_score``, ``scores``,
        ``seconds``, ``stopped`` (``"finished"``, ``"patience"`` or ``"time"``), ``resumed_at``.
    """
    module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(module.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    averaged = Averaged(module, settings.averaging)
    # A longer time limit may continue a run; anything else makes it another run.
    key = json.dumps([part, {**asdict(settings), "max_seconds": None}], sort_keys=True)
    state: dict[str, Any] = {"epoch": 0, "best": -math.inf, "best_epoch": -1, "seconds": 0.0, "scores": []}
    best = copy.deepcopy(averaged.module.state_dict())
    resumed = 0
    saved = load_checkpoint(checkpoint, device)
    if saved is not None and saved["key"] == key:
        module.load_state_dict(saved["module"])
        averaged.module.load_state_dict(saved["averaged"])
        averaged.steps = saved["steps"]
        optimizer.load_state_dict(saved["optimizer"])
        best, state = saved["best_weights"], saved["state"]
        resumed = state["epoch"]
    before, begun = state["seconds"], time.monotonic()
    stopped = "finished"
    fast = has_fast_bfloat16(device)

    def done(step: int, epoch: int) -> float:
        elapsed = before + time.monotonic() - begun
        by_epochs = (epoch + step / steps) / settings.epochs
        return float(min(1.0, max(by_epochs, elapsed / settings.max_seconds)))

    for epoch in range(state["epoch"], settings.epochs):
        if state["epoch"] - 1 - state["best_epoch"] >= settings.patience:
            stopped = "patience"
            break
        if done(0, epoch) >= 1:
            stopped = "time"
            break
        torch.manual_seed(settings.seed * 1000 + epoch)
        module.train()
        total = 0.0
        for step, batch in enumerate(batches(epoch)):
            share = done(step, epoch)
            warm = min(1.0, (epoch * steps + step + 1) / min(200.0, max(1.0, 0.05 * settings.epochs * steps)))
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
            with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                value = loss(module, batch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(module.parameters(), 5.0)
            optimizer.step()
            averaged.update(module)
            total += float(value.detach())
            message = f"epoch {epoch + 1}/{settings.epochs} loss {total / (step + 1):.4f}"
            progress(part, share, f"{message} best {state['best']:.5f}")
        value_now = float(score(averaged.module))
        state["scores"] = [*state["scores"], value_now]
        if value_now > state["best"]:
            state["best"], state["best_epoch"] = value_now, epoch
            best = {k: v.clone() for k, v in averaged.module.state_dict().items()}
        state["epoch"] = epoch + 1
        state["seconds"] = before + time.monotonic() - begun
        save_checkpoint(
            checkpoint,
            {
                "key": key,
                "module": module.state_dict(),
                "averaged": averaged.module.state_dict(),
                "steps": averaged.steps,
                "optimizer": optimizer.state_dict(),
                "best_weights": best,
                "state": state,
            },
        )
    averaged.module.load_state_dict(best)
    progress(part, 1.0, f"best {state['best']:.5f} at epoch {state['best_epoch'] + 1}")
    history = {
        "epochs": state["epoch"],
        "best_epoch": state["best_epoch"] + 1,
        "best_score": state["best"],
        "scores": state["scores"],
        "seconds": round(state["seconds"], 1),
        "stopped": stopped,
        "resumed_at": resumed,
    }
    return averaged.module, history
