"""One model at several addresses: a picture's requests go to one server, and to another while that one fails.

What stands in front of a request is kept by a server (its KV cache), so all requests about a picture go to the server
that comes first for it, by rendezvous hashing (Thaler and Ravishankar 1998): the order of the servers for a picture
depends on their addresses and the picture alone, and a server that is missing moves its own pictures and no others. A
server that fails is left alone for a while, which doubles with each further failure; then one request at a time tries
it (a circuit breaker, half open), and the next server answers that request if it fails again, or takes too long. A
server that comes back with another model is one that fails. So nothing is lost as long as one server answers.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from neptune.errors import ConfigError, OracleFailedError
from neptune.perception.oracle.server.same_model import SameModel
from neptune.servers.client import GONE_SECONDS, STOPPED, Client, RequestFailedError
from neptune.servers.endpoints import Endpoint
from neptune.servers.listed import get

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds for which a server that failed is left alone, which double with each further failure, and their limit."""

TRY_SECONDS = 5.0
"""Seconds that a request waits for a server that failed; then the next one is asked, and the first may still answer."""

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
    returns: int = 0
    """How often it came back: what was sent to it before says nothing of it now."""
    why: str = ""
    """Why it failed last."""
    same: SameModel = field(init=False)

    def __post_init__(self) -> None:
        self.same = SameModel(self.client)

    @property
    def address(self) -> str:
        return str(self.client.base_url)


