"""LoRA adapters in peft's format: put on a loaded model, and told apart by their content."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any

from neptune.errors import OracleFailedError
from neptune.perception.checkpoints import need

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""The files of an adapter's folder."""


def need_peft() -> None:
    """Raise :class:`~neptune.errors.MissingExtraError` unless peft is installed."""
    need("peft", "neptune-reasoner[finetune]")


def digest(folder: str | Path) -> str:
    """Return 32 hex digits of an adapter's configuration and weights.

    Raises
    ------
    OracleFailedError
        If the folder holds no adapter.
    """
    found = hashlib.sha256()
    for path in (Path(folder) / CONFIG, Path(folder) / WEIGHTS):
        if not path.is_file():
            raise OracleFailedError(
                f"There is no adapter: {path.name} is missing",
                where=str(folder),
                expected=f"a folder with {CONFIG} and {WEIGHTS}",
                hint="Give the folder 'adapter' that task finetune has written",
            )
        found.update(path.name.encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:32]


def apply(model: Any, folder: str | Path) -> Any:
    """Return the model with the adapter's layers put in, in evaluation mode; it is changed in place.

    The adapter is not merged into the weights, which would round it to their dtype.

    Raises
    ------
    MissingExtraError
        If peft is not installed.
    OracleFailedError
        If the adapter is of another model.
    """
    need_peft()
    peft: Any = import_module("peft")
    from safetensors import SafetensorError, safe_open

    try:
        wrapped = peft.PeftModel.from_pretrained(model, str(folder))
        with safe_open(str(Path(folder) / WEIGHTS), "pt") as file:
            given = set(file.keys())
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise _another(folder, " ".join(str(error).split())[:300]) from error
    # peft only warns where names differ, and leaves what is missing as it was made: without effect.
    wanted = set(peft.get_peft_model_state_dict(wrapped, save_embedding_layers=False))
    if given != wanted:
        raise _another(folder, f"{len(wanted - given)} of {len(wanted)} layers are not in it")
    return wrapped.get_base_model().eval()


def _another(folder: str | Path, why: str) -> OracleFailedError:
    return OracleFailedError(
        f"The adapter does not fit the model: {why}",
        where=str(folder),
        expected="an adapter that was trained on this model",
        hint="Look at base_model_name_or_path in adapter_config.json",
    )
