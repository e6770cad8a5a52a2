"""A server of questions in this process, for tests: an application to call, or one that listens."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from neptune.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "examples" / "clevr" / "images"
PICTURE = IMAGES / "CLEVR_val_000049.png"
DATA = base64.b64encode(PICTURE.read_bytes()).decode()
BASE = "http://127.0.0.1"
RED_CUBES = "count(Object, lambda x: red(x) and cube(x) and left(x, iota(Object, lambda y: brown(y) and sphere(y))))"


def application(
    roots: tuple[Path, ...] = (), engine: Engine | None = None, work: Any = None, config: Any = None, **rules: Any
) -> Any:
    """Return the application that a server would run."""
    for package in ("fastapi", "uvicorn", "python_multipart"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra serve): make setup-all")
    from neptune.serve.app import application as made
    from neptune.serve.guard import Rules
    from neptune.serve.pictures import Pictures
    from neptune.serve.service import Service
    from neptune.serve.work import Work

    pictures = Pictures(roots, rules.pop("most_bytes", 2_000_000))
    return made(Service(engine or Engine(workers=2), pictures, config), work or Work(), Rules(**rules))


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Yield the address of a server of an application."""
    import uvicorn

    from neptune.serve.server import CONNECTIONS, Patient, listening

    with listening("127.0.0.1", 0) as socket:
        config = uvicorn.Config(
            app, http=Patient, log_level="critical", limit_concurrency=CONNECTIONS, server_header=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def refused(response: Any, status: int, said: str = "") -> dict[str, Any]:
    """Check that a response is a refusal in one line."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert set(error) >= {"kind", "what", "where", "expected", "hint", "text"}
    assert said in error["text"]
    assert "\n" not in error["text"]
    assert "Traceback" not in response.text
    return error


def events(text: str) -> list[tuple[str, Any]]:
    """Return server-sent events: name and data of each."""
    found = []
    for part in text.strip().split("\n\n"):
        head, data = part.split("\n", 1)
        found.append((head.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found
