"""``task: finetune``: LoRA on a vision-language model, with the loss at the answers, through the programs.

Writes the adapter (``adapter/``, peft's format, for ``vlm_options: {"adapter": …}``), ``results.json`` and
``curve.png``; killed, the same command resumes at the last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from neptune.algebra import LogicParameters
from neptune.config import Config, make_config
from neptune.config.paths import KeptPath, NameOrPath, ReadPath, WrittenFolder
from neptune.engine import Engine
from neptune.engine.assemble import engine_arguments
from neptune.engine.session.soft_answers import soft_answers
from neptune.errors import ConfigError
from neptune.learn.curves import draw_losses
from neptune.learn.finetune import loop
from neptune.learn.finetune.cells import CellScorer
from neptune.learn.finetune.data import Item, Questions, opened, read_questions
from neptune.learn.finetune.loop import Steps
from neptune.learn.finetune.lora import LoraSettings, attach, save
from neptune.learn.finetune.targets import is_right, loss_of
from neptune.learn.shared import Progress, commit, hold_out, shown, threads
from neptune.perception import registry
from neptune.perception.checkpoints import need
from neptune.perception.oracle.vlm.adapters import need_peft
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.plots import require_matplotlib
from neptune.runs.record import write_json
from neptune.runs.record.lock import held
from neptune.scene.types import Oracle
from neptune.words import all_if_minus_one


class FinetuneConfig(BaseModel):
    """The configuration of ``task: finetune``."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["finetune"] = "finetune"
    dataset: str | list[str] = Field("clevr", description="datasets whose questions are trained on")
    data_dir: ReadPath = Field(description="their folder")
    follow_links: bool = Field(False, description="symbolic links below data_dir may lead out of it")
    split: str | None = Field(None, description="train, … where the folder holds several")
    num_samples: Annotated[Annotated[int, Field(ge=2)] | None, BeforeValidator(all_if_minus_one)] = Field(
        None, description="the first questions of each dataset; null or -1: all"
    )
    val_dir: ReadPath | None = Field(None, description="folder of the questions that choose the best step")
    val_split: str | None = Field(None, description="or their split, in data_dir")
    val_samples: int | None = Field(None, ge=1, description="at most so many of them; null: all")
    holdout: int = Field(0, ge=0, description="or so many pictures of data_dir, held out with all their questions")
    output_dir: WrittenFolder | None = None
    seed: int = 0
    vlm_model_name: NameOrPath = Field("intern25_2b", description="vision-language model by short name, id or folder")
    vlm_options: dict[str, Any] = Field(default_factory=dict, description="its options: form, dtype, …")
    od_model: NameOrPath = Field("scene", description="detector of the boxes; scene: the annotated ones")
    od_options: dict[str, Any] = Field(default_factory=dict)
    code_gen_provider: str = Field("gold", description="who writes the programs: gold, cache, …")
    code_gen_model_name: str | None = None
    code_gen_base_url: str | None = None
    program_cache_address: KeptPath | None = Field(None, description="JSON file of programs by question")
    vocabulary: NameOrPath | None = Field("clevr", description="vocabulary by name or file; null: any predicate")
    distinct_variables: Literal["auto"] | bool = "auto"
    logic: str = Field("product", description="logic of the training; gradients of godel reach one cell each")
    quantifier_tau: float = Field(0.5, ge=0, description="temperature of the quantifiers in training")
    answer_logic: str = Field("godel", description="logic of the evaluations")
    lora: LoraSettings = LoraSettings()
    steps: Steps = Steps()
    micro_batch: int | Literal["auto"] = Field(
        "auto", description="prompts at once; auto: as many as the memory is found to hold"
    )
    gradient_checkpointing: bool = Field(True, description="compute activations again instead of keeping them")
    mixed_precision: Literal["no", "bf16", "fp16"] | None = Field(
        None, description="of the forward passes; null: as accelerate is configured"
    )
    device: Literal["auto", "cpu"] = "auto"
    threads: int | None = Field(None, ge=1, description="CPU threads; default: PyTorch's own choice")

    def run_config(self, name: str, data_dir: str, split: str | None, samples: int | None) -> Config:
        """Return the configuration of a run that would answer the same questions.

        Raises
        ------
        ConfigProblems
            If names do not exist, or fields are missing.
        """
        same = "dataset follow_links seed vlm_model_name od_model od_options vocabulary distinct_variables "
        same += "code_gen_provider code_gen_model_name code_gen_base_url program_cache_address"
        given = {field: getattr(self, field) for field in same.split()}
        given |= {"data_dir": data_dir, "split": split, "num_samples": samples}
        output = None if self.output_dir is None else str(self.output_dir)
        return make_config(given | {"output_dir": output}, name)


