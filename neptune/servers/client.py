"""Requests to an OpenAI-compatible server that come back, fail for good, or stop the run.

The SDK sends them for writers of programs, judges and oracles alike. It tries again after rate limits, server errors,
timeouts and lost connections, after the wait that ``Retry-After`` says or a longer one each time. What it does not know
of, and an oracle needs, is in :class:`Client`: limits of a minute, an end of all tries when the run stops, answers that
came and can not be used, and a server that is gone, which is not asked by every thread anew.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from neptune.errors import ConfigError, MissingExtraError, OracleFailedError
from neptune.foreign import printable
from neptune.servers.connect import ADDRESS, INSTALL, connect
from neptune.servers.endpoints import Endpoint
from neptune.servers.fields import Fields
from neptune.servers.listed import get
from neptune.servers.pace import Pace
from neptune.servers.transport import words_of

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before an answer of no use is asked for again, which double for each further time, and their limit."""

GONE_SECONDS = 30.0
"""A server that was given up is not asked again for so long: every thread hears of it at once."""

REFUSED_AT_ONCE = 4
"""So many requests refused (400) before any was answered: the server takes none. A cell may be asked in three ways."""

KEPT = frozenset({"logprobs", "top_logprobs"})
"""Fields whose refusal changes what is asked: the oracle decides, see its ``_listed``."""

MOST_DROPPED = 6

MOST_TOKENS = 10**9
"""A server that says more took for one answer is not believed."""

STOPPED = "stopped"
NO_LOGPROBS = re.compile(r"log[\s_-]?prob|support the (?:requested|given|provided) param", re.IGNORECASE)
"""Words that mean "no log-probabilities for this model", whatever the status."""
_LOG = logging.getLogger("neptune")
T = TypeVar("T")


class UnusableError(Exception):
    """An answer from which nothing can be read; the same request may do better another time."""


class EmptyAnswerError(UnusableError):
    """A chat completion that says nothing: the server answers, if not this request."""


class RequestFailedError(Exception):
    """One request failed for good.

    Attributes
    ----------
    status : int or None
        The HTTP status, where there was one.
    answered : bool
        Whether the model did answer, though nothing of use: other requests may fare better.
    """

    def __init__(self, reason: str, status: int | None = None, answered: bool = False) -> None:
        super().__init__(reason)
        self.status, self.answered = status, answered


