"""``task: student``: a vision-language model learns distilled samples: to answer at once, and to explain.

LoRA, or all weights. Writes the adapter (``adapter/``, for ``vlm_options: {"adapter": …}``) or the model (``model/``,
for ``vlm_model_name``), ``results.json`` and ``curve.png``; killed, the same command resumes at the last checkpoint.
The loop is that of ``task: finetune``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from neptune.config.paths import NameOrPath, ReadPath, WrittenFolder
from neptune.errors import ConfigError, DatasetError
from neptune.learn.curves import draw_losses
from neptune.learn.distil.export import ANSWER
from neptune.learn.finetune import loop
from neptune.learn.finetune.loop import Steps
from neptune.learn.finetune.lora import LoraSettings, attach, save
from neptune.learn.finetune.vlm import told_of, trainable, trained
from neptune.learn.shared import Progress, hold_out
from neptune.learn.student.lessons import Lesson, Lessons, as_json, read_lessons
from neptune.perception import registry
from neptune.saving import RESUME, replacing_files
from neptune.scene.types import Oracle


class Weights(BaseModel):
    """What the losses weigh; each is a mean over tokens."""

    model_config = ConfigDict(extra="forbid")

    answer: float = Field(default=1.0, ge=0, description="weight of the loss of answers")
    rationale: float = Field(default=1.0, ge=0, description="weight of the loss of rationales; 0: none are taught")


class StudentConfig(BaseModel):
    """The configuration of ``task: student``."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["student"] = "student"
    data: ReadPath | list[ReadPath] = Field(description="distilled.jsonl, or several, which are mixed")
    output_dir: WrittenFolder | None = None
    seed: int = 0
    vlm_model_name: NameOrPath = Field("smolvlm", description="vision-language model by short name, id or folder")
    vlm_options: dict[str, Any] = Field(default_factory=dict, description="its options: dtype, max_pixels, …")
    tuning: Literal["lora", "full"] = Field("lora", description="small matrices beside its layers, or all its weights")
    lora: LoraSettings = LoraSettings()
    weights: Weights = Weights()
    softness: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the engine's distribution in the target of an answer; the rest is one-hot",
    )
    holdout: int = Field(0, ge=0, description="pictures held out with all their questions, to choose the best step")
    steps: Steps = Steps()
    micro_batch: int | Literal["auto"] = Field("auto", description="prompts at once; auto: as many as the memory holds")
    gradient_checkpointing: bool = Field(True, description="compute activations again instead of keeping them")
    mixed_precision: Literal["no", "bf16", "fp16"] | None = Field(
        None, description="of the forward passes; null: as accelerate is configured"
    )
    longest_answer: int = Field(16, ge=1, description="tokens of an answer at most, when it is checked")
    device: Literal["auto", "cpu"] = "auto"
    threads: int | None = Field(None, ge=1, description="CPU threads; default: PyTorch's own choice")


def student(
    config: StudentConfig, output_dir: str | Path, progress: Progress | None = None, oracle: Oracle | None = None
) -> dict[str, Any]:
    """Teach a vision-language model, and measure the share of right answers before and after.

    Parameters
    ----------
    config, output_dir, progress, oracle
        As for :func:`neptune.learn.finetune.vlm.finetune`.

    Returns
    -------
    dict
        The content of ``results.json``.

    Raises
    ------
    ConfigError, DatasetError, PictureError, OracleError
        If a field does not fit, or samples, pictures or model can not be read.
    MissingExtraError
        If peft, accelerate, transformers or matplotlib is missing (checked before the training).
    """
    return trained(config, output_dir, progress, lambda accelerator: _Teaching(config, accelerator, oracle))


