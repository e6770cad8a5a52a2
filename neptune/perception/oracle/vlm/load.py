"""Loads a vision-language model and its processor; what can go wrong is said in one line."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from neptune.errors import ConfigError, OracleError, OracleFailedError
from neptune.perception.checkpoints import DTYPES, device_of, hub_options, need, need_transformers, said_of_loading
from neptune.perception.device_failures import is_out_of_memory
from neptune.perception.oracle.models import short_names

QUANTISATIONS = ("4bit", "8bit")
"""By bitsandbytes, on a GPU."""

ATTENTIONS = ("sdpa", "eager", "flash_attention_2", "flash_attention_3")
"""Backends of attention; by default the model's own choice."""


def load(
    model: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    device_map: str | dict[str, Any] | None = None,
    attention: str | None = None,
    quantisation: str | None = None,
    local_files_only: bool = False,
) -> tuple[Any, Any]:
    """Return ``(model, processor)``, the model in evaluation mode on its device.

    Raises
    ------
    ConfigError
        For an option's value that does not exist, or a GPU that is not there.
    MissingExtraError
        If transformers, or what an option needs, is not installed.
    OracleError
        If the model can not be found, read, or is of no known kind.
    """
    _one_of("dtype", dtype, DTYPES)
    _one_of("quantisation", quantisation, (None, *QUANTISATIONS))
    _one_of("attention", attention, (None, *ATTENTIONS))
    need_transformers()
    target = device_of(device)
    transformers: Any = import_module("transformers")
    hub = hub_options(revision, local_files_only)
    options: dict[str, Any] = {"dtype": _dtype(dtype, target), **hub}
    if attention is not None:
        options["attn_implementation"] = attention
    if quantisation is not None:
        options["quantization_config"] = _quantisation(quantisation, target)
    if device_map is not None or quantisation is not None:
        need("accelerate", "neptune-reasoner[transformers]")
        options["device_map"] = device_map or {"": target}
    from neptune.perception.oracle.vlm.processors.image_only import load_processor

    try:
        config = transformers.AutoConfig.from_pretrained(model, **hub)
        processor = load_processor(model, config.model_type, **hub)
        made = transformers.AutoModelForImageTextToText.from_pretrained(model, **options)
        if "device_map" not in options:
            made = made.to(target)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise _unloadable(model, local_files_only, error) from error
    return made.eval(), processor


def _one_of(option: str, value: object, known: tuple[Any, ...]) -> None:
    if value not in known:
        listed = ", ".join("null" if k is None else str(k) for k in known)
        raise ConfigError(f"'{option}' is {value!r}", where="vlm_options", expected=f"one of {listed}")


def _dtype(name: str, device: str) -> Any:
    import torch

    if name != "auto":
        return getattr(torch, name)
    return torch.float32 if device == "cpu" else "auto"


def _quantisation(name: str, device: str) -> Any:
    import torch

    bits_and_bytes: Any = import_module("transformers").BitsAndBytesConfig
    if device == "cpu":
        raise ConfigError("Quantised weights need a GPU", where="vlm_options.quantisation", hint="Leave it out")
    need("bitsandbytes", "bitsandbytes")
    if name == "8bit":
        return bits_and_bytes(load_in_8bit=True)
    return bits_and_bytes(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _unloadable(model: str, local: bool, error: Exception) -> OracleError:
    if is_out_of_memory(error):
        return OracleFailedError(
            f"The model '{model}' does not fit into the GPU's memory",
            hint='Use "quantisation": "4bit" or "device_map": "auto" in vlm_options, or a smaller model',
        )
    folder = Path(model).exists()
    return OracleFailedError(
        f"The model '{model}' can not be loaded: {said_of_loading(error)}",
        where="local files only" if local else "",
        expected="a vision-language model that transformers knows (AutoModelForImageTextToText)",
        hint="Look at the folder's files" if folder else _elsewhere(model),
    )


def _elsewhere(model: str) -> str:
    if any(known.id == model and not known.confirmed for known in short_names().values()):
        return "This id is not confirmed: look for a conversion to transformers' format, and give its id or folder"
    return "Check the id and the connection, or download the model and give its folder"