class Client:
    """Asks one model at one address. Threads may share it.

    Parameters
    ----------
    endpoint, base_url, retries, timeout
        As for :func:`connect`.
    patience
        So many requests that fail for good, one after the other, mean that the server is gone.
    requests_per_minute, tokens_per_minute
        Limits to keep to, or ``None``.
    omit
        Fields that no request carries.
    trusted_hosts
        As for :func:`connect`.

    Raises
    ------
    ConfigError
        If there is no address, or no key.
    MissingExtraError
        If the package ``openai`` is not installed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        base_url: str | None,
        retries: int,
        timeout: float,
        patience: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        omit: Iterable[str] = (),
        trusted_hosts: Iterable[str] = (),
    ) -> None:
        self.endpoint, self.retries, self.timeout = endpoint, retries, timeout
        self.base_url = base_url or endpoint.base_url
        self.fields = Fields(omit)
        self._api = connect(
            endpoint,
            base_url,
            timeout,
            retries,
            no_address=ConfigError(
                "The oracle 'openai' has no address",
                where="vlm_options.base_url",
                expected=ADDRESS,
                hint="Or name a provider: vlm_options.provider openai",
            ),
            no_package=MissingExtraError(
                "An oracle behind an address needs the package 'openai'", where="vlm_model_name", hint=INSTALL
            ),
            where="vlm_options.base_url",
            trusted=trusted_hosts,
            before=self._before_try,
        )
        self._trying = threading.local()
        self._requests, self._tokens = Pace(requests_per_minute), Pace(tokens_per_minute)
        self._lock = threading.Lock()
        self._patience, self._in_a_row = patience, 0
        self._answered, self._mean_tokens = 0, 1000.0
        self._gone: tuple[float, OracleFailedError] | None = None

    def again(self) -> None:
        """Let the next request through, also where the server was given up a moment ago."""
        self._gone = None

    def models(self) -> list[str]:
        """Return the names of the models that the server has.

        Raises
        ------
        OracleFailedError
            If it does not say.
        """

        def read(response: Any) -> list[str]:
            try:
                return [str(model.id) for model in response.data]
            except (AttributeError, TypeError) as error:
                raise UnusableError("the answer is no list of models") from error

        try:
            return self._try("", lambda api: api.models.list(), read, threading.Event())
        except RequestFailedError as error:
            raise self.gone(str(error)) from error

    def ask(self, request: dict[str, Any], read: Callable[[Any], T], stop: threading.Event) -> T:
        """Send a request, and return what `read` makes of the response.

        Parameters
        ----------
        request
            The fields of a chat completion.
        read
            Takes the response; raises :class:`UnusableError` to have it tried again.
        stop
            Ends the tries: no other begins once it is set.

        Raises
        ------
        RequestFailedError
            If this request fails for good.
        OracleFailedError
            If every request would.
        """
        gone = self._gone
        if gone is not None and time.monotonic() - gone[0] < GONE_SECONDS:
            raise gone[1]
        try:
            result = self._asked(request, read, stop)
        except RequestFailedError as error:
            self._failed(error)
            raise
        except OracleFailedError as error:
            self._gone = time.monotonic(), error
            raise
        self._count_answer()
        return result

    def _asked(self, request: dict[str, Any], read: Callable[[Any], T], stop: threading.Event) -> T:
        """Ask, without the fields that the server says it does not take."""
        without: list[tuple[str, str]] = []
        while True:
            sent = self.fields.fit(request, [name for name, _ in without])
            refused: list[tuple[str, str]] = []

            def send(api: Any, sent: dict[str, Any] = sent, refused: list[tuple[str, str]] = refused) -> Any:
                try:
                    return api.chat.completions.create(**sent)
                except Exception as error:
                    name = self.fields.refused(error, sent, said(error))
                    if name is not None and name not in KEPT:
                        refused.append((name, said(error)))
                    raise

            try:
                result = self._try(str(request["model"]), send, read, stop)
            except (RequestFailedError, OracleFailedError):
                if not refused or len(without) > MOST_DROPPED:
                    raise
                without.append(refused[-1])
                continue
            for note in self.fields.learn(without):
                _LOG.warning("%s", note[:1].upper() + note[1:])
            return result

    def _try(self, model: str, send: Callable[[Any], Any], read: Callable[[Any], T], stop: threading.Event) -> T:
        import openai

        trying = self._trying
        trying.stop, trying.tries, trying.expected = stop, 0, self._mean_tokens
        for further in range(1, self.retries + 2):
            given_up = empty = False
            status: int | None = None
            try:
                response = send(self._api.with_options(max_retries=self.retries - trying.tries))
                self._count_tokens(response, trying.expected)
                return read(response)
            except RequestFailedError:
                raise
            except UnusableError as error:
                reason, empty = str(error), isinstance(error, EmptyAnswerError)
            except Exception as error:
                if stop.is_set():
                    raise RequestFailedError(STOPPED) from error
                reason, status = self._reason(error, model)
                if status is not None and 400 <= status < 500 and status not in (408, 409, 429):
                    raise RequestFailedError(reason, status) from error
                given_up = isinstance(error, openai.APIStatusError | openai.APIConnectionError)
            tries = trying.tries = max(trying.tries, further)
            if given_up or tries > self.retries:
                break
            backoff = min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT)
            self._wait(backoff * random.uniform(0.75, 1.0), stop)
        raise RequestFailedError(reason + (f", {tries} times" if tries > 1 else ""), status, answered=empty)

    def _before_try(self, request: Any) -> None:
        """Count a try of this thread, and wait until the limits let it go: called before each, the SDK's too."""
        trying = self._trying
        trying.tries, trying.expected = trying.tries + 1, self._mean_tokens
        self._wait(max(self._requests.take(), self._tokens.take(trying.expected)), trying.stop)

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        if stop.wait(seconds) if seconds > 0 else stop.is_set():
            raise RequestFailedError(STOPPED)

    def _count_tokens(self, response: Any, expected: float) -> None:
        used = _tokens(get(get(response, "usage"), "total_tokens"))
        if used:
            self._tokens.correct(used - expected)
            with self._lock:
                self._mean_tokens += 0.1 * (used - self._mean_tokens)

    def _count_answer(self) -> None:
        with self._lock:
            self._answered += 1
            self._in_a_row = 0

    def _failed(self, error: RequestFailedError) -> None:
        """Count a failure; raise where it means that every request fails."""
        if str(error) == STOPPED:
            return
        if error.answered:
            self._count_answer()
            return
        refused = error.status is not None and 400 <= error.status < 500 and error.status != 429
        refused = refused or (error.status is not None and NO_LOGPROBS.search(str(error)) is not None)
        with self._lock:
            self._in_a_row += 1
            limit = self._patience if self._answered else REFUSED_AT_ONCE if refused else 1
            if self._in_a_row >= limit:
                failure = self.gone(str(error))
                self._gone = time.monotonic(), failure
                raise failure from error

    def gone(self, reason: str) -> OracleFailedError:
        """Return the error that ends the run: the server is of no use."""
        return OracleFailedError(
            f"The model's server does not answer: {reason}",
            where=f"{self.endpoint.name}, {self.base_url}",
            hint="Check that it runs and takes such requests (vlm_options). The same command resumes",
        )

    def _reason(self, error: Exception, model: str) -> tuple[str, int | None]:
        """Return why a try failed, and its status; raise what no further request could get around."""
        import openai

        status, where = getattr(error, "status_code", None), f"{self.endpoint.name}, {self.base_url}"
        if status == 403 and NO_LOGPROBS.search(said(error)):
            return f"the server does not take the request ({status}): {said(error)}", status
        if status in (401, 403):
            raise OracleFailedError(
                f"The server refuses the key ({status}): {said(error)}",
                where=where,
                hint=f"Check {self.endpoint.key_variable}",
            ) from error
        if status == 402 or getattr(error, "code", None) == "insufficient_quota":
            raise OracleFailedError(f"The account has no credit ({status}): {said(error)}", where=where) from error
        if status in (404, 405) and NO_LOGPROBS.search(said(error)):
            return f"the server does not take the request ({status}): {said(error)}", status
        if status == 404:
            what = f"There is no model '{model}' at {self.base_url}" if model else "There is no such address"
            raise OracleFailedError(
                what, where=where, hint="Check vlm_options.model and vlm_options.base_url"
            ) from error
        if words := words_of(error):
            return words, None
        if isinstance(error, openai.APITimeoutError):
            return f"no answer within {self.timeout:g} s", None
        if isinstance(error, openai.APIConnectionError):
            return "the connection failed or was cut", None
        if status == 429:
            return f"the server is asked too often (429): {said(error)}", status
        if isinstance(status, int) and status < 500:
            return f"the server does not take the request ({status}): {said(error)}", status
        if status is not None:
            return f"the server failed ({status}): {said(error)}", status
        return "the answer can not be read", None


def said(error: BaseException) -> str:
    """Return the server's own words, on one line."""
    body = getattr(error, "body", None)
    for _ in range(3):
        if isinstance(body, list) and body:
            body = body[0]
        if isinstance(body, dict):
            body = next(
                (body[name] for name in ("message", "detail", "error", "msg", "reason") if body.get(name)), None
            )
    return short(body if isinstance(body, str) and body.strip() else error)


def tokens_of(response: Any) -> tuple[int, int]:
    """Return the tokens of prompt and completion that a response says it took; 0 where it does not say."""
    usage = get(response, "usage")
    return _tokens(get(usage, "prompt_tokens")), _tokens(get(usage, "completion_tokens"))


def _tokens(value: Any) -> int:
    """Return a number of tokens that a server says; 0 for what can be none."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else 0


def short(value: Any) -> str:
    """Return a text on one line, cut to 160 characters, without keys and control characters."""
    text = " ".join(printable(str(value)[:20_000]).split())
    return text if len(text) <= 160 else text[:159] + "…"