class _Teaching:
    """A model, what it learns, and what it is asked."""

    def __init__(self, config: StudentConfig, accelerator: Any, oracle: Oracle | None) -> None:
        self.config, self.accelerator = config, accelerator
        lessons = read_lessons([config.data] if isinstance(config.data, str) else config.data)
        self.held, self.lessons = _apart(config, lessons)
        options = {"device": str(accelerator.device)} | config.vlm_options
        if options.get("adapter") is not None:
            raise ConfigError("A model with an adapter can not be given a second one", where="vlm_options.adapter")
        self.oracle = trainable(oracle or registry.oracle(config.vlm_model_name, **options))
        reader = self.oracle.reader
        if config.micro_batch != "auto":
            reader.batches.most = config.micro_batch
        if config.tuning == "lora":
            self.wrapped, self.parameters = attach(reader.model, config.lora, config.seed)
        else:
            self.wrapped, self.parameters = reader.model, list(reader.model.requires_grad_(True).parameters())
        if config.gradient_checkpointing:
            reader.model.gradient_checkpointing_enable({"use_reentrant": False})
        scaler = getattr(accelerator, "scaler", None)
        self.teacher = Lessons(
            self.oracle,
            self.parameters,
            config.weights.model_dump(),
            config.softness,
            accelerator.autocast,
            None if scaler is None else scaler.scale,
        )

    def run(self, output: Path, progress: Progress) -> dict[str, Any]:
        """Train, write the model and the curve, and return the results."""
        config = self.config
        key = config.model_dump(mode="json", exclude={"output_dir", "threads", "micro_batch", "device"})
        key["lessons"] = hashlib.sha256(as_json(self.lessons).encode()).hexdigest()
        first = self.accuracy() if self.held else None
        state, stopped = loop.run(
            self.parameters,
            len(self.lessons),
            self.loss,
            self.accuracy if self.held else None,
            config.steps,
            accelerator=self.accelerator,
            seed=config.seed,
            key=key,
            checkpoint=output / "student.checkpoint.pt",
            progress=progress,
        )
        results: dict[str, Any] = {
            "lessons": dict(Counter(lesson.kind for lesson in self.lessons)),
            **told_of(self, state, stopped, first),
        }
        if self.held:
            results["held_out"] = len(self.held)
        if self.accelerator.is_main_process:
            self._save(output)
            title = "A student of distilled samples"
            draw_losses(state.losses, state.scores, first, output / "curve.png", title, "loss (nats a token)")
        return results

    def loss(self, which: Sequence[int], whole: int, seed: int) -> float:
        """Add the gradients of some lessons' losses; see :data:`neptune.learn.finetune.loop.Loss`."""
        self.oracle.reader.model.train()
        return self.teacher.loss([self.lessons[k] for k in which], whole, seed)

    def accuracy(self) -> float:
        """Return the share of the questions held out that are answered right."""
        reader = self.oracle.reader
        reader.prefixes.forget()  # computed by weights that were others
        reader.model.eval()
        mine = self.held[self.accelerator.process_index :: self.accelerator.num_processes]
        right = sum(self.teacher.right(mine, self.config.longest_answer)) if mine else 0
        reader.prefixes.forget()
        if self.accelerator.num_processes > 1:
            right = int(self.accelerator.reduce(torch.tensor(right, device=self.accelerator.device), "sum"))
        return right / len(self.held)

    def _save(self, output: Path) -> None:
        if self.config.tuning == "lora":
            save(self.wrapped, output / "adapter")
            return
        with replacing_files(output / "model", "The model", RESUME) as place:
            self.wrapped.save_pretrained(str(place))
            self.oracle.reader.processor.save_pretrained(str(place))


def _apart(config: StudentConfig, lessons: Sequence[Lesson]) -> tuple[list[Lesson], list[Lesson]]:
    """Return the questions held out, and the lessons that are taught, of other pictures."""
    weights = config.weights.model_dump()
    pictures = list(dict.fromkeys(lesson.picture for lesson in lessons))
    out: set[str] = set()
    if config.holdout:
        chosen, _ = hold_out(len(pictures), config.holdout, config.seed)
        out = {pictures[k] for k in chosen}
    held = [one for one in lessons if one.picture in out and one.kind == ANSWER]
    taught = [one for one in lessons if one.picture not in out and weights[one.kind] > 0]
    if not taught:
        raise DatasetError("Nothing is left to teach", where="data", hint="Lower holdout, or raise a weight")
    return held, taught
