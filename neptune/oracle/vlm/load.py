"""Loads a vision-language model and its processor; what can go wrong is said in one line."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any

from neptune.errors import ConfigError, MissingExtraError, OracleError, OracleFailedError

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""``auto``: float32 on a CPU, else the checkpoint's own."""

QUANTISATIONS = ("4bit", "8bit")
"""By bitsandbytes, on a GPU."""

ATTENTIONS = ("sdpa", "eager", "flash_attention_2", "flash_attention_3")
"""Backends of attention; by default the model's own choice."""


BLOCKS, BLOCK = 64, 1 << 18
"""Of a large file so many blocks of so many bytes are hashed."""


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
    hub: dict[str, Any] = {"revision": revision, "local_files_only": local_files_only}
    options: dict[str, Any] = {"dtype": _dtype(dtype, target), **hub}
    if attention is not None:
        options["attn_implementation"] = attention
    if quantisation is not None:
        options["quantization_config"] = _quantisation(quantisation, target)
    if device_map is not None or quantisation is not None:
        _need("accelerate", "neptune-reasoner[transformers]")
        options["device_map"] = device_map or {"": target}
    from neptune.oracle.vlm.processors import load_processor

    try:
        config = transformers.AutoConfig.from_pretrained(model, **hub)
        processor = load_processor(model, config.model_type, **hub)
        made = transformers.AutoModelForImageTextToText.from_pretrained(model, **options)
        if "device_map" not in options:
            made = made.to(target)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise _unloadable(model, local_files_only, error) from error
    return made.eval(), processor


def need_transformers() -> None:
    """Raise unless transformers is installed.

    Raises
    ------
    MissingExtraError
        With the command that installs it.
    """
    _need("transformers", "neptune-reasoner[transformers]")


def device_of(device: str) -> str:
    """Return the device that a name means; ``"auto"``: a GPU where there is one.

    Raises
    ------
    ConfigError
        If a GPU is asked for and there is none, or not so many.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"There is no device '{device}'", expected="auto, cpu, cuda, cuda:1, …") from error
    if wanted.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (wanted.index or 0) >= count:
            raise ConfigError(
                f"The device '{device}' is asked for, and this machine has {count or 'no'} GPU{'s' * (count > 1)}"
                f"{'' if count else ' that torch can use'}",
                expected=", ".join(["auto", "cpu", *(f"cuda:{k}" for k in range(count))]),
                mend='Use "device": "cpu", or install a build of torch for your GPU',
            )
    return device


def fingerprint(model: Any, source: str | None) -> str:
    """Return what tells a model from others: the hub's commit, else the folder's content, else the parameters.

    Parameters
    ----------
    model
        The loaded model.
    source
        The id or folder it was loaded from, or ``None``.
    """
    commit = getattr(model.config, "_commit_hash", None)
    if commit:
        return str(commit)
    found = hashlib.sha256()
    if source is not None and Path(source).is_dir():
        for path in sorted(Path(source).rglob("*")):
            if path.is_file():
                found.update(f"{path.relative_to(source)} {path.stat().st_size}\n".encode())
                found.update(_sampled(path))
    else:
        for name, parameter in model.named_parameters():
            found.update(
                f"{name} {tuple(parameter.shape)} {parameter.detach().double().sum().item()!r}\n".encode()
            )
    return found.hexdigest()[:32]


def _sampled(path: Path) -> bytes:
    """Return a file's hash; of a large one that of blocks spread over it, since other weights differ everywhere."""
    size, found = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        if size <= BLOCKS * BLOCK:
            return hashlib.file_digest(file, "sha256").digest()
        for k in range(BLOCKS):
            file.seek(k * (size - BLOCK) // (BLOCKS - 1))
            found.update(file.read(BLOCK))
    return found.digest()


def _one_of(option: str, value: object, known: tuple[Any, ...]) -> None:
    if value not in known:
        listed = ", ".join("null" if k is None else str(k) for k in known)
        raise ConfigError(f"'{option}' is {value!r}", where="vlm_options", expected=f"one of {listed}")


def _need(module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(f"{module} is not installed", mend=f"pip install '{package}'")


def _dtype(name: str, device: str) -> Any:
    import torch

    if name != "auto":
        return getattr(torch, name)
    return torch.float32 if device == "cpu" else "auto"


def _quantisation(name: str, device: str) -> Any:
    import torch

    bits_and_bytes: Any = import_module("transformers").BitsAndBytesConfig
    if device == "cpu":
        raise ConfigError(
            "Quantised weights need a GPU", where="vlm_options.quantisation", mend="Leave it out"
        )
    _need("bitsandbytes", "bitsandbytes")
    if name == "8bit":
        return bits_and_bytes(load_in_8bit=True)
    return bits_and_bytes(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _unloadable(model: str, local: bool, error: Exception) -> OracleError:
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return OracleFailedError(
            f"The model '{model}' does not fit into the GPU's memory",
            mend='Use "quantisation": "4bit" or "device_map": "auto" in vlm_options, or a smaller model',
        )
    said = " ".join(str(error).split())
    said = said if len(said) <= 300 else said[:299] + "…"
    where = "local files only" if local else ""
    folder = Path(model).exists()
    return OracleFailedError(
        f"The model '{model}' can not be loaded: {said}",
        where=where,
        expected="a vision-language model that transformers knows (AutoModelForImageTextToText)",
        mend="Look at the folder's files"
        if folder
        else "Check the id and the connection, or download the model and give its folder",
    )
