"""The loop that trains an adapter: steps, evaluations, checkpoints; one process, or several that share the questions.

Whatever a step draws follows from the seed and its number, so a run that was interrupted and resumed is, on a CPU, bit
for bit the run that was not. Several processes (``accelerate launch``) each hold the model and take their share of a
step's questions; the gradients, of the adapter alone and therefore small, are summed.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from neptune.errors import ConfigError
from neptune.learn.shared import Progress, load_checkpoint, save_checkpoint

Loss = Callable[[Sequence[int], int, int], float]
"""(questions of this process, questions of the step, seed) → the sum of their losses over the latter; gradients are
added to the parameters."""
Score = Callable[[], float]
"""Right answers, a share; called by all processes."""


class Steps(BaseModel):
    """How long and how fast an adapter is trained."""

    model_config = ConfigDict(extra="forbid")

    epochs: int = Field(default=1, ge=1, description="passes over the questions")
    max_steps: int | None = Field(default=None, ge=1, description="stop after so many steps")
    batch: int = Field(default=8, ge=1, description="questions at once, over all processes")
    gradient_accumulation: int = Field(default=1, ge=1, description="batches a step")
    lr: float = Field(default=2e-4, gt=0, description="peak learning rate of AdamW; falls to 0 as a cosine")
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: float = Field(default=0.03, ge=0, le=1, description="share of the steps in which the rate rises")
    max_grad_norm: float = Field(default=1.0, gt=0)
    eval_every: int | None = Field(default=None, ge=1, description="steps between evaluations; null: an epoch")
    save_every: int = Field(default=50, ge=1, description="steps between checkpoints")
    patience: int | None = Field(
        default=None, ge=1, description="stop after so many evaluations without a better; null: never"
    )

    def count(self, questions: int) -> tuple[int, int]:
        """Return the steps of an epoch and of the run."""
        each = -(-questions // (self.batch * self.gradient_accumulation))
        whole = each * self.epochs
        return each, min(whole, self.max_steps or whole)


@dataclass
class State:
    """Where a run is; what is saved besides weights."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def best(self) -> tuple[int, float] | None:
        """The first of the best evaluations, ``(step, score)``."""
        return max(self.scores, key=lambda at: (at[1], -at[0])) if self.scores else None


def run(
    parameters: Sequence[nn.Parameter],
    questions: int,
    loss: Loss,
    score: Score | None,
    steps: Steps,
    *,
    accelerator: Any,
    seed: int,
    key: dict[str, Any],
    checkpoint: Path,
    progress: Progress,
) -> tuple[State, str]:
    """Train parameters in place, and leave the best ones in them (the last where nothing is evaluated).

    Parameters
    ----------
    parameters
        What is trained; equal in all processes.
    questions
        How many there are to train on.
    loss, score
        See `Loss` and `Score`.
    steps
        How long and how fast.
    accelerator
        An ``accelerate.Accelerator``.
    seed
        Of the order of the questions, and of dropout.
    key
        What makes this run: a checkpoint of another one is not resumed.
    checkpoint
        The file that is written every `save_every` steps, and after each evaluation.
    progress
        Called after each step.

    Returns
    -------
    tuple
        The state at the end, and why it ended: ``finished`` or ``patience``.

    Raises
    ------
    ConfigError
        If the checkpoint is that of another run.
    """
    optimizer = accelerator.prepare_optimizer(
        torch.optim.AdamW(parameters, lr=steps.lr, weight_decay=steps.weight_decay)
    )
    each, total = steps.count(questions)
    size = steps.batch * steps.gradient_accumulation
    state, best = State(), _copied(parameters)
    identity, scaler = json.dumps(key, sort_keys=True), getattr(accelerator, "scaler", None)
    saved = load_checkpoint(checkpoint, accelerator.device)
    if saved is not None:
        _check_same_run(identity, saved["key"], checkpoint)
        with torch.no_grad():
            for p, kept in zip(parameters, saved["parameters"], strict=True):
                p.copy_(kept)
        optimizer.load_state_dict(saved["optimizer"])
        if scaler is not None and saved["scaler"] is not None:
            scaler.load_state_dict(saved["scaler"])
        best, state = saved["best"], State(**saved["state"])
        state.scores = [(int(step), float(score)) for step, score in state.scores]
    before, begun = state.seconds, time.monotonic()
    every = steps.eval_every or each

    def save() -> None:
        state.seconds = before + time.monotonic() - begun
        if accelerator.is_main_process:
            content = {
                "key": identity,
                "parameters": _copied(parameters),
                "best": best,
                "optimizer": optimizer.state_dict(),
                "scaler": None if scaler is None else scaler.state_dict(),
                "state": vars(state),
            }
            save_checkpoint(checkpoint, content)

    while state.step < total and not _tired(state, steps.patience):
        epoch, at = divmod(state.step, each)
        order = np.random.default_rng([seed, epoch]).permutation(questions)[at * size : (at + 1) * size]
        for group in optimizer.param_groups:
            group["lr"] = steps.lr * rate(state.step, total, steps.warmup)
        optimizer.zero_grad(set_to_none=True)
        value = torch.zeros((), device=accelerator.device)
        for part in range(0, len(order), steps.batch):
            batch = order[part : part + steps.batch]
            mine = batch[accelerator.process_index :: accelerator.num_processes]
            drawn = (seed * 1_000_003 + state.step) * 64 + part // steps.batch
            value += loss(mine.tolist(), len(order), drawn * 1024 + accelerator.process_index)
        if accelerator.num_processes > 1:
            value = accelerator.reduce(value, "sum")
            for p in parameters:
                p.grad = accelerator.reduce(torch.zeros_like(p) if p.grad is None else p.grad, "sum")
        if any(p.grad is not None for p in parameters):
            accelerator.clip_grad_norm_(parameters, steps.max_grad_norm)
            optimizer.step()
        state.step += 1
        state.losses.append(float(value))
        if score is not None and (state.step % every == 0 or state.step == total):
            state.scores.append((state.step, score()))
            assert state.best is not None
            if state.best[0] == state.step:
                best = _copied(parameters)
            save()
        elif state.step % steps.save_every == 0 or state.step == total:
            save()
        progress("fine-tuning", state.step / total, _message(state, total))
    stopped = "patience" if state.step < total else "finished"
    if score is not None and state.scores:
        with torch.no_grad():
            for p, kept in zip(parameters, best, strict=True):
                p.copy_(kept)
    return state, stopped


def rate(step: int, total: int, warmup: float) -> float:
    """Return the learning rate of a step as a share of its peak: a linear rise, then a cosine to (almost) 0."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def _tired(state: State, patience: int | None) -> bool:
    if patience is None or state.best is None:
        return False
    since = [s for s, _ in state.scores if s > state.best[0]]
    return len(since) >= patience


def _message(state: State, total: int) -> str:
    recent = state.losses[-20:]
    text = f"step {state.step}/{total} loss {sum(recent) / len(recent):.4f}"
    return text + (f" best {state.best[1]:.4f}" if state.best is not None else "")


def _copied(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [p.detach().clone() for p in parameters]


def _check_same_run(mine: str, theirs: str, checkpoint: Path) -> None:
    if mine != theirs:
        one, other = json.loads(mine), json.loads(theirs)
        changed = sorted(k for k in {**one, **other} if one.get(k) != other.get(k))
        raise ConfigError(
            f"The folder holds a run that differs in {', '.join(changed)}",
            where=str(checkpoint),
            expected="the configuration that it was begun with",
            hint="Use another output_dir, or remove the checkpoint",
        )
