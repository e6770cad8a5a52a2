"""Questions from elsewhere: a page in the browser and HTTP (task ``serve``), tools for assistants (task ``mcp``)."""

from __future__ import annotations

import os
import secrets
import sys
from typing import TYPE_CHECKING

from neptune.errors import ConfigError, MissingExtraError
from neptune.foreign import printable

if TYPE_CHECKING:
    from neptune.config import Config
    from neptune.config.derived import McpConfig, ServeConfig
    from neptune.serve.service import Service

TOKEN = "NEPTUNE_SERVE_TOKEN"
"""The environment's variable that holds the token."""


def serve(config: ServeConfig, name: str) -> int:
    """Serve the page and the HTTP address until Ctrl-C; return 0.

    Raises
    ------
    NeptuneError
        If the extra is missing, a folder is not there, or the port is taken.
    """
    _extra("fastapi", "uvicorn", "python_multipart")
    from neptune.serve.guard import LOOPBACK, Rules
    from neptune.serve.server import listening, run
    from neptune.serve.work import Work

    local = config.host in LOOPBACK
    token = os.environ.get(TOKEN) or (None if local else secrets.token_urlsafe(24))
    if token is not None and (not token.isascii() or len(token) < 8 or token.split() != [token]):
        raise ConfigError(
            "The token is too short, or holds what no header can", where=TOKEN, expected="8 or more letters"
        )
    most = int(config.max_upload_mb * 1e6)
    rules = Rules(LOOPBACK if local else (), token, most * 3 // 2 + 100_000, origins=tuple(config.origins))
    if config.turns is not None:
        from neptune.agent.session import check_model

        check_model(config)  # what is missing to ask it is said before anything is loaded
    with listening(config.host, config.port) as socket:
        service = _service(config, most, config.at_once)
        address = f"http://{config.host if ':' not in config.host else f'[{config.host}]'}:{socket.getsockname()[1]}/"
        shown = f"{address}#token={token}" if token is not None and not os.environ.get(TOKEN) else address
        print(printable(f"Open {shown} (Ctrl-C ends it)"), flush=True)
        with service.engine:
            run(service, Work(config.at_once, config.waiting, config.max_seconds), rules, socket)
    return 0


def mcp(config: McpConfig, name: str) -> int:
    """Answer an assistant over stdin and stdout until it goes; return 0.

    Raises
    ------
    NeptuneError
        If the extra is missing, or a folder is not there.
    """
    _extra("mcp")
    from neptune.serve.assistant import assistant

    service = _service(config, int(config.max_upload_mb * 1e6), 2)
    print("neptune-reasoner mcp: waiting for an assistant on stdin", file=sys.stderr, flush=True)
    with service.engine:
        assistant(service).run("stdio")
    return 0


def _service(config: ServeConfig | McpConfig, most_bytes: int, workers: int) -> Service:
    from neptune.engine import Engine
    from neptune.serve.pictures import Pictures
    from neptune.serve.service import Service

    pictures = Pictures(config.roots, most_bytes)
    plain: Config = config
    return Service(Engine.from_config(plain, workers=workers), pictures, config)


def _extra(*modules: str) -> None:
    """Check that what serves is installed.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    from importlib.util import find_spec

    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(
                f"The package '{module}' is not installed",
                hint='Install the extra: pip install "neptune-reasoner[serve]"',
            )
