"""Runs on a cluster in tests: what is asked, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers.fault_oracle_server import fingerprint
from helpers.fault_server import Server

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm")
DATA = str(ROOT / "examples" / "clevr")
WORDS = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene"]


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run, in order."""
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def settled(record: dict[str, Any]) -> dict[str, Any]:
    """What must be the same wherever a sample is answered: seconds and counters may differ."""
    return {k: v for k, v in record.items() if k not in ("seconds", "usage", "evidence")}


def counting(server: Server) -> dict[str, int]:
    """Return how often a server was asked each request."""
    found: dict[str, int] = {}
    for request in list(server.requests):
        found[fingerprint(request)] = found.get(fingerprint(request), 0) + 1
    return found
