"""What every adapter of a model through transformers needs: its extra, its device, and what tells its weights apart."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neptune.errors import ConfigError, MissingExtraError, NeptuneError, PerceptionError
from neptune.scene.boxes import FloatArray

if TYPE_CHECKING:
    from PIL import Image

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""Precisions by name; what ``auto`` means, each adapter says."""

MOST_SIDE = 4096
"""Pixels of a side of what a model is shown, at most."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation by which most models want pictures normalised."""

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


def without_torch(runtime: str, device: str, error: type[NeptuneError], where: str) -> bool:
    """Whether a shipped network is to run in NumPy.

    `error` is raised for a runtime that does not exist, and for a GPU that only torch can use.
    """
    if runtime not in ("torch", "numpy"):
        raise error(f"runtime is {runtime!r}", where=where, expected="'torch' or 'numpy'")
    if runtime == "numpy" and device not in ("auto", "cpu"):
        raise error(f"the runtime 'numpy' has no device '{device}'", where=where, expected="'cpu', or runtime 'torch'")
    return runtime == "numpy"


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


def short_names(file: Path) -> dict[str, dict[str, str]]:
    """Return short name → ``id revision architecture verified``, of the ``models.json`` of a room."""
    models: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))["models"]
    return models


Beside = Callable[[str, Mapping[str, Any]], Any]
"""Reads what stands beside a model's weights, from its source and the options of ``from_pretrained``."""


def load_model(
    source: str,
    classes: Mapping[str, str],
    what: str,
    *,
    revision: str | None,
    device: str,
    dtype: str,
    local_files_only: bool,
    beside: Beside | None = None,
    error: type[NeptuneError] = PerceptionError,
) -> tuple[Any, Any]:
    """Return a checkpoint's model in evaluation mode, and what stands beside it.

    Parameters
    ----------
    source
        An id on the hub, or a folder.
    classes
        Architecture (``model_type``) → the class of transformers that loads it.
    what
        What it is to be, for errors: ``"segmenter"``.
    revision, device, dtype, local_files_only
        As the adapters' options; the dtype ``"auto"`` is float32.
    beside
        Reads what stands beside the weights: a processor; by default what ``preprocessor_config.json`` says, ``{}``
        where there is none.
    error
        What is raised.

    Raises
    ------
    PerceptionError, or `error`
        If it can not be loaded, or is of no known architecture, or the dtype is none.
    ConfigError, MissingExtraError
        If a GPU is asked for that is not there, or transformers is not installed.
    """
    if dtype not in DTYPES:
        raise error(f"dtype is '{dtype}'", where=what, expected=f"one of {', '.join(DTYPES)}")
    need_transformers()
    target = device_of(device)
    import torch

    transformers: Any = import_module("transformers")
    hub = hub_options(revision, local_files_only)
    try:
        config = transformers.AutoConfig.from_pretrained(source, **hub)
        class_name = classes[known_architecture(str(config.model_type), source, classes, what, error)]
        told = beside(source, hub) if beside is not None else preprocessing_of(source, hub, what)
        precision = torch.float32 if dtype == "auto" else getattr(torch, dtype)
        model = getattr(transformers, class_name).from_pretrained(source, dtype=precision, **hub).to(target)
    except NeptuneError:
        raise
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as reason:
        raise error(
            f"The {what}'s model '{source}' can not be loaded: {said_of_loading(reason)}",
            expected="a short name, a published id that this machine can reach, or a folder with a checkpoint",
            hint="Without a network: download it first, and name its folder",
        ) from reason
    return model.eval(), told


