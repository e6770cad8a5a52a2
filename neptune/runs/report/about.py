"""What was run: models, data, programs, versions, files and prompts by their hashes, and the command to repeat it.

All of it is read from the run folder's ``config.json``, in which the run wrote it down.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neptune.runs import record as records

_SECRET = re.compile(r"(?<=://)[^/@\s\"']+@")
"""A name and password within an address."""

SHORT = 12
"""Digits of a hash that are shown; all are in the file."""


def about(folder: Path, results: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Return what a page says of how a run was made; ``None`` where the folder does not say.

    Parameters
    ----------
    folder
        The run folder.
    results
        The run's figures, which say what `auto` came to be.

    Returns
    -------
    dict
        ``facts`` (label → text, in plain words), ``command``, ``prompts`` and ``files`` (name → first digits of the
        hash), ``config`` (JSON text, all fields), ``name``, ``started``.
    """
    try:
        config = json.loads((folder / records.CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(config, dict):
        return None
    meta = _mapping(config.pop(records.META, {}))
    hashes = {str(k): str(v)[:SHORT] for k, v in _mapping(meta.get("hashes")).items()}
    asked = {f"as asked: {k}": str(v)[:SHORT] for k, v in _mapping(meta.get("prompt_hashes")).items()}
    prompts = {k.removeprefix("prompts/"): v for k, v in hashes.items() if k.startswith("prompts/")}
    return {
        "name": str(meta.get("name") or folder.resolve().name),
        "started": str(meta.get("started") or ""),
        "facts": {k: _clean(v) for k, v in _facts(config, meta, results or {}).items() if v},
        "command": _clean(command(config, folder)),
        "prompts": asked | prompts,
        "files": {k: v for k, v in hashes.items() if not k.startswith("prompts/")},
        "config": _clean(json.dumps(config, ensure_ascii=False, indent=2)),
    }


def command(config: Mapping[str, Any], folder: Path) -> str:
    """Return the command that makes the run again, into a folder of its own."""
    place = Path(str(config.get("output_dir") or folder))
    words = ["python", "run.py", "--config", str(place / records.CONFIG), "--output_dir", f"{place}-again"]
    return shlex.join(words)


def _facts(config: Mapping[str, Any], meta: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, str]:
    versions = dict(_mapping(meta.get("versions")))
    own = versions.pop("neptune-reasoner", "")
    commit = str(meta.get("git_commit") or "")
    changed = ", with files changed" if commit.endswith("+") else ""
    resumed = len(again) if isinstance(again := meta.get("resumed"), list) else 0
    bundle = f"from the bundle {meta['bundle']}" if meta.get("bundle") else ""
    return {
        "Data": _data(config),
        "Oracle": _model(config.get("vlm_model_name"), config.get("vlm_options")),
        "Detector": _model(config.get("od_model"), config.get("od_options")),
        "Programs": _programs(config),
        "Logic": _logic(config),
        "Asked": _asked(config, results),
        "Replayed": bundle,
        "Started": _time(str(meta.get("started") or "")) + (f", resumed {resumed} times" if resumed else ""),
        "Seed": str(config.get("seed", "")),
        "Version": " · ".join(
            [f"NePTune Reasoner {own}"] * bool(own)
            + [f"commit {commit.rstrip('+')[:SHORT]}{changed}"] * bool(commit)
            + [f"{k} {v}" for k, v in versions.items()]
        ),
    }


def _data(config: Mapping[str, Any]) -> str:
    dataset = config.get("dataset")
    if not dataset:
        return str(config.get("image") or "")
    names = dataset if isinstance(dataset, list) else [dataset]
    number = config.get("num_samples")
    first = f", the first {number:,} of each" if isinstance(number, int) and number >= 0 else ""
    split = f", split {config['split']}" if config.get("split") else ""
    return f"{', '.join(map(str, names))} in {config.get('data_dir')}{split}{first}"


def _model(name: Any, options: Any) -> str:
    if not name:
        return ""
    said = [
        f"{k} {v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)}" for k, v in _mapping(options).items()
    ]
    return " · ".join([str(name), *said])


def _programs(config: Mapping[str, Any]) -> str:
    if config.get("program"):
        return "given"
    provider = config.get("code_gen_provider")
    words = [{"gold": "the dataset's own", "cache": "a program cache"}.get(str(provider), str(provider or ""))]
    if config.get("code_gen_model_name"):
        words += [str(config["code_gen_model_name"]), f"dialect {config.get('code_gen_dialect')}"]
    if config.get("program_cache_address"):
        words.append(str(config["program_cache_address"]))
    return " · ".join(w for w in words if w)


def _logic(config: Mapping[str, Any]) -> str:
    words = [str(config.get("logic") or "")]
    if config.get("logic_params"):
        words.append(f"parameters {config['logic_params']}")
    return " · ".join(w for w in words if w)


def _asked(config: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    schedule, used = config.get("schedule"), _mapping(results.get("schedule"))
    if used.get("used") not in (None, schedule):
        schedule = f"{schedule} ({used['used']}: {used.get('why') or 'chosen'})"
    named = {"all": "everything that a program mentions", "lazy": "only what decides the answer"}
    said = [named.get(str(schedule), str(schedule or ""))]
    for name, words in (("max_oracle_calls", "a question"), ("max_run_calls", "in all")):
        if isinstance(most := config.get(name), int):
            said.append(f"at most {most:,} calls {words}")
    return " · ".join(w for w in said if w)


def _time(text: str) -> str:
    """``2026-11-29T12:48:38+0000`` as a reader takes it in."""
    return re.sub(r"^(\S+?)T(\d\d:\d\d):\d\d([+-]\d\d)(\d\d)$", r"\1, \2 (UTC\3:\4)", text)


def _mapping(value: Any) -> Mapping[str, Any]:
    """A value that should be an object; the file may be somebody else's."""
    return value if isinstance(value, Mapping) else {}


def _clean(text: str) -> str:
    return _SECRET.sub("", text)
