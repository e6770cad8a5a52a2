"""Task ``cache``: what the cache of oracle answers holds, and how to make it smaller."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from neptune.config import Config
from neptune.errors import ConfigError
from neptune.foreign import printable
from neptune.perception.oracle.caching.store import OracleStore


def show_cache(config: Config, name: str) -> int:
    """Print one line for each oracle of the cache; with `prune`, remove those whose identity holds its text.

    Raises
    ------
    ConfigError
        If there is no such file.
    OracleFailedError
        If it is no cache.
    """
    path = config.cache_path
    if path is None or not path.is_file():
        raise ConfigError(
            "There is no cache of oracle answers", where=str(path), hint="Name one: --oracle_cache FILE.sqlite"
        )
    store = OracleStore(path)
    rows = store.contents()
    if config.prune is not None:
        gone = [row for row in rows if config.prune in row["identity"]]
        if not gone:
            raise ConfigError(f"No oracle in the cache has '{config.prune}' in its identity", where=str(path))
        store.remove([row["identity"] for row in gone])
        removed = sum(row["scores"] + row["texts"] for row in gone)
        print(f"Removed {removed:,} answers of {len(gone)} oracles.")
        rows = store.contents()
    store.close()
    table = Table(title=f"{path} ({path.stat().st_size / 1e6:.1f} MB)", title_justify="left")
    for column in ("adapter", "model", "form"):
        table.add_column(column, overflow="fold")
    for column in ("pictures", "questions", "scores", "texts"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            *map(printable, _who(row["identity"])),
            *(f"{row[c]:,}" for c in ("pictures", "questions", "scores", "texts")),
        )
    Console().print(table)
    print(path, flush=True)
    return 0


def _who(identity: str) -> tuple[str, str, str]:
    parts: dict[str, Any] = json.loads(identity)
    visual = parts.get("visual") or parts.get("form")
    form = visual.get("form", "") if isinstance(visual, dict) else visual or ""
    return str(parts.get("adapter", "")), str(parts.get("model", "")), str(form)