def known_architecture(
    architecture: str, name: str, classes: Mapping[str, Any], what: str, error: type[NeptuneError] = PerceptionError
) -> str:
    """Return an architecture; `error` if it is none of `classes`."""
    if architecture not in classes:
        raise error(
            f"'{name}' is of the architecture '{architecture}', which is no {what} known here",
            expected=f"one of {', '.join(classes)}",
        )
    return architecture


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that sees, and what stands beside it; `name` is for errors, `weights` for caches.

    `source` is the id or folder it was loaded from, ``None`` where it was given loaded.
    """

    name: str
    model: Any
    said: Any
    architecture: str
    weights: str
    source: str | None = None


def open_model(
    model: str | tuple[Any, ...],
    names: Path,
    classes: Mapping[str, str],
    what: str,
    *,
    revision: str | None,
    device: str,
    dtype: str,
    local_files_only: bool,
    beside: Beside | None = None,
    error: type[NeptuneError] = PerceptionError,
) -> Opened:
    """Return a model by its short name, id or folder, or one that is loaded, with what stands beside it.

    Parameters
    ----------
    model
        What the adapter was given.
    names
        The file of its short names.
    classes, what, revision, device, dtype, local_files_only, beside, error
        As for :func:`load_model`, errors too.
    """
    source: str | None = None
    if isinstance(model, str):
        name, known = model, short_names(names).get(model)
        source = known["id"] if known else model
        loaded, said = load_model(
            source,
            classes,
            what,
            revision=revision or (known["revision"] if known else None),
            device=device,
            dtype=dtype,
            local_files_only=local_files_only,
            beside=beside,
            error=error,
        )
    else:
        loaded, said = model[:2]
        name = str(loaded.config.model_type)
    architecture = known_architecture(str(loaded.config.model_type), name, classes, what, error)
    return Opened(name, loaded, said, architecture, fingerprint(loaded, source), source)


def at_least_one(batch_size: int, where: str) -> int:
    """Return a batch size; PerceptionError if it is less than 1."""
    if batch_size < 1:
        raise PerceptionError(f"batch_size is {batch_size}", where=where, expected="at least 1")
    return batch_size


def preprocessing_of(source: str, hub: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return what the ``preprocessor_config.json`` of a checkpoint says, ``{}`` without one.

    Raises
    ------
    PerceptionError
        If it is no JSON.
    OSError
        If the hub can not be reached.
    """
    file: str | None = import_module("transformers.utils").cached_file(
        source,
        "preprocessor_config.json",
        revision=hub["revision"],
        local_files_only=hub["local_files_only"],
        _raise_exceptions_for_missing_entries=False,
    )
    if file is None:
        return {}
    try:
        said = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PerceptionError(f"The {what}'s preprocessing can not be read: {error}", where=file) from error
    return said if isinstance(said, dict) else {}


def side_lengths(said: Mapping[str, Any], usual: tuple[int, int], what: str) -> tuple[int, int]:
    """Return ``(height, width)`` of a field ``size`` of a ``preprocessor_config.json``; `usual` where it says none.

    Raises
    ------
    PerceptionError
        If it is none that a picture can have.
    """
    size = said.get("size", {})
    if isinstance(size, int):
        size = {"height": size, "width": size}
    longest = size.get("longest_edge") if isinstance(size, Mapping) else None
    sides = (longest or size.get("height", usual[0]), longest or size.get("width", usual[1]))
    if not all(isinstance(side, int) and 1 <= side <= MOST_SIDE for side in sides):
        raise PerceptionError(f"The {what}'s preprocessing makes pictures of {sides}", expected=f"1 to {MOST_SIDE}")
    return sides


def normalised(
    image: Image.Image, said: Mapping[str, Any], mean: tuple[float, ...], std: tuple[float, ...]
) -> FloatArray:
    """Return an RGB picture as ``(3, h, w)``, scaled to [0, 1] and normalised as ``preprocessor_config.json`` says."""
    scaled = np.asarray(image, dtype=np.float32) * np.float32(said.get("rescale_factor", 1 / 255))
    centre = np.asarray(said.get("image_mean", mean), dtype=np.float32)
    spread = np.asarray(said.get("image_std", std), dtype=np.float32)
    found: FloatArray = np.ascontiguousarray(((scaled - centre) / spread).transpose(2, 0, 1))
    return found
