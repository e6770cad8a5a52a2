"""LoRA (Hu et al. 2022) on a vision-language model, by peft: small matrices beside its linear layers are trained."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from torch import nn

from neptune.errors import ConfigError, WriteError
from neptune.perception.oracle.vlm.adapters import need_peft
from neptune.saving import RESUME, replacing_files


class LoraSettings(BaseModel):
    """What is put beside which layers."""

    model_config = ConfigDict(extra="forbid")

    rank: int = Field(default=16, ge=1, description="rank of the update of each layer")
    alpha: float = Field(default=32.0, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="of what enters the update, in training")
    targets: str | list[str] = Field(
        default="language",
        description="language (all linear layers of the language model), all-linear (those of the vision encoder and "
        "the projector too), or names of layers, e.g. [q_proj, v_proj]",
    )


def attach(model: Any, settings: LoraSettings, seed: int = 0) -> tuple[Any, list[nn.Parameter]]:
    """Put new LoRA layers into a model, in place, and let nothing else be trained.

    Parameters
    ----------
    model
        As transformers loads it.
    settings
        Rank, scale, layers.
    seed
        Of the initial weights. At first the adapter changes nothing: one of its two matrices is zero.

    Returns
    -------
    tuple
        peft's wrapper, which saves the adapter; and the parameters to train, in a fixed order, float32.

    Raises
    ------
    MissingExtraError
        If peft is not installed.
    ConfigError
        If no layer of the model has such a name.
    """
    import torch

    need_peft()
    peft: Any = import_module("peft")
    with torch.random.fork_rng(_cuda(model)):
        torch.manual_seed(seed)
        try:
            wrapped = peft.get_peft_model(
                model,
                peft.LoraConfig(
                    r=settings.rank,
                    lora_alpha=settings.alpha,
                    lora_dropout=settings.dropout,
                    target_modules=_targets(model, settings.targets),
                    bias="none",
                ),
            )
        except ValueError as error:
            raise ConfigError(
                f"No layer can be adapted: {' '.join(str(error).split())[:300]}",
                where="lora.targets",
                expected="language, all-linear, or names of linear layers of the model",
            ) from error
    return wrapped, [p for p in wrapped.parameters() if p.requires_grad]


def save(wrapped: Any, folder: Path) -> None:
    """Write the adapter in peft's format: ``adapter_config.json`` and ``adapter_model.safetensors``.

    Raises
    ------
    WriteError
        If the system refuses; an adapter that was there before is there still.
    """
    with replacing_files(folder, "The adapter", RESUME) as place:
        try:
            wrapped.save_pretrained(str(place), save_embedding_layers=False)
        except SafetensorError as error:  # what the system says comes as one of these
            said = " ".join(str(error).split())
            raise WriteError(f"The adapter can not be written: {said}", where=str(folder), hint=RESUME) from error


def _targets(model: Any, targets: str | list[str]) -> str | list[str]:
    if targets != "language":
        return targets
    decoder = next((m for m in (getattr(model.base_model, "language_model", None),) if m is not None), None)
    if decoder is None:
        raise ConfigError(
            "This model's language model is not a part called 'language_model'",
            where="lora.targets",
            expected="all-linear, or names of layers",
        )
    within = {id(m) for m in decoder.modules()}
    return [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and id(m) in within]


def _cuda(model: Any) -> list[Any]:
    return [model.device] if model.device.type == "cuda" else []
