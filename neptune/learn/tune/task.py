"""``task: tune``: fits temperatures, shifts and the strictness of "and" through the programs, on cached logits.

Writes ``tuned.json`` (for ``logic_params``), ``results.json``, ``reliability.png``, ``curve.png`` and ``logits.npz``:
once that file is there, no model is needed. Killed, the same command resumes: at the pictures not asked yet, or at the
last finished epoch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from neptune import tasks
from neptune.algebra import AlgebraError, LogicParameters
from neptune.config.paths import KeptFile, NameOrPath, ReadPath, WrittenFolder
from neptune.engine import Engine
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import ConfigError, did_you_mean
from neptune.learn.shared import Progress, threads
from neptune.learn.shared import shown as on_terminal
from neptune.learn.tune.answers import fit_answers, reported, with_answers
from neptune.learn.tune.figures import draw_curve, draw_reliability
from neptune.learn.tune.fit import LEARNABLE, Settings, engine_of, fit
from neptune.learn.tune.kinds import Per, kinds_of
from neptune.learn.tune.logits import CachedLogits
from neptune.learn.tune.measure import figures, judge, leaf_figures
from neptune.learn.tune.samples import Shown, read_shown
from neptune.learn.tune.shifts import Shift
from neptune.perception import registry
from neptune.plots import require_matplotlib
from neptune.resources import vocabulary_of
from neptune.runs.record import write_json
from neptune.runs.record.lock import alone
from neptune.scene.types import Oracle

TUNED, LOGITS, CHECKPOINT = "tuned.json", "logits.npz", "tune.checkpoint.pt"
CHUNK = 16
"""Pictures asked about before the cached logits are saved."""

Tau = Annotated[float, Field(ge=0, le=1e4)]


class Numbers(BaseModel):
    """The numbers to begin with, or to compare with."""

    model_config = ConfigDict(extra="forbid")

    logic: str = Field(default="godel", description="godel, product, lukasiewicz or frank:S; frank learns its S")
    quantifier_tau: Tau = 0.0
    iota_tau: Tau = 1.0
    comparison_tau: Tau = 0.0
    presupposition_b: float = Field(default=0.0, ge=-20, le=20)


class TuneConfig(BaseModel):
    """The configuration of ``task: tune``."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["tune"] = "tune"
    dataset: str | list[str] = Field("clevr", description="CLEVR tasks whose questions are tuned on")
    data_dir: ReadPath = Field(description="a folder in CLEVR's format, with a bbox for each object: fitted on")
    follow_links: bool = Field(False, description="symbolic links below data_dir may lead out of it")
    val_dir: ReadPath | None = Field(None, description="another such folder: the figures reported; null: validation")
    output_dir: WrittenFolder | None = None
    vlm_model_name: NameOrPath = Field("embedded", description="oracle that is tuned")
    vlm_options: dict[str, Any] = Field(default_factory=dict, description="options of the oracle")
    logits: KeptFile | None = Field(None, description="file of cached logits; null: logits.npz in the run folder")
    vocabulary: NameOrPath | None = Field("clevr", description="vocabulary of the domain")
    shift: Shift = Field(Shift(), description="change of all pictures: kind, strength")
    seed: int = 0
    threads: int | None = Field(default=None, ge=1, description="CPU threads; default: PyTorch's own choice")
    limit: int | None = Field(default=None, ge=2, description="use at most so many pictures of data_dir")
    val_limit: int | None = Field(default=None, ge=1, description="and of val_dir")
    holdout: float = Field(default=0.25, gt=0, lt=1, description="share of data_dir's pictures for validation")
    before: Numbers = Field(Numbers(), description="what is compared with; T = 1, b = 0")
    start: Numbers = Field(
        Numbers(logic="frank:0.1", quantifier_tau=0.2, comparison_tau=0.2),
        description="where the descent starts; a temperature of 0 is not learned",
    )
    per: Per = Field("kind", description="what has a T and b of its own: all, kind, predicate")
    learn: list[
        Literal["T", "b", "theta", "quantifier_tau", "iota_tau", "comparison_tau", "presupposition_b", "answers"]
    ] = Field(
        [*LEARNABLE, "answers"],  # type: ignore[list-item]
        description="what is learned; `answers`: what an answer is reported with, last",
        min_length=1,
    )
    epochs: int = Field(default=30, ge=1, description="passes over the training pictures, at most")
    batch: int = Field(default=20, ge=1, description="pictures a step, with all their questions")
    lr: float = Field(default=0.05, gt=0)
    patience: int = Field(default=4, ge=1, description="stop after so many epochs without a better likelihood")