def finetune(
    config: FinetuneConfig, output_dir: str | Path, progress: Progress | None = None, oracle: Oracle | None = None
) -> dict[str, Any]:
    """Fine-tune a vision-language model with LoRA, and measure the share of right answers before and after.

    Parameters
    ----------
    config, output_dir, progress
        As for :func:`neptune.learn.train.train.train`.
    oracle
        A loaded oracle, instead of the one that the configuration names; its model is changed in place.

    Returns
    -------
    dict
        The content of ``results.json``.

    Raises
    ------
    ConfigError, DatasetError, PictureError, OracleError
        If a field does not fit, or data or model can not be read.
    MissingExtraError
        If peft, accelerate, transformers or matplotlib is missing (checked before the training).
    """
    need_peft()
    return trained(config, output_dir, progress, lambda accelerator: Tuner(config, accelerator, oracle))


class Tuner:
    """A model with its adapter, the questions, and the two engines: one to train with, one to answer with.

    Parameters
    ----------
    config
        The task's fields.
    accelerator
        An ``accelerate.Accelerator``.
    oracle
        As for :func:`finetune`.
    """

    def __init__(self, config: FinetuneConfig, accelerator: Any, oracle: Oracle | None = None) -> None:
        self.config, self.accelerator = config, accelerator
        run = config.run_config("finetune", config.data_dir, config.split, config.num_samples)
        self.oracle = trainable(oracle or self._load())
        reader = self.oracle.reader
        if config.micro_batch != "auto":
            reader.batches.most = config.micro_batch
        parameters = LogicParameters(config.logic, quantifier_tau=config.quantifier_tau)
        common = engine_arguments(run) | {"oracle": self.oracle, "oracle_options": {}, "cache": None}
        common["record"] = None
        self.engine = Engine(**(common | {"logic": parameters.logic, "parameters": parameters}))
        self.answering = Engine(**(common | {"detector": None, "logic": config.answer_logic}))
        self.training = read_questions(run, self.engine)
        self.validation = self._validation()
        self.wrapped, self.parameters = attach(reader.model, config.lora, config.seed)
        if config.gradient_checkpointing:
            reader.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.asked = self.sent_back = 0

    def run(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Train, write the adapter and the curve, and return the results."""
        config, items = self.config, self.training.items
        key = config.model_dump(mode="json", exclude={"output_dir", "threads", "micro_batch", "device"})
        key["questions"] = len(items)
        first = self.accuracy() if self.validation is not None else None
        state, stopped = loop.run(
            self.parameters,
            len(items),
            self.loss,
            self.accuracy if self.validation is not None else None,
            config.steps,
            accelerator=self.accelerator,
            seed=config.seed,
            key=key,
            checkpoint=output / "finetune.checkpoint.pt",
            progress=progress,
        )
        results: dict[str, Any] = {
            "questions": len(items),
            "not_used": len(self.training.problems),
            "cells": dict(zip(("asked", "sent_back"), self._over_all([self.asked, self.sent_back]), strict=True)),
            **told_of(self, state, stopped, first),
        }
        if self.validation is not None:
            results["validation_questions"] = len(self.validation.items) + self.validation.lost
        if self.accelerator.is_main_process:
            save(self.wrapped, output / "adapter")
            draw_losses(state.losses, state.scores, first, output / "curve.png")
        return results

    def loss(self, which: Sequence[int], whole: int, seed: int) -> float:
        """Add the gradients of some questions' losses, each divided by `whole`, and return their sum."""
        items = [self.training.items[i] for i in which]
        if not items:
            return 0.0
        scaler = getattr(self.accelerator, "scaler", None)
        scorer = CellScorer(
            self.oracle, self.parameters, self.accelerator.autocast, None if scaler is None else scaler.scale, seed
        )
        self.oracle.reader.model.train()
        answers = soft_answers(self.engine.context, opened(items), scorer)
        losses = [loss_of(a, item.example.target) for a, item in zip(answers, items, strict=True) if a is not None]
        if not losses:
            return 0.0
        total = torch.stack(losses).sum() / whole
        if total.requires_grad:
            total.backward()  # type: ignore[no-untyped-call]
            scorer.backward()
        self.asked += scorer.asked
        self.sent_back += scorer.sent_back
        return float(total.detach())

    def accuracy(self) -> float:
        """Return the share of validation questions whose most probable answer is right; lost objects are wrong."""
        assert self.validation is not None
        reader = self.oracle.reader
        reader.prefixes.forget()  # computed by weights that were others
        reader.model.eval()
        items = self.validation.items[self.accelerator.process_index :: self.accelerator.num_processes]
        right = 0
        for start in range(0, len(items), self.config.steps.batch):
            part = items[start : start + self.config.steps.batch]
            with torch.no_grad(), self.accelerator.autocast():
                answers = soft_answers(self.answering.context, opened(part))
            right += sum(is_right(a, item.example.target) for a, item in zip(answers, part, strict=True))
        reader.prefixes.forget()
        return self._over_all([right])[0] / (len(self.validation.items) + self.validation.lost)

    def _over_all(self, counts: list[int]) -> list[int]:
        """Return the sums of counts over all processes."""
        if self.accelerator.num_processes == 1:
            return counts
        summed = self.accelerator.reduce(torch.tensor(counts, device=self.accelerator.device), "sum")
        return [int(n) for n in summed.tolist()]

    def _load(self) -> Oracle:
        config = self.config
        options: dict[str, Any] = dict(config.vlm_options)
        if options.get("adapter") is not None:
            raise ConfigError(
                "A model with an adapter can not be given a second one",
                where="vlm_options.adapter",
                hint="Leave it out; an unfinished run is resumed in its output_dir",
            )
        options.setdefault("device", str(self.accelerator.device))
        return registry.oracle(config.vlm_model_name, **options)

    def _validation(self) -> Questions | None:
        config = self.config
        if config.val_dir is not None or config.val_split is not None:
            folder, split = config.val_dir or config.data_dir, config.val_split
            return read_questions(config.run_config("finetune", folder, split, config.val_samples), self.engine)
        if not config.holdout:
            return None
        groups: dict[str, list[Item]] = {}
        for item in self.training.items:
            picture = item.scene.picture
            groups.setdefault(str(picture.path if picture and picture.path else id(item.scene)), []).append(item)
        names = list(groups)
        chosen, _ = hold_out(len(names), config.holdout, config.seed)
        held = [item for i in chosen for item in groups[names[i]]]
        kept = {id(item) for item in held}
        rest = [item for item in self.training.items if id(item) not in kept]
        self.training = Questions(rest, self.training.problems, self.training.lost)
        return Questions(held[: config.val_samples], [])


class Training(Protocol):
    """What :func:`trained` runs: a model, and what it learns."""

    config: Any
    accelerator: Any
    parameters: list[Any]

    def run(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Train, write what was learnt, and return the results."""


def trained(
    config: Any, output_dir: str | Path, progress: Progress | None, make: Callable[[Any], Training]
) -> dict[str, Any]:
    """Run a training under an accelerator, write ``results.json`` from one of its processes, and return the results.

    Parameters
    ----------
    config
        With `task`, `mixed_precision`, `device` and `threads`.
    output_dir, progress
        As for :func:`finetune`.
    make
        Takes the accelerator.

    Raises
    ------
    MissingExtraError
        If accelerate or matplotlib is missing (checked before the training).
    ConfigError
        If the machine has no such precision.
    """
    begun = time.monotonic()
    output = Path(output_dir)
    require_matplotlib(config.task)
    accelerator = accelerator_of(config.mixed_precision, config.device)
    main = accelerator.is_main_process
    with held(output) if main else nullcontext(), threads(config.threads):
        training = make(accelerator)
        with shown(progress if main else quiet) as report:
            results = training.run(output, report)
        results["seconds"] = round(time.monotonic() - begun, 1)
        if main:
            write_json(output / "results.json", results)
        accelerator.wait_for_everyone()
    return results


def told_of(training: Training, state: loop.State, stopped: str, first: float | None) -> dict[str, Any]:
    """Return what ``results.json`` says of every training; `first` is the score before it, where one is taken."""
    config = training.config
    results: dict[str, Any] = {
        "task": config.task,
        "model": config.vlm_model_name,
        "parameters": sum(p.numel() for p in training.parameters),
        "processes": training.accelerator.num_processes,
        "steps": state.step,
        "stopped": stopped,
        "loss": {"first": state.losses[0], "last": state.losses[-1]},
        "losses": state.losses,
        "training_seconds": round(state.seconds, 1),
        "config": config.model_dump(mode="json"),
        "commit": commit(),
    }
    if first is not None:
        assert state.best is not None
        results["accuracy"] = {"before": first, "best": state.best[1], "best_step": state.best[0]}
        results["scores"] = [list(at) for at in state.scores]
    return results


def accelerator_of(mixed_precision: str | None, device: str) -> Any:
    """Return the ``accelerate.Accelerator`` of a training.

    Raises
    ------
    MissingExtraError
        If accelerate is not installed.
    ConfigError
        If the machine has no such precision.
    """
    need("accelerate", "neptune-reasoner[finetune]")
    accelerate: Any = import_module("accelerate")
    try:
        return accelerate.Accelerator(mixed_precision=mixed_precision, cpu=device == "cpu")
    except ValueError as error:  # no bfloat16 here, or another precision in the same process
        raise ConfigError(" ".join(str(error).split())[:300], where="mixed_precision") from error


def trainable(oracle: Oracle) -> TransformersOracle:
    """Return an oracle that is a model of this machine.

    Raises
    ------
    ConfigError
        If it is another.
    """
    if not isinstance(oracle, TransformersOracle):
        raise ConfigError(
            f"The oracle '{oracle.name}' can not be fine-tuned",
            where="vlm_model_name",
            expected="a vision-language model: a short name, an id or a folder",
            hint="The embedded scorer is trained by task train-answers",
        )
    return oracle


def quiet(part: str, share: float, message: str) -> None:
    """Say nothing: another process reports."""
