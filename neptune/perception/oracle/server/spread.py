"""One model at several addresses: a picture's requests go to one server, and to another while that one fails.

What stands in front of a request is kept by a server (its KV cache), so all requests about a picture go to the server
that comes first for it, by rendezvous hashing (Thaler and Ravishankar 1998): the order of the servers for a picture
depends on their addresses and the picture alone, and a server that is missing moves its own pictures and no others. A
server that fails is left alone for a while, which doubles with each further failure; then one request at a time tries
it (a circuit breaker, half open), and the next server answers that request if it fails again. So nothing is lost as
long as one server answers.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from neptune.errors import ConfigError, OracleFailedError
from neptune.servers.client import GONE_SECONDS, Client, RequestFailedError
from neptune.servers.endpoints import Endpoint

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds for which a server that failed is left alone, which double with each further failure, and their limit."""

LOOK = 0.25
"""Seconds after which a request that waits for a server looks again."""

_LOG = logging.getLogger("neptune")
T = TypeVar("T")


@dataclass(slots=True)
class _Server:
    client: Client
    until: float = 0.0
    """When the next request may try it; 0: it is well."""
    pause: float = FIRST_PAUSE
    tried: bool = False
    """Whether a request is trying it now."""

    @property
    def address(self) -> str:
        return str(self.client.base_url)


class Spread:
    """Asks one model, at one address or several. Threads may share it.

    Parameters
    ----------
    endpoint
        The provider.
    addresses
        Where the model is; ``None``: the provider's own address.
    retries
        Further tries of a request. Where there are several servers, a further try goes to the next one.
    options
        As for :class:`~neptune.servers.client.Client`; limits of a minute are those of each server.

    Raises
    ------
    ConfigError
        If an address is given twice, there is none, or no key.
    MissingExtraError
        If the package ``openai`` is not installed.
    """

    def __init__(
        self, endpoint: Endpoint, addresses: Sequence[str | None], retries: int, options: Mapping[str, Any]
    ) -> None:
        if len(set(addresses)) < len(addresses):
            raise ConfigError("An address is given twice", where="vlm_options.base_url", hint="Name each server once")
        several = len(addresses) > 1
        self._rounds = retries + 1
        self._servers = [
            _Server(Client(endpoint, address, retries=min(1, retries) if several else retries, **options))
            for address in addresses
        ]
        self._changed = threading.Condition()

    @property
    def base_url(self) -> str:
        """The addresses, in words."""
        return ", ".join(server.address for server in self._servers)

    @property
    def omit(self) -> frozenset[str]:
        """The fields that no request carries."""
        return self._servers[0].client.fields.omit

    @property
    def notes(self) -> tuple[str, ...]:
        """What servers refuse and is left out, in their words."""
        return tuple(dict.fromkeys(note for server in self._servers for note in server.client.fields.notes))

    def models(self) -> list[str]:
        """Return the names of the models that every server has which answers.

        Raises
        ------
        OracleFailedError
            If no server says.
        """
        found: list[list[str]] = []
        failure: OracleFailedError | None = None
        for server in self._servers:
            try:
                found.append(server.client.models())
            except OracleFailedError as error:
                failure = error
                self._fell(server, str(error.what))
        if not found:
            assert failure is not None
            raise failure
        return [name for name in found[0] if all(name in names for names in found)]

    def ask(self, request: dict[str, Any], read: Callable[[Any], T], stop: threading.Event, picture: str) -> T:
        """Send a request to the server of a picture, and to the next ones while servers fail.

        Parameters
        ----------
        request, read, stop
            As for :meth:`Client.ask`.
        picture
            What tells the picture from others.

        Raises
        ------
        RequestFailedError
            If this request fails for good.
        OracleFailedError
            If every request would.
        """
        if len(self._servers) == 1:
            return self._servers[0].client.ask(request, read, stop)
        order = sorted(self._servers, key=lambda server: weight(server.address, picture))
        failure: RequestFailedError | OracleFailedError | None = None
        tries, since = 0, time.monotonic()
        while tries < self._rounds * len(order):
            server = self._admit(order)
            if server is None:
                # Another request is trying a server, or it is too soon. Where that lasts, the run ends: it resumes.
                if stop.is_set() or time.monotonic() - since > GONE_SECONDS:
                    break
                with self._changed:
                    self._changed.wait(LOOK)
                continue
            tries += 1
            try:
                result = server.client.ask(request, read, stop)
            except (RequestFailedError, OracleFailedError) as error:
                failure = error
                if stop.is_set() or not _sick(error):
                    self._leave(server)
                    raise
                self._fell(server, str(error.what) if isinstance(error, OracleFailedError) else str(error))
            except BaseException:
                self._leave(server)
                raise
            else:
                self._answered(server)
                return result
        raise failure or self._servers[0].client.gone("no server of several answers")

    # --- which server may be asked ---------------------------------------------------------------

    def _admit(self, order: Sequence[_Server]) -> _Server | None:
        """Return the first server that is well, or that may be tried again and is not being tried; else ``None``."""
        with self._changed:
            for server in order:
                if not server.until:
                    return server
                if not server.tried and time.monotonic() >= server.until:
                    server.tried = True
                    server.client.again()
                    return server
        return None

    def _fell(self, server: _Server, why: str) -> None:
        with self._changed:
            new = not server.until
            if new or server.tried:  # requests that were under way when it fell say nothing more
                server.pause = FIRST_PAUSE if new else min(2 * server.pause, LONGEST_PAUSE)
                server.until = time.monotonic() + server.pause
            server.tried = False
            self._changed.notify_all()
        if new:
            _LOG.warning("%s fails, and is left alone for a while: %s", server.address, why)

    def _answered(self, server: _Server) -> None:
        with self._changed:
            back = bool(server.until) and server.tried
            if back:
                server.until, server.pause, server.tried = 0.0, FIRST_PAUSE, False
                self._changed.notify_all()
        if back:
            _LOG.warning("%s answers again", server.address)

    def _leave(self, server: _Server) -> None:
        """Let another request try a server: this one says nothing of it."""
        with self._changed:
            server.tried = False
            self._changed.notify_all()


def weight(address: str, picture: str) -> bytes:
    """Return what a server is ordered by for a picture, the least first."""
    return hashlib.blake2b(f"{address}\0{picture}".encode()).digest()


def _sick(error: RequestFailedError | OracleFailedError) -> bool:
    """Whether a failure is the server's, not the request's: another server may answer it."""
    if isinstance(error, OracleFailedError):
        return True
    if error.answered:
        return False
    return error.status is None or error.status >= 500 or error.status in (408, 409, 429)