@alone
def tune(config: TuneConfig, output_dir: str | Path, progress: Progress | None = None) -> dict[str, Any]:
    """Fit the learnable numbers, and measure answers before and after.

    Parameters
    ----------
    config, output_dir, progress
        As for :func:`neptune.learn.train.train.train`; cached logits found in the folder are used.

    Returns
    -------
    dict
        The content of ``results.json``: ``before``, ``start`` and ``after`` with their figures (see
        :func:`~neptune.learn.tune.measure.figures`) for answers and for single cells (``leaf``),
        ``parameters``, the history.

    Raises
    ------
    ConfigError, DatasetError, PictureError, OracleError
        If the config makes no sense, the data can not be read, or the oracle can not answer.
    MissingExtraError
        If matplotlib is missing (checked first).
    """
    begun = time.monotonic()
    require_matplotlib("tune")
    _check(config)
    output = Path(output_dir)
    datasets = [config.dataset] if isinstance(config.dataset, str) else config.dataset
    pictures, problems = read_shown(
        datasets, config.data_dir, config.shift, config.seed, config.limit, follow_links=config.follow_links
    )
    held = max(1, round(config.holdout * len(pictures)))
    if held >= len(pictures):
        raise ConfigError(
            f"{len(pictures)} pictures can not be split",
            where=config.data_dir,
            expected="at least two pictures, one to fit on and one to validate",
        )
    order = np.random.default_rng(config.seed).permutation(len(pictures)).tolist()
    validation, training = [pictures[i] for i in order[:held]], [pictures[i] for i in order[held:]]
    measured = validation
    if config.val_dir is not None:
        measured, more = read_shown(
            datasets, config.val_dir, config.shift, config.seed, config.val_limit, follow_links=config.follow_links
        )
        problems += more
    every = {s.scene.name: s for s in (*pictures, *measured)}
    logits = CachedLogits(
        config.logits or output / LOGITS,
        json.dumps({"oracle": config.vlm_model_name, **config.vlm_options}, sort_keys=True),
        lambda: _oracle(config),
        {name: s.open for name, s in every.items()},
    )
    before, start = _numbers(config.before, config), _numbers(config.start, config)
    arguments: dict[str, Any] = {"vocabulary": config.vocabulary}
    with threads(config.threads), on_terminal(progress) as report:
        _fill(logits, list(every.values()), engine_of(before, **arguments), report)
        settings = Settings(config.epochs, config.batch, config.lr, config.patience, tuple(config.learn), config.seed)
        tuned, history = fit(start, training, validation, logits, settings, output / CHECKPOINT, report, **arguments)
        if "answers" in config.learn:
            report("measure", 0.0, "what answers are reported with")
            engine = engine_of(tuned, oracle=logits, **arguments)
            tuned = with_answers(tuned, fit_answers(reported(engine, [*training, *validation])))
        report("measure", 0.0, "before and after")
        judged = {
            name: judge(p, measured, logits, **arguments)
            for name, p in (("before", before), ("start", start), ("after", tuned))
        }
        report("measure", 1.0, "done")
    results: dict[str, Any] = {
        "task": config.task,
        "shift": config.shift.model_dump(),
        "pictures": {"training": len(training), "validation": len(validation), "reported": len(measured)},
        "questions": {"training": _count(training), "validation": _count(validation), "reported": _count(measured)},
        "reported_on": "val_dir" if config.val_dir is not None else "validation",
        "not_used": len(problems),
    }
    for name, p in (("before", before), ("start", start), ("after", tuned)):
        results[name] = figures(judged[name]) | {"leaf": leaf_figures(p, measured, logits)}
    results["turned"] = _turned(judged["before"], judged["after"])
    results |= {"parameters": tuned.to_dict(), "history": history, "seed": config.seed}
    write_json(output / TUNED, tuned.to_dict())
    title = f"{config.vlm_model_name}, pictures with {config.shift.kind} {config.shift.strength:g}"
    if config.shift.kind == "none":
        title = f"{config.vlm_model_name}, pictures as they are"
    draw_reliability([("before", judged["before"]), ("after", judged["after"])], output / "reliability.png", title)
    draw_curve(history, output / "curve.png", title)
    results["seconds"] = round(time.monotonic() - begun, 1)
    write_json(output / "results.json", results)
    (output / CHECKPOINT).unlink(missing_ok=True)
    return results


def _check(config: TuneConfig) -> None:
    datasets = [config.dataset] if isinstance(config.dataset, str) else config.dataset
    for name in datasets:
        if name not in tasks.NAMES:
            raise ConfigError(
                f"'dataset' is '{name}'", hint=did_you_mean(name, tasks.NAMES), expected=", ".join(tasks.NAMES)
            )
    if registry.address_of("oracle", config.vlm_model_name) is None:
        known = registry.names("oracle")
        raise ConfigError(
            f"'vlm_model_name' is '{config.vlm_model_name}'", hint=did_you_mean(config.vlm_model_name, known)
        )


def _numbers(numbers: Numbers, config: TuneConfig) -> LogicParameters:
    """Return parameters with T = 1 and b = 0 for each kind of predicate."""
    kinds = kinds_of(vocabulary_of(config.vocabulary), config.per)
    try:
        return LogicParameters(
            numbers.logic,
            quantifier_tau=numbers.quantifier_tau,
            iota_tau=numbers.iota_tau,
            comparison_tau=numbers.comparison_tau,
            presupposition_b=numbers.presupposition_b,
            oracle=dict.fromkeys(kinds, (1.0, 0.0)),
            kinds=kinds if config.per == "kind" else None,
        )
    except AlgebraError as error:
        raise ConfigError(f"These are no logic parameters: {error}", where="before, start") from error


def _oracle(config: TuneConfig) -> Oracle:
    return registry.oracle(config.vlm_model_name, **config.vlm_options)


def _fill(logits: CachedLogits, pictures: Sequence[Shown], engine: Engine, report: Progress) -> None:
    """Ask all that the programs need, picture by picture."""
    for start in range(0, len(pictures), CHUNK):
        part = pictures[start : start + CHUNK]
        asked = logits.cells_asked
        with torch.no_grad():
            soft_answers(engine.context, [(e.program, s.scene) for s in part for e in s.examples], logits)
        if logits.cells_asked > asked:
            logits.save()
        done = min(len(pictures), start + CHUNK)
        report("logits", done / len(pictures), f"{logits.cells_asked:,} cells asked")


def _turned(before: Sequence[Any], after: Sequence[Any]) -> dict[str, int]:
    """Count the answers that became right, and those that became wrong."""
    pairs = [(a.right, b.right) for a, b in zip(before, after, strict=True)]
    return {"to_right": pairs.count((False, True)), "to_wrong": pairs.count((True, False))}


def _count(shown: Sequence[Shown]) -> int:
    return sum(len(s.examples) for s in shown)
