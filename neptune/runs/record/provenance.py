"""Where a run's answers come from: versions, the commit, hashes of the files that can change an answer."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from dsl import resources
from neptune.answer import BACKEND, SEMANTICS
from neptune.config import Config
from neptune.resources import PACKAGE, prompts

_PACKAGES = ("neptune-reasoner", "torch", "numpy", "pillow", "lark", "pydantic")


def describe_code() -> dict[str, Any]:
    """Return the versions of Python and the main packages, the git commit where there is one, what programs mean and
    how they are computed."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "git_commit": _git_commit(), "semantics": SEMANTICS, "backend": BACKEND}


def _git_commit() -> str | None:
    """Return the commit of the checkout that this code runs from, with ``+`` where files are changed."""
    checkout = PACKAGE.parent
    if not (checkout / ".git").exists():
        return None

    def git(*words: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(checkout), *words], capture_output=True, text=True, timeout=10, check=True
        )
        return run.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def hash_inputs(config: Config) -> dict[str, str]:
    """Return file → SHA-256 of what decides the answers: data, programs, prompts, parameters, weights.

    Pictures are left out: there may be many, and each is named by its record.
    """
    files: dict[str, Path] = {}
    if config.data_dir and config.datasets:
        root = Path(config.data_dir).expanduser()
        for pattern in ("*.json", "*.jsonl", "*.p", "questions/*.json", "scenes/*.json", "ref*/*.json", "ref*/*.p"):
            files |= {f"data_dir/{p.relative_to(root)}": p for p in sorted(root.glob(pattern))}
    for name in ("program_cache_address", "logic_params", "vocabulary"):
        value = getattr(config, name)
        if name == "program_cache_address" and config.code_gen_provider != "cache":
            continue  # a language model's programs are added to it
        if value and Path(value).is_file():
            files[name] = Path(value)
    for name in ("vlm_options", "od_options"):
        for option, value in getattr(config, name).items():
            if isinstance(value, str) and Path(value).is_file():
                files[f"{name}.{option}"] = Path(value)
    if "embedded" in (config.vlm_model_name, config.od_model):
        weights = PACKAGE / "perception" / "embedded" / "weights"
        files |= {f"weights/{p.name}": p for p in sorted(weights.glob("*.safetensors"))}
    if config.code_gen_provider == "embedded" or config.task == "ask":
        for name in ("english.lark", "english-containers.lark", "english.json"):
            files[f"grammars/{name}"] = resources.find("grammars", name)
    shown = prompts()
    files |= {f"prompts/{p.relative_to(shown)}": p for p in sorted(shown.rglob("*")) if p.is_file()}
    return {name: _sha256(path) for name, path in files.items()}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
