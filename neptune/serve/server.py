"""The server itself: uvicorn, on a socket of our own, with connections that stay silent closed."""

from __future__ import annotations

import socket
from asyncio import TimerHandle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from neptune.errors import ConfigError
from neptune.serve.app import application
from neptune.serve.guard import Rules
from neptune.serve.service import Service
from neptune.serve.work import Work

SILENT = 15.0
"""Seconds after which a connection is closed that has sent no whole request line and headers."""
CONNECTIONS = 1000
"""At once; more are answered 503."""


class Patient(H11Protocol):
    """HTTP/1.1, but for those who connect and say nothing, or a letter a minute."""

    _first: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._first = self.loop.call_later(SILENT, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        if self._first is not None:
            self._first.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that listens.

    Raises
    ------
    ConfigError
        If the address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host.strip("[]"), port))
            found.listen(1024)
        except OSError as error:
            raise ConfigError(
                f"Nobody can listen there: {error.strerror or error}", where=f"{host}, port {port}",
                hint="Choose another --port, or 0 for any free one",
            ) from error  # fmt: skip
        yield found
    finally:
        found.close()


def server_of(service: Service, work: Work, rules: Rules) -> uvicorn.Server:
    """Return a server that is ready to run."""
    config = uvicorn.Config(
        application(service, work, rules),
        http=Patient,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        limit_concurrency=CONNECTIONS,
    )
    return uvicorn.Server(config)


def run(service: Service, work: Work, rules: Rules, at: socket.socket) -> None:
    """Serve on a socket until Ctrl-C."""
    try:
        server_of(service, work, rules).run([at])
    except KeyboardInterrupt:
        pass
    finally:
        work.close()
