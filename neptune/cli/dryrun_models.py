"""The dry run of models: packages, options, files and keys are checked, as far as that goes without loading weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neptune.config import Config
from neptune.engine.assemble import engine_arguments
from neptune.errors import did_you_mean
from neptune.perception import registry
from neptune.perception.checkpoints import device_of
from neptune.perception.checkpoints import short_names as named
from neptune.perception.licences import licence_of
from neptune.perception.oracle.models import short_names
from neptune.perception.oracle.vlm.adapters import digest
from neptune.perception.replicas import check_placed, devices_of, takes_device
from neptune.resources import vocabulary_of
from neptune.runs.runner.preflight import Findings, servers_of
from neptune.runs.runner.preflight import check_servers as check_answers
from neptune.servers.endpoints import ENDPOINTS, find_key

EXTRAS: dict[str, tuple[str, ...]] = {
    "openai": ("openai",),
    "transformers": ("transformers", "accelerate"),
    "data": ("datasets",),
    "vision": ("cv2",),
    "ocr": ("rapidocr", "onnxruntime"),
    "finetune": ("transformers", "accelerate", "peft", "matplotlib"),
    "ray": ("ray", "pyarrow"),
}
"""Extra of the installation → the packages it brings."""

NEEDS: tuple[tuple[str, str], ...] = (
    ("neptune.perception.oracle.vlm", "transformers"),
    ("neptune.perception.detect.transformers", "transformers"),
    ("neptune.perception.oracle.server.oracle", "openai"),
    ("neptune.perception.segment.transformers", "transformers"),
    ("neptune.perception.depth.transformers", "transformers"),
    ("neptune.perception.segment.pixels", "vision"),
    ("neptune.perception.reading.rapid", "ocr"),
)
"""Beginning of an adapter's module → the extra it needs."""

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


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
    for kind, field, name, options in (
        ("segmenter", "segment_model", config.segment_model, config.segment_options),
        ("depth estimator", "depth_model", config.depth_model, config.depth_options),
        ("text reader", "ocr_model", config.ocr_model, config.ocr_options),
    ):
        if field in config.model_fields_set:  # what nobody named, programs may do without
            check_model(kind, name, options, found)


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
    say_licence(kind, name, options, found)


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


def say_licence(kind: str, name: str, options: Mapping[str, Any], found: Findings) -> None:
    """Say under which licence a model's weights are, where they are somebody else's."""
    if kind == "oracle":
        return
    model, _ = _published(kind, name, options)
    licence = licence_of(model or name)
    if licence is not None:
        found.notes.append(f"{kind} '{name}': licence {licence}")
    elif model is not None and not Path(model).is_dir():
        found.notes.append(f"{kind} '{name}': the licence of {model} is not known here; its page says it")


def _published(kind: str, name: str, options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the id and the revision at the hub of a model's name."""
    given = options.get("model", name)
    if not isinstance(given, str):
        return None, None
    if kind == "oracle" and given in short_names():
        return short_names()[given].id, options.get("revision", short_names()[given].revision)
    rooms = {"detector": "detect", "segmenter": "segment", "depth estimator": "depth"}
    if kind in rooms:
        known = named(Path(registry.__file__).parent / rooms[kind] / "models.json").get(given)
        if known is not None:
            return known["id"], options.get("revision", known["revision"])
    return (given if "/" in given else None), options.get("revision")


def check_extra(extra: str, who: str, found: Findings) -> bool:
    """Check that an extra's packages are installed; return whether they are."""
    missing = [package for package in EXTRAS[extra] if find_spec(package) is None]
    if missing:
        found.problems.append(f"{who} needs {' and '.join(missing)}: pip install 'neptune-reasoner[{extra}]'")
    return not missing


def check_servers(config: Config, found: Findings) -> None:
    """Check that the servers of oracle, writer and judge are named right, answer, and take their keys."""
    packages = find_spec("openai") is not None
    for servers, kept in servers_of(config):
        server = servers[0]
        who = f"oracle '{config.vlm_model_name}'" if server.fields == "vlm_options." else f"{server.fields}provider"
        if server.provider not in ENDPOINTS:
            hint = did_you_mean(server.provider, ENDPOINTS) or "expected one of " + ", ".join(ENDPOINTS)
            found.problems.append(f"{who}: there is no provider '{server.provider}'; {hint}")
            continue
        address = server.base_url or ENDPOINTS[server.provider].base_url
        if not address and server.fields == "vlm_options.":
            found.problems.append(f"{who}: the option 'base_url' is not given; provider {server.provider} needs it")
        key = found.try_(who, partial(find_key, ENDPOINTS[server.provider]))
        if server.fields != "vlm_options.":  # an oracle's package is checked with its options
            check_extra("openai", f"{who} {server.provider}", found)
        if address and key and packages:
            check_answers(servers, kept, found)
