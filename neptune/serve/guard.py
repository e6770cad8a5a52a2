"""What every request passes before it is heard: who sends it, how large it is, how long it takes to come.

The server trusts the machine it runs on and nobody else. A page of another origin can make a browser send requests to
the loopback, and a name of its own that leads there: both are refused by what the browser says of them (Host, Origin).
Where others can reach the server, a token is needed.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
OPEN = ("/", "/healthz")
"""What is given without a token: the page itself, which knows nothing."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Of every response, refusals included."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask, and how much.

    Parameters
    ----------
    hosts
        Names under which the server may be addressed, without port; empty: any (then a token is needed).
    token
        What requests have to bring as ``Authorization: Bearer …``; ``None``: nothing.
    body_bytes
        The most bytes of a request.
    body_seconds
        How long a request's body may take to come.
    origins
        Other origins whose pages may ask, such as ``https://example.org``.
    """

    hosts: tuple[str, ...] = LOOPBACK
    token: str | None = None
    body_bytes: int = 30_000_000
    body_seconds: float = 20.0
    origins: tuple[str, ...] = ()


class Guard:
    """Refuses what the rules do not allow, in one line of JSON; the application hears the rest.

    Parameters
    ----------
    app
        The application.
    rules
        The rules.
    """

    def __init__(self, app: App, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Hear a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        send = _with_headers(send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        said = self.refusal(scope.get("path", "/"), headers)
        if said is None:
            content, said = await self._body(headers, receive)
        if said is not None:
            await refuse(send, *said)
            return
        await self.app(scope, _heard(content, receive), send)

    def refusal(self, path: str, headers: dict[str, str]) -> tuple[int, str, str] | None:
        """Return status, what is wrong and a hint; ``None`` where the request may be heard."""
        rules, host = self.rules, headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if rules.hosts and name.lower() not in rules.hosts:
            return 403, f"This server is not called '{name[:60]}'", "Open it by the address that it printed"
        origin = headers.get("origin")
        own = origin is not None and origin.split("://", 1)[-1] == host
        if origin is not None and not own and origin not in rules.origins:
            return 403, f"Pages of '{origin[:60]}' may not ask here", "Whoever runs the server may allow it: --origins"
        if (
            headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
            and origin not in rules.origins
            and path not in OPEN
        ):
            return 403, "Pages of other sites may not ask here", "Whoever runs the server may allow it: --origins"
        if rules.token is not None and path not in OPEN:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), rules.token.encode()):
                return 401, "The token is missing or wrong", "Send the header Authorization: Bearer TOKEN"
        return None

    async def _body(self, headers: dict[str, str], receive: Receive) -> tuple[bytes, tuple[int, str, str] | None]:
        most = self.rules.body_bytes
        large = 413, f"The request has more than {most:,} bytes", "Send a smaller picture"
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            return b"", large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.rules.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return b"", (400, "The request ended before it was whole", "")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        return b"", large
                    if not message.get("more_body", False):
                        return b"".join(parts), None
        except TimeoutError:
            return b"", (
                408,
                f"The request took longer than {self.rules.body_seconds:g} seconds to come",
                "Send it again",
            )


def _with_headers(send: Send) -> Send:
    """Return what sends a response with the headers that every one has."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {bytes(name).lower() for name, _ in message.get("headers", ())}
            more = [(name, value) for name, value in HEADERS if name not in own]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return sent


def _heard(content: bytes, receive: Receive) -> Receive:
    """Return what gives an application a body that has come already, and then what follows."""
    given = False

    async def hear() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return hear


async def refuse(send: Send, status: int, what: str, hint: str) -> None:
    """Answer with an error as JSON."""
    text = f"{what}. {hint}." if hint else f"{what}."
    parts = {"kind": "refused", "what": what, "where": "", "expected": "", "hint": hint, "text": text}
    body = json.dumps({"error": parts}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