@dataclass(frozen=True, slots=True)
class _Turn:
    """That a request may go to a server now."""

    server: _Server
    trying: bool
    """Whether the server failed, and this request alone tries it."""
    returns: int


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
        self._known: dict[str, Any] | None = None
        """A request that was answered."""

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
                names = server.client.models()
            except OracleFailedError as error:
                failure = error
                self._fell(_Turn(server, False, server.returns), error)
            else:
                found.append(names)
                server.same.listed(names)
        if not found:
            assert failure is not None
            raise failure if len(self._servers) == 1 else self._none_answers(failure)
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
            If this request fails for good, and others do not.
        OracleFailedError
            If every request would: no server answers. Each one's reason is said.
        """
        if len(self._servers) == 1:
            return self._servers[0].client.ask(request, read, stop)
        order = sorted(self._servers, key=lambda server: weight(server.address, picture))
        try:
            return self._through(request, read, stop, order, self._rounds * len(order))
        except _UnansweredError as unanswered:
            failure, waited = unanswered.failure, unanswered.waited
        known = self._known
        if failure is None or waited or known is None:
            raise self._none_answers(failure)
        # Is it the servers, or this request alone? One that was answered before tells.
        try:
            self._through(known, lambda response: response, stop, order, len(order))
        except _UnansweredError:
            raise self._none_answers(failure) from failure
        raise failure if isinstance(failure, RequestFailedError) else RequestFailedError(_reason(failure)) from failure

    def _through(
        self,
        request: dict[str, Any],
        read: Callable[[Any], T],
        stop: threading.Event,
        order: Sequence[_Server],
        most: int,
    ) -> T:
        """Send a request until a server answers it, `most` times; raise :class:`_UnansweredError` where none does."""
        failure: RequestFailedError | OracleFailedError | None = None
        tries, since = 0, time.monotonic()
        while tries < most:
            if stop.is_set():
                raise RequestFailedError(STOPPED)
            turn = self._admit(order)
            if turn is None:
                # Another request is trying a server, or it is too soon. Where that lasts, the run ends: it resumes.
                if time.monotonic() - since > GONE_SECONDS:
                    raise _UnansweredError(failure, waited=True)
                with self._changed:
                    self._changed.wait(LOOK)
                continue
            tries += 1
            try:
                return (
                    self._asked_beside(turn, request, read, stop)
                    if turn.trying
                    else self._asked(turn, request, read, stop)
                )
            except (RequestFailedError, OracleFailedError) as error:
                if stop.is_set() or not _sick(error):
                    raise
                failure = error
            except TimeoutError:
                pass  # it may still answer; this request goes to the next server
            since = time.monotonic()
        raise _UnansweredError(failure)

    # --- one server ------------------------------------------------------------------------------

    def _asked(self, turn: _Turn, request: dict[str, Any], read: Callable[[Any], T], stop: threading.Event) -> T:
        """Ask a server, and note how it fares."""
        server = turn.server

        def read_known(response: Any) -> T:
            server.same.check_name(get(response, "model"))
            return read(response)

        try:
            result = server.client.ask(request, read_known, stop)
            server.same.check_list(str(request.get("model")), back=turn.trying)
        except (RequestFailedError, OracleFailedError) as error:
            if stop.is_set():
                self._leave(turn)
            elif _sick(error):
                self._fell(turn, error)
            elif isinstance(error, RequestFailedError) and error.answered:
                self._answered(turn)
            else:
                self._leave(turn)
            raise
        except BaseException:
            self._leave(turn)
            raise
        self._known = self._known or request
        self._answered(turn)
        return result

    def _asked_beside(self, turn: _Turn, request: dict[str, Any], read: Callable[[Any], T], stop: threading.Event) -> T:
        """Try a server that failed, beside this thread: one that hangs keeps nobody waiting for long.

        Raises
        ------
        TimeoutError
            If it has not answered in time. What it says later tells whether it is well, and nothing else.
        """
        late, said = threading.Event(), Future[T]()

        def read_in_time(response: Any) -> T:
            return response if late.is_set() else read(response)

        def work() -> None:
            try:
                said.set_result(self._asked(turn, request, read_in_time, stop))
            except BaseException as error:
                said.set_exception(error)

        threading.Thread(target=work, name="oracle-try", daemon=True).start()
        try:
            return said.result(TRY_SECONDS)
        except TimeoutError:
            late.set()
            raise

    # --- which server may be asked ---------------------------------------------------------------

    def _admit(self, order: Sequence[_Server]) -> _Turn | None:
        """Return the first server that is well, or that may be tried again and is not being tried; else ``None``."""
        with self._changed:
            for server in order:
                if not server.until:
                    return _Turn(server, False, server.returns)
                if not server.tried and time.monotonic() >= server.until:
                    server.tried = True
                    server.client.again()
                    return _Turn(server, True, server.returns)
        return None

    def _fell(self, turn: _Turn, error: RequestFailedError | OracleFailedError) -> None:
        server, why = turn.server, _reason(error)
        with self._changed:
            new = not server.until and turn.returns == server.returns
            if new or turn.trying:  # what was under way when it fell, or before it came back, says nothing more
                server.pause = FIRST_PAUSE if new else min(2 * server.pause, LONGEST_PAUSE)
                server.until, server.why = time.monotonic() + server.pause, why
            server.tried = server.tried and not turn.trying
            self._changed.notify_all()
        if new:
            _LOG.warning("%s fails, and is left alone for a while: %s", server.address, why)

    def _answered(self, turn: _Turn) -> None:
        if not turn.trying:
            return
        server = turn.server
        with self._changed:
            server.until, server.pause, server.tried = 0.0, FIRST_PAUSE, False
            server.returns += 1
            self._changed.notify_all()
        _LOG.warning("%s answers again", server.address)

    def _leave(self, turn: _Turn) -> None:
        """Let another request try a server: this one says nothing of it."""
        if turn.trying:
            with self._changed:
                turn.server.tried = False
                self._changed.notify_all()

    def _none_answers(self, failure: RequestFailedError | OracleFailedError | None) -> OracleFailedError:
        """Return the error that ends the run: each server, and what it fails with."""
        each = "; ".join(f"{server.address}: {server.why or 'no answer yet'}" for server in self._servers)
        hint = failure.hint if isinstance(failure, OracleFailedError) else ""
        return OracleFailedError(
            f"None of the model's {len(self._servers)} servers answers: {each}",
            where=self._servers[0].client.endpoint.name,
            hint=hint or "Check that they run and take such requests (vlm_options). The same command resumes",
        )


class _UnansweredError(Exception):
    """No server answered a request: its last failure, and whether it waited in vain rather than failed often enough."""

    def __init__(self, failure: RequestFailedError | OracleFailedError | None, waited: bool = False) -> None:
        super().__init__(str(failure))
        self.failure, self.waited = failure, waited


def _reason(error: RequestFailedError | OracleFailedError) -> str:
    """Return in a server's words why it failed."""
    if isinstance(error, OracleFailedError) and not isinstance(error.__cause__, RequestFailedError):
        return str(error.what)
    return str(error.__cause__ or error)


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
