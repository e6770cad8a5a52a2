"""Gradient descent on the learnable numbers of a run, through the programs, with early stopping and resumption."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neptune.algebra import LogicParameters
from neptune.engine import Engine
from neptune.engine.evaluate.atom_tensors import Scorer
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import NeptuneError
from neptune.learn.finetune.targets import mean_loss
from neptune.learn.shared import Progress, load_checkpoint, save_checkpoint
from neptune.learn.tune.samples import Shown

LEARNABLE = ("T", "b", "theta", "quantifier_tau", "iota_tau", "comparison_tau", "presupposition_b")
"""What can be learned: temperatures and shifts of the oracle, the strictness of "and", three temperatures, and how far
questions are presumed to speak of what is there."""


@dataclass(frozen=True)
class Settings:
    """How to descend.

    Parameters
    ----------
    epochs, batch
        Most passes over the training pictures; pictures a step.
    lr
        Learning rate of Adam (Kingma and Ba 2015), for logarithms of temperatures, for b and for θ.
    patience
        Stop after so many epochs without a better likelihood on the validation pictures.
    learn
        What is learned, of :data:`LEARNABLE`.
    seed
        Of the order of the pictures.
    """

    epochs: int = 30
    batch: int = 20
    lr: float = 0.05
    patience: int = 4
    learn: tuple[str, ...] = LEARNABLE
    seed: int = 0


def engine_of(parameters: LogicParameters, **arguments: Any) -> Engine:
    """Return an engine that answers with these numbers, and in whose answers they get a gradient."""
    options = {"oracle": "scene", **arguments}
    return Engine(logic=parameters.logic, parameters=parameters, **options)


def choose_learnable(parameters: LogicParameters, learn: Sequence[str]) -> list[nn.Parameter]:
    """Let these numbers, and no others, have gradients, and return them; a temperature of 0 is a limit and stays."""
    chosen = []
    for name, parameter in parameters.named_parameters():
        last = name.rpartition(".")[2]
        what = {"log_T": "T", "b": "b", "theta": "theta", "presupposition_b": last}.get(last, f"{last}_tau")
        # What is reported of answers is fitted afterwards: it changes none, and has no part in the likelihood here.
        of_answers = name.startswith("answers.")
        wanted = what in learn and not of_answers and math.isfinite(float(parameter.detach()))
        parameter.requires_grad_(wanted)
        if wanted:
            chosen.append(parameter)
    return chosen


def likelihood(
    parameters: LogicParameters, shown: Sequence[Shown], scorer: Scorer, batch: int = 40, **arguments: Any
) -> float:
    """Return the mean negative log-likelihood of the right answers, in nats, where there is evidence."""
    engine, total, count = engine_of(parameters, **arguments), 0.0, 0
    with torch.no_grad():
        for start in range(0, len(shown), batch):
            pairs, targets = _questions(shown[start : start + batch])
            answers = soft_answers(engine.context, pairs, scorer)
            n = sum(a is not None for a in answers)
            total += float(mean_loss(answers, targets)) * n
            count += n
    return total / max(1, count)


def fit(
    parameters: LogicParameters,
    training: Sequence[Shown],
    validation: Sequence[Shown],
    scorer: Scorer,
    settings: Settings,
    checkpoint: Path,
    progress: Progress,
    **arguments: Any,
) -> tuple[LogicParameters, dict[str, Any]]:
    """Return the numbers of the best likelihood on the validation pictures, found by gradient on the training ones.

    Parameters
    ----------
    parameters
        Where to start; not changed.
    training, validation
        Pictures with questions.
    scorer
        Gives the logits, without gradient.
    settings
        How to descend.
    checkpoint
        Written after each epoch; if it is there and belongs to the same start, settings and questions, the descent goes
        on from it.
    progress
        Is told of each epoch.
    arguments
        Of the engine: vocabulary, limits, distinct_variables.

    Returns
    -------
    tuple
        The best parameters, and a history: ``training`` and ``validation`` (mean negative log-likelihoods in nats,
        after each epoch; of validation also before the first), ``best_epoch`` (0: the start), ``unused`` (learnable
        numbers on which no answer depended: they keep their start).

    Raises
    ------
    NeptuneError
        If nothing is left to learn, or a loss is not finite.
    """
    current = copy.deepcopy(parameters)
    learned = choose_learnable(current, settings.learn)
    if not learned:
        raise NeptuneError("There is nothing to learn", where="learn", expected="some of " + ", ".join(LEARNABLE))
    optimiser = torch.optim.Adam(learned, settings.lr)
    touched = {name: False for name, p in current.named_parameters() if p.requires_grad}
    key = _key(parameters, settings, training, validation)
    state = load_checkpoint(checkpoint)
    if state is None or state.get("key") != key:
        start = likelihood(current, validation, scorer, **arguments)
        history: dict[str, Any] = {"training": [], "validation": [start], "best_epoch": 0}
        best = copy.deepcopy(current.state_dict())
    else:
        current.load_state_dict(state["current"])
        optimiser.load_state_dict(state["optimiser"])
        history, best, touched = state["history"], state["best"], state["touched"]
    for epoch in range(len(history["training"]), settings.epochs):
        if epoch - history["best_epoch"] >= settings.patience:
            break
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(training)).tolist()
        total = count = 0.0
        for start in range(0, len(order), settings.batch):
            pairs, targets = _questions([training[i] for i in order[start : start + settings.batch]])
            # A new engine each step: θ is read when the engine is made.
            loss = mean_loss(soft_answers(engine_of(current, **arguments).context, pairs, scorer), targets)
            optimiser.zero_grad()
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
                for name, p in current.named_parameters():
                    if p.requires_grad and p.grad is not None and bool((p.grad != 0).any()):
                        touched[name] = True
                optimiser.step()
                _within_limits(current)
            if not math.isfinite(float(loss.detach())):
                raise NeptuneError("The loss is not finite", where=f"epoch {epoch + 1}", hint="Lower 'lr'")
            total += float(loss.detach()) * len(pairs)
            count += len(pairs)
        history["training"].append(total / max(1.0, count))
        history["validation"].append(likelihood(current, validation, scorer, **arguments))
        if history["validation"][-1] < history["validation"][history["best_epoch"]]:
            history["best_epoch"], best = epoch + 1, copy.deepcopy(current.state_dict())
        progress("fit", (epoch + 1) / settings.epochs, f"NLL {history['validation'][-1]:.4f}")
        save_checkpoint(
            checkpoint,
            {
                "key": key,
                "current": current.state_dict(),
                "best": best,
                "touched": touched,
                "optimiser": optimiser.state_dict(),
                "history": history,
            },
        )
    current.load_state_dict(best)
    return current, history | {"unused": sorted(name for name, used in touched.items() if not used)}


def _questions(shown: Sequence[Shown]) -> tuple[list[Any], list[Any]]:
    pairs = [(e.program, s.scene) for s in shown for e in s.examples]
    return pairs, [e.target for s in shown for e in s.examples]


@torch.no_grad()
def _within_limits(parameters: LogicParameters) -> None:
    """Bring what overstepped its documented limit back to it: beyond, it would have no gradient to return by."""
    for name, parameter in parameters.named_parameters():
        last = name.rpartition(".")[2]
        low, high = _LIMITS.get(last, _TAU)
        if parameter.requires_grad:
            parameter.clamp_(low, high)


# Just inside the limits of neptune.algebra.temperature: at the limit a number counts as the limit, without gradient.
_LIMITS = {
    "log_T": (math.log(0.011), math.log(99.0)),
    "b": (-19.9, 19.9),
    "presupposition_b": (-19.9, 19.9),
    "theta": (-29.0, 29.0),
}
_TAU = (math.log(1.1e-3), math.log(9e3))


def _key(
    parameters: LogicParameters, settings: Settings, training: Sequence[Shown], validation: Sequence[Shown]
) -> str:
    told: list[Any] = [parameters.to_dict(), asdict(settings)]
    told += [[s.scene.name, [(e.program, str(e.target)) for e in s.examples]] for s in (*training, *validation)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
