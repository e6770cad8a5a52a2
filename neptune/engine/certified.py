"""What a run has in common with the one that a certificate was made for, and the narrowing that follows from it."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from neptune.answer import SEMANTICS
from neptune.config import Config
from neptune.config.lasting import NEUTRAL, PASSING
from neptune.config.tasks import OWN
from neptune.engine.evidence.narrowed import Narrowing
from neptune.errors import ConfigError
from neptune.guarantees.certificate import Certificate
from neptune.perception import registry
from neptune.resources import PACKAGE, prompts
from neptune.scene.types import Oracle

FREE = (
    frozenset({"dataset", "task", "data_dir", "split", "follow_links", "fetch_pictures", "schedule", "planner"})
    | {"certificate", "audit", "most_answers", "probability_tolerance"}
    | {"trusted_hosts", *OWN}
)
"""Fields that may be otherwise in a run than in the calibration: which pictures, how a decision is reported, and those
of other tasks."""

FILES = ("logic_params", "vocabulary", "program_cache_address")
"""Fields that may name a file: its content counts, not its place."""


def identity(config: Config) -> dict[str, dict[str, Any]]:
    """Return what decides the answers of a run: the fields of its config, and the hashes of the files behind them.

    Raises
    ------
    ConfigError
        If a file can not be read.
    """
    fields = {
        name: value
        for name, value in config.model_dump(mode="json").items()
        if name not in NEUTRAL | PASSING | FREE and name not in FILES
    }
    for name in ("vlm_options", "od_options"):
        fields[name] = _options(getattr(config, name))
    files: dict[str, Any] = {name: _named(getattr(config, name), name) for name in FILES}
    if config.code_gen_provider != "cache":
        files.pop("program_cache_address")  # a language model's programs are added to it
    if "embedded" in (config.vlm_model_name, config.od_model):
        files["weights"] = _folder(PACKAGE / "perception" / "embedded" / "weights", "*.safetensors")
    files["prompts"] = _folder(prompts(), "**/*")
    return {"fields": fields, "files": files, "code": {"semantics": SEMANTICS}}


def proxy_identity(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a certificate keeps of a proxy: its name, its options, and the hashes of the files they name.

    Raises
    ------
    ConfigError
        If a file can not be read.
    """
    weights = {}
    if name == "embedded" and "weights" not in options:
        weights["shipped"] = _folder(PACKAGE / "perception" / "embedded" / "weights", "*.safetensors")
    hashed = {k: v for k, v in _options(options).items() if v != options[k]} | weights
    return {"name": name, "options": dict(options), "files": hashed}


def make_proxy(name: str, options: Mapping[str, Any], config: Config) -> Oracle:
    """Return a proxy.

    Raises
    ------
    ConfigError
        If there is no such oracle, or it does not take an option.
    """
    from neptune.resources import vocabulary_of

    given = dict(options)
    if name in ("random", "scene"):
        given.setdefault("seed", config.seed)
    if name == "scene":
        given["vocabulary"] = vocabulary_of(config.vocabulary)
    if name in registry.PROXIES:
        return _asking(name, given, config)
    return registry.oracle(name, **given)


def _asking(name: str, given: dict[str, Any], config: Config) -> Oracle:
    """Return a proxy that asks an oracle in its own way: ``model_name`` and ``options`` are that oracle's."""
    inner, options = str(given.pop("model_name", "openai")), dict(given.pop("options", {}))
    if "query_tokens" in registry.signature_of("oracle", inner).parameters:
        options.setdefault("query_tokens", 64)
    maker = resolve_name(registry.PROXIES[name])
    known = [p for p in inspect.signature(maker).parameters if p != "inner"]
    for option in given:
        if option not in known:
            expected = ", ".join(["model_name", "options", *known])
            raise ConfigError(f"The proxy '{name}' has no option '{option}'", where="proxy_options", expected=expected)
    made: Oracle = maker(make_proxy(inner, options, config), **given)
    return made


def certified_arguments(config: Config) -> dict[str, Any]:
    """Return the arguments of the engine that follow from a config's certificate: how it asks, and the narrowing.

    Raises
    ------
    ConfigError
        If the certificate can not be read, or was made for another run: what differs is said.
    """
    if config.certificate is None:
        return {}
    certificate = Certificate.load(config.certificate)
    check_fit(certificate, config)
    return {"narrowing": _narrowing(certificate, config), "schedule": certificate.schedule}


def _narrowing(certificate: Certificate, config: Config) -> Narrowing | None:
    if certificate.answers is not None or certificate.width is None or certificate.exact:
        return None
    families = frozenset((d, f) for d, names in certificate.families.items() for f in names)
    proxy = make_proxy(certificate.proxy["name"], certificate.proxy["options"], config)
    return Narrowing(proxy, certificate.width, config.audit, config.seed, families)


def check_fit(certificate: Certificate, config: Config) -> None:
    """Check that a certificate is for this run.

    Raises
    ------
    ConfigError
        If it is not: what differs is said.
    """
    differing = certificate.misfits(identity(config))
    try:
        if certificate.answers is None:
            name, options = certificate.proxy["name"], certificate.proxy["options"]
            if proxy_identity(name, options) != certificate.proxy:
                differing.append("the files of the proxy are others")
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError("This is no certificate: its proxy has no name or options", where="certificate") from error
    strange = sorted(set(config.datasets) - certificate.families.keys())
    if strange:
        differing.append(f"dataset is {', '.join(strange)}, and was {', '.join(sorted(certificate.families))}")
    if differing:
        more = f", and {len(differing) - 4} more" if len(differing) > 4 else ""
        raise ConfigError(
            f"The certificate was made for another run: {'; '.join(differing[:4])}{more}",
            where=str(config.certificate),
            hint="Make one for this run: neptune-reasoner certify CONFIG; or leave --certificate out",
        )


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with files by their content."""
    return {k: _named(v, k) if isinstance(v, str) and Path(v).is_file() else v for k, v in options.items()}


def _named(value: str | None, field: str) -> str | None:
    """Return a name, or the hash of the file that it names."""
    if value is None or not Path(value).is_file():
        return value
    try:
        return f"sha256:{hashlib.sha256(Path(value).read_bytes()).hexdigest()}"
    except OSError as error:
        raise ConfigError(f"The file can not be read: {error.strerror or error}", where=f"{field}: {value}") from error


def _folder(folder: Path, pattern: str) -> str:
    """Return one hash of the files of a folder."""
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
        if path.is_file() and "__pycache__" not in path.parts
    }
    return f"sha256:{hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()}"
