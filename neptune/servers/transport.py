"""What goes over the wire: one deadline and one cap for each try, no other host, no key in what comes back.

The SDK's own timeouts are for single reads; a server that sends a byte now and then holds them for ever. Here the whole
of a try, headers included, has one deadline. An answer is read up to a cap, unpacked or not; known keys in it are
replaced before anything reads it; an error that is sent with status 200 gets the status that it speaks of.
"""

from __future__ import annotations

import importlib
import json
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from neptune.foreign import scrubbed_value
from neptune.servers.keys import host_of

MOST_BYTES = 16_000_000
"""The most that is read of an answer, headers and all; a chat completion has a few thousand bytes."""

MOST_REDIRECTS = 3

LEAST_WAIT, HEEDED = 8.0, 120.0
"""Seconds: a ``Retry-After`` is cut to a try's deadline, or the first of these; beyond the second the SDK gives up."""


def client(seconds: float, before: Callable[[Any], None] | None = None) -> Any:
    """Return an HTTP client for the SDK.

    Parameters
    ----------
    seconds
        The deadline of each try: to connect, to send, and to read all of the answer.
    before
        Is called with each request, further tries too.
    """
    import openai

    base: Any = openai.DefaultHttpxClient
    http = importlib.import_module(base.__mro__[1].__module__.partition(".")[0])

    class Bounded(base):  # type: ignore[misc]
        def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            if before is not None:
                before(request)
            request.headers["accept-encoding"] = "identity"
            _now.deadline, _now.left = time.monotonic() + seconds, MOST_BYTES
            try:
                return _answer(http, self._followed(request, options | {"follow_redirects": False}), seconds)
            finally:
                _now.deadline = None

        def _followed(self, request: Any, options: dict[str, Any]) -> Any:
            home = request.url
            for _ in range(MOST_REDIRECTS + 1):
                response = super().send(request, stream=True, **options)
                if not response.has_redirect_location or response.next_request is None:
                    return response
                response.close()
                request = response.next_request
                if not _same_host(str(home), str(request.url)):
                    there = host_of(urlsplit(str(request.url)))
                    raise _failure(f"the server sends requests on to another host ({there})", request)
            raise _failure("the server sends requests in a circle", request)

    made = Bounded()
    for transport in (made._transport, *made._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None:  # the one place where a read can be bounded: below TLS and HTTP
            core = importlib.import_module(type(pool).__module__.partition(".")[0])
            pool._network_backend = _Backend(pool._network_backend, core)
    return made


def words_of(error: BaseException) -> str:
    """Return what a failure of this file says, found among an exception's causes; ``""``: it is none."""
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None:
            break
        words = getattr(seen, "wire_words", "")
        if words:
            return str(words)
        seen = seen.__cause__ or seen.__context__
    return ""


def _failure(words: str, request: Any) -> Exception:
    import openai

    error = openai.APIConnectionError(message=words, request=request)
    error.wire_words = words  # type: ignore[attr-defined]
    return error


def _same_host(one: str, other: str) -> bool:
    """Whether a redirect stays where the request was sent: the same host and port, or from http to https."""
    here, there = urlsplit(one), urlsplit(other)
    if host_of(here) == host_of(there) and here.scheme == there.scheme:
        return True
    upgraded = (here.scheme, there.scheme) == ("http", "https")
    return upgraded and here.hostname == there.hostname and here.port in (None, 80) and there.port in (None, 443)


# --- reading -----------------------------------------------------------------------------------------


def _answer(http: Any, response: Any, seconds: float) -> Any:
    """Return a response that is read whole, within the cap, without keys."""
    try:
        body = _read(http, response, seconds)
    finally:
        response.close()
    status, body = _judged(response.status_code, body)
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    answer = http.Response(status, headers=headers, content=body, request=response.request)
    if status == 429 and b'"insufficient_quota"' in body:
        answer.headers["x-should-retry"] = "false"  # that is a 429 too, and no wait mends it
    for name, unit in (("retry-after", 1.0), ("retry-after-ms", 1000.0)):
        said = answer.headers.get(name, "")
        longest = max(seconds, LEAST_WAIT)
        if said.replace(".", "", 1).isdigit() and longest < float(said) / unit <= HEEDED:
            answer.headers[name] = str(longest * unit)
    return answer


def _read(http: Any, response: Any, seconds: float) -> bytes:
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise _failure(f"the answer is packed in a way that was not asked for ({coding[:40]})", response.request)
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32) if coding not in ("", "identity") else None
    parts: list[bytes] = []
    size = 0
    for chunk in response.iter_raw():
        if time.monotonic() > (_now.deadline or 0):
            raise http.ReadTimeout(f"no whole answer within {seconds:g} s", request=response.request)
        try:
            data = chunk if unpack is None else unpack.decompress(chunk, MOST_BYTES - size + 1)
        except zlib.error as error:
            raise _failure("the answer is packed and can not be unpacked", response.request) from error
        size += len(data)
        if size > MOST_BYTES:
            raise _failure(TOO_LONG, response.request)
        parts.append(data)
    return b"".join(parts)


TOO_LONG = f"the answer is longer than {MOST_BYTES // 1_000_000} MB"


def _judged(status: int, body: bytes) -> tuple[int, bytes]:
    """Return status and body without keys; an error sent as a success gets the status that it names, or 500."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        clean = scrubbed_value(text)
        return status, body if clean == text else clean.encode()
    try:
        clean = scrubbed_value(value)
    except RecursionError:
        return 500, b'{"error": {"message": "the answer is nested too deeply"}}'
    if clean != value:
        body = json.dumps(clean).encode("utf-8", "surrogatepass")
    if status == 200 and isinstance(clean, dict) and clean.get("error") and not clean.get("choices"):
        said = clean["error"]
        code = str((said.get("code") or said.get("status")) if isinstance(said, dict) else clean.get("code"))
        status = int(code) if code.isascii() and code.isdigit() and 400 <= int(code[:9]) < 600 else 500
    return status, body


# --- the deadline, below TLS and HTTP ----------------------------------------------------------------


class _Now(threading.local):
    deadline: float | None = None
    left: int = MOST_BYTES


_now = _Now()


class _Backend:
    """Opens connections whose every wait ends at the deadline of this thread's request."""

    def __init__(self, inner: Any, core: Any) -> None:
        self._inner, self._core = inner, core

    def connect_tcp(self, *words: Any, timeout: float | None = None, **more: Any) -> Any:
        opened = self._inner.connect_tcp(*words, timeout=_left(timeout, self._core.ConnectTimeout), **more)
        return _Stream(opened, self._core)

    def connect_unix_socket(self, *words: Any, timeout: float | None = None, **more: Any) -> Any:
        opened = self._inner.connect_unix_socket(*words, timeout=_left(timeout, self._core.ConnectTimeout), **more)
        return _Stream(opened, self._core)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream:
    """A connection that is read until the deadline, and up to the cap."""

    def __init__(self, inner: Any, core: Any) -> None:
        self._inner, self._core = inner, core

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._inner.read(max_bytes, timeout=_left(timeout, self._core.ReadTimeout))
        _now.left -= len(data)
        if _now.left < 0:
            error = self._core.ReadError(TOO_LONG)
            error.wire_words = TOO_LONG
            raise error
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=_left(timeout, self._core.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        opened = self._inner.start_tls(ssl_context, server_hostname, _left(timeout, self._core.ConnectTimeout))
        return _Stream(opened, self._core)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    if _now.deadline is None:
        return timeout
    left = _now.deadline - time.monotonic()
    if left <= 0:
        raise late("the deadline of the request is over")
    return left if timeout is None else min(timeout, left)
