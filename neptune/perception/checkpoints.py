"""What every adapter of a model through transformers needs: its extra, its device, and what tells its weights apart."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from neptune.errors import ConfigError, MissingExtraError

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""Precisions by name; what ``auto`` means, each adapter says."""

BLOCKS, BLOCK = 64, 1 << 18
"""Of a large file so many blocks of so many bytes are hashed."""


def need(module: str, package: str) -> None:
    """Raise :class:`~neptune.errors.MissingExtraError`, with what installs it, unless a module is installed."""
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(f"{module} is not installed", hint=f"pip install '{package}'")


def need_transformers() -> None:
    """Raise :class:`~neptune.errors.MissingExtraError` unless transformers is installed."""
    need("transformers", "neptune-reasoner[transformers]")


def hub_options(revision: str | None, local_files_only: bool) -> dict[str, Any]:
    """Return what every ``from_pretrained`` is given.

    Code in a model's folder or repository is never run: without the word, transformers asks on the terminal, and takes
    a ``y`` from whatever is piped there.
    """
    return {"revision": revision, "local_files_only": local_files_only, "trust_remote_code": False}


def said_of_loading(error: Exception) -> str:
    """Return what an exception of ``from_pretrained`` says, in one line; code of a model's own is named as such."""
    if "trust_remote_code" in str(error):
        return "it brings code of its own, which is never run; choose one whose architecture transformers knows"
    return one_line(error)


def one_line(error: Exception) -> str:
    """Return what an exception says, or else its type, as one line of at most 300 characters."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= 300 else said[:299] + "…"


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
                hint='Use "device": "cpu", or install a build of torch for your GPU',
            )
    return device


def fingerprint(model: Any, source: str | None) -> str:
    """Return what tells a loaded model from others: the hub's commit, else the folder's content, else the parameters.

    `source` is the id or folder it was loaded from, or ``None``.
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
            found.update(f"{name} {tuple(parameter.shape)} {parameter.detach().double().sum().item()!r}\n".encode())
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
