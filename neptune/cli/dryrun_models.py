"""The dry run of models: packages, options, files and keys are checked, as far as that goes without loading weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neptune.config import Config
from neptune.config.validation import ConfigProblems
from neptune.engine.assemble import engine_arguments
from neptune.errors import NeptuneError, did_you_mean
from neptune.perception import registry
from neptune.perception.checkpoints import device_of
from neptune.perception.oracle.models import short_names
from neptune.perception.oracle.server.oracle import VllmOracle
from neptune.perception.oracle.vlm.adapters import digest
from neptune.perception.replicas import check_placed, devices_of, takes_device
from neptune.resources import vocabulary_of
from neptune.servers.endpoints import ENDPOINTS, find_key

EXTRAS: dict[str, tuple[str, ...]] = {
    "openai": ("openai",),
    "transformers": ("transformers", "accelerate"),
    "data": ("datasets",),
    "finetune": ("transformers", "accelerate", "peft", "matplotlib"),
}
"""Extra of the installation → the packages it brings."""

NEEDS: tuple[tuple[str, str], ...] = (
    ("neptune.perception.oracle.vlm", "transformers"),
    ("neptune.perception.detect.transformers", "transformers"),
    ("neptune.perception.oracle.server.oracle", "openai"),
)
"""Beginning of an adapter's module → the extra it needs."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass
class Findings:
    """What was found: one line each."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def try_(self, where: str, check: Callable[[], Any]) -> Any:
        """Return what `check` returns; an error of it becomes a problem, and ``None`` is returned."""
        try:
            return check()
        except ConfigProblems as error:
            self.problems += [f"{where}: {problem}" for problem in error.problems]
        except NeptuneError as error:
            self.problems.append(f"{where}: {error.one_line()}")
        return None


def check_engine(config: Config, found: Findings) -> None:
    """Check vocabulary, limits and the models, as far as that goes without loading weights."""
    found.try_("vocabulary", lambda: vocabulary_of(config.vocabulary))
    found.try_("gpus", lambda: devices_of(config.gpus))
    found.try_("logic_params", lambda: engine_arguments(config.model_copy(update={"gpus": []})))
    for kind, name, options in (
        ("oracle", config.vlm_model_name, config.vlm_options),
        ("detector", config.od_model, config.od_options),
    ):
        check_model(kind, name, options, found)
        if config.gpus and registry.address_of(kind, name) and takes_device(kind, name):
            found.try_("gpus", partial(check_placed, kind, name, options))


def check_model(kind: str, name: str, options: Mapping[str, Any], found: Findings) -> None:
    """Check that a model's adapter has its packages, its options and its files, and what its server needs."""
    address = registry.address_of(kind, name)
    if address is None:
        return  # the config's own check has said so
    extra = next((extra for start, extra in NEEDS if address.startswith(start)), None)
    if extra is not None and not check_extra(extra, f"{kind} '{name}'", found):
        return
    parameters = registry.signature_of(kind, name).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for option, value in options.items():
        if option not in parameters and not open_ended:
            hint = did_you_mean(option, parameters) or f"expected {', '.join(parameters) or 'none'}"
            found.problems.append(f"{kind} '{name}': there is no option '{option}'; {hint}")
        elif option in ("weights", "path") and isinstance(value, str) and not Path(value).is_file():
            found.problems.append(f"{kind} '{name}': the file of '{option}' does not exist ({value})")
        elif option == "adapter" and isinstance(value, str):
            found.try_(f"{kind} '{name}'", partial(digest, value))
        elif option == "device" and isinstance(value, str):
            found.try_(f"{kind} '{name}'", partial(device_of, value))
    found.problems += registry.mistyped(kind, name, options)
    for option, parameter in parameters.items():
        if parameter.default is parameter.empty and option not in options and parameter.kind in _NAMED:
            found.problems.append(f"{kind} '{name}': the option '{option}' is not given")
    if extra == "transformers":
        check_weights(kind, name, options, found)
    elif extra == "openai":
        check_server(name, options, found)


def check_weights(kind: str, name: str, options: Mapping[str, Any], found: Findings) -> None:
    """Say whether a model's weights are here, or will be downloaded when it is first used, and where it will run."""
    from huggingface_hub import constants, try_to_load_from_cache

    model, revision = _published(kind, name, options)
    if model is None or Path(model).is_dir():
        return
    if kind == "oracle" and any(m.id == model and not m.confirmed for m in short_names().values()):
        found.notes.append(
            f"{kind} '{name}': the id {model} is not confirmed: it may not exist. Look for it at the hub first, or "
            "give the id or the folder of another conversion"
        )
    if isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str):
        found.notes.append(f"{kind} '{name}': {model} is in the cache")
    elif constants.HF_HUB_OFFLINE:
        found.problems.append(f"{kind} '{name}': {model} is not in the cache, and HF_HUB_OFFLINE forbids downloads")
    else:
        billions = re.search(r"(\d+(?:\.\d+)?)B\b", model)
        size = f" (about {2 * float(billions[1]):.0f} GB)" if billions else ""
        found.notes.append(f"{kind} '{name}': {model} will be downloaded on first use{size}")


def _published(kind: str, name: str, options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the id and the revision at the hub of a model's name."""
    from neptune.perception.detect.transformers import short_names as detectors

    given = options.get("model", name)
    if not isinstance(given, str):
        return None, None
    if kind == "oracle" and given in short_names():
        return short_names()[given].id, options.get("revision", short_names()[given].revision)
    if kind == "detector" and given in detectors():
        return detectors()[given]["id"], options.get("revision", detectors()[given]["revision"])
    return (given if "/" in given else None), options.get("revision")


def check_server(name: str, options: Mapping[str, Any], found: Findings) -> None:
    """Check the address and the key of the server behind an oracle."""
    provider = str(options.get("provider", "local"))
    if provider not in ENDPOINTS:
        hint = did_you_mean(provider, ENDPOINTS) or "expected one of " + ", ".join(ENDPOINTS)
        found.problems.append(f"oracle '{name}': there is no provider '{provider}'; {hint}")
        return
    address = options.get("base_url") or ENDPOINTS[provider].base_url
    if not address and not (name == "intern_vllm" and VllmOracle.default_url):
        found.problems.append(f"oracle '{name}': the option 'base_url' is not given; provider {provider} needs it")
    found.try_(f"oracle '{name}'", lambda: find_key(ENDPOINTS[provider]))


def check_extra(extra: str, who: str, found: Findings) -> bool:
    """Check that an extra's packages are installed; return whether they are."""
    missing = [package for package in EXTRAS[extra] if find_spec(package) is None]
    if missing:
        found.problems.append(f"{who} needs {' and '.join(missing)}: pip install 'neptune-reasoner[{extra}]'")
    return not missing


def check_provider(name: str | None, where: str, found: Findings) -> None:
    """Check that the package ``openai`` is installed and the key is there, if `name` is one of a language model."""
    if name is not None and name in ENDPOINTS:
        check_extra("openai", f"{where} {name}", found)
        found.try_(where, partial(find_key, ENDPOINTS[name]))
