"""A model's server on the loopback that is not to be trusted: a table of what it does, byte by byte.

Each mode is the bytes of an answer, with waits between them, made from an honest answer and from what was asked. It
knows the key that it was sent, and says it wherever it can.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from helpers.fault_oracle_server import answers

KEY = "sk-hostile-0123456789abcdef"
Parts = list[bytes | float]
"""Bytes to send, and seconds to wait."""

ENDLESS = 300
"""Seconds: so long a mode goes on, if nobody ends it."""


def http(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    """Return an answer of HTTP with a length."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def error(status: int, message: Any, **more: str) -> Parts:
    return [http(json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode(), status, **more)]


def said(text: Any, finish: str = "stop", **message: Any) -> Parts:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text} | message}
    return [http(json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode())]


def listed(entries: Any, token: Any = "Yes", value: Any = -0.1) -> Parts:
    choice = {
        "index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "Yes"},
        "logprobs": {"content": [{"token": token, "logprob": value, "top_logprobs": entries}]},
    }  # fmt: skip
    return [http(json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode())]


def plain(value: Any) -> Parts:
    return [http(json.dumps(value).encode())]


def dripping(data: bytes, seconds: float = 0.3) -> Parts:
    parts: Parts = []
    for k in range(min(len(data), int(ENDLESS / seconds))):
        parts += [data[k : k + 1], seconds]
    return parts


YES = http(json.dumps({"choices": [{"message": {"content": "Yes"}}]}).encode())
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BOMB = gzip.compress(b" " * 400_000_000, 1)
LEAK = f"your key is {KEY}"
ESCAPED = "".join(f"\\u{ord(c):04x}" for c in KEY)

MODES: dict[str, Callable[[], Parts]] = {
    # time
    "drips the body": lambda: [HEAD + b"content-length: 5000\r\n\r\n", *dripping(b" " * 5000)],
    "drips the headers": lambda: dripping(HEAD * 50),
    "drips chunks": lambda: [
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        *[x for _ in range(900) for x in (b"1\r\n \r\n", 0.3)],
    ],
    "says 100 for ever": lambda: [x for _ in range(900) for x in (b"HTTP/1.1 100 Continue\r\n\r\n", 0.3)],
    "says nothing": lambda: [float(ENDLESS)],
    "half a header": lambda: [b"HTTP/1.1 200 OK\r\nconten", float(ENDLESS)],
    "half a body": lambda: [YES[:-9], float(ENDLESS)],
    "waits a long time before another try": lambda: error(429, "slow", retry_after="7"),
    "says when in a year": lambda: error(503, "later", retry_after="31536000"),
    "retry after nonsense": lambda: error(503, "later", retry_after="soon"),
    # size
    "a body without end": lambda: [HEAD + b"\r\n", *[b" " * 65536] * 2000],
    "headers without end": lambda: [HEAD, *[b"x: " + b"y" * 60000 + b"\r\n"] * 2000],
    "chunks without end": lambda: [
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        *[b"10000\r\n" + b" " * 65536 + b"\r\n"] * 2000,
    ],
    "a packed bomb": lambda: [http(BOMB, content_encoding="gzip")],
    "packed, and is not": lambda: [http(b"no gzip", content_encoding="gzip")],
    "packed in a way unasked": lambda: [http(b"abc", content_encoding="br")],
    "packed twice": lambda: [http(gzip.compress(gzip.compress(b"{}")), content_encoding="gzip, gzip")],
    "a text of a million words": lambda: said("yes no " * 1_000_000),
    "a deep nest": lambda: [http(b"[" * 100_000 + b"]" * 100_000)],
    "a deep nest of objects": lambda: [http(b'{"choices":' * 50_000 + b"1" + b"}" * 50_000)],
    "a number of a million digits": lambda: [http(b'{"choices": ' + b"9" * 1_000_000 + b"}")],
    # no HTTP, no JSON, no completion
    "no HTTP": lambda: [b"SSH-2.0-OpenSSH_9.6\r\n"],
    "zeros": lambda: [b"\0" * 5000],
    "closes": list,
    "a page": lambda: [http(b"<html>Log in</html>", kind="text/html")],
    "no JSON": lambda: [http(b'{"choices": [{"mess')],
    "no UTF-8": lambda: [http(b'{"choices": [{"message": {"content": "\xff\xfe"}}]}')],
    "null": lambda: plain(None),
    "a list": lambda: plain([1, 2]),
    "a number": lambda: plain(3),
    "no choices": lambda: plain({"choices": []}),
    "choices of a wrong kind": lambda: plain({"choices": "yes"}),
    "a choice that is null": lambda: plain({"choices": [None]}),
    "a message that is a text": lambda: plain({"choices": [{"message": "Yes"}]}),
    "content that is a number": lambda: said(7),
    "content in odd chunks": lambda: said([None, 3, {"type": "thinking"}, {"type": "image_url"}]),
    "a negative length": lambda: [HEAD + b"content-length: -5\r\n\r\n{}"],
    "two lengths": lambda: [HEAD + b"content-length: 5\r\ncontent-length: 7\r\n\r\n{}"],
    "an error with status 200": lambda: plain({"error": {"message": f"overloaded, {LEAK}", "code": 502}}),
    "an error that is a text": lambda: plain({"error": LEAK}),
    "a status of its own": lambda: error(299, "what?"),
    # redirects
    "on to another host": lambda: [http(b"", 307, location="http://192.0.2.1/v1/chat/completions")],
    "on to another port": lambda: [http(b"", 308, location="http://127.0.0.1:9/v1/chat/completions")],
    "on to a file": lambda: [http(b"", 302, location="file:///etc/passwd")],
    "in a circle": lambda: [http(b"", 307, location="/v1/chat/completions")],
    "on to nothing": lambda: [http(b"", 307, location="http://")],
    # the key, and characters for the terminal
    "says the key": lambda: error(400, LEAK),
    "says the key in escapes": lambda: [http(f'{{"error": {{"message": "{ESCAPED}"}}}}'.encode(), 400)],
    "says the key in a page": lambda: [http(LEAK.encode(), 500, "text/plain")],
    "says the key as its answer": lambda: said(f"{LEAK}: yes"),
    "refuses with the key": lambda: said(None, refusal=LEAK),
    "moves the cursor": lambda: error(500, "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe"),
    "moves the cursor in a refusal": lambda: said(None, refusal="\x1b[2J\x1b[1A" + LEAK),
    # log-probabilities
    "probabilities above one": lambda: listed([{"token": "Yes", "logprob": 3.0}], value=3.0),
    "not a number": lambda: [
        http(
            b'{"choices": [{"message": {"content": "Yes"}, "logprobs": {"content": [{"token": "Yes", '
            b'"logprob": NaN, "top_logprobs": [{"token": "Yes", "logprob": NaN}]}]}}]}'
        )
    ],
    "sentinels alone": lambda: listed(
        [{"token": "Yes", "logprob": -9999.0}, {"token": "No", "logprob": -9999.0}], value=-9999.0
    ),
    "words for numbers": lambda: listed([{"token": "Yes", "logprob": "high"}, {"token": 3, "logprob": []}], value={}),
    "neither": lambda: listed([{"token": "The", "logprob": -0.01}], "The", -0.01),
    "unsettled": lambda: listed([{"token": "It", "logprob": -0.3}, {"token": "Yes", "logprob": -3.0}], "It", -0.3),
    "a million entries": lambda: listed([{"token": f"t{k}", "logprob": -20.0} for k in range(100_000)], "The", -0.1),
    # answers that are none
    "a thought cut off": lambda: said("<think>well, yes", "length"),
    "a thought beside nothing": lambda: said("", reasoning_content="yes yes"),
    "control tokens alone": lambda: said("<|im_end|><|endoftext|></s>"),
    "an analysis without an end": lambda: said("<|channel|>analysis<|message|>yes"),
    "tokens without number": lambda: plain(
        {
            "choices": [{"message": {"content": "<think>"}}],
            "usage": {"prompt_tokens": 10**400, "completion_tokens": -5, "total_tokens": 10**400},
        }
    ),
    "filtered": lambda: said("x", "content_filter"),
}

FATAL: dict[str, Callable[[], Parts]] = {
    "unauthorised": lambda: error(401, LEAK),
    "forbidden": lambda: error(403, LEAK + "\x1b[2J"),
    "no such model": lambda: error(404, LEAK),
    "no credit": lambda: error(402, LEAK),
    "no quota": lambda: [http(json.dumps({"error": {"message": LEAK, "code": "insufficient_quota"}}).encode(), 429)],
    "unauthorised with status 200": lambda: plain({"error": {"message": LEAK, "code": 401}}),
}
"""What no further request could get around: it ends the run at once."""


@dataclass
class Hostile:
    """A running server: its address, whether it misbehaves at a request, and the requests it got."""

    url: str = ""
    mode: str = ""
    bad: Callable[[dict[str, Any]], bool] = lambda request: True
    good: Callable[[dict[str, Any]], bytes] = lambda request: http(answers(request).body)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)


@contextmanager
def hostile(mode: str) -> Iterator[Hostile]:
    """Serve a mode until the block ends."""
    server, over, parts = Hostile(mode=mode), threading.Event(), {**MODES, **FATAL}[mode]()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.settimeout(0.05)
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(2.0)
            try:
                while not over.is_set():
                    data = b""
                    while b"\r\n\r\n" not in data:
                        got = connection.recv(65536)
                        if not got:
                            return
                        data += got
                    head, _, body = data.partition(b"\r\n\r\n")
                    lines = head.decode("latin-1").split("\r\n")
                    length = next((int(x.split(":")[1]) for x in lines if x.lower().startswith("content-length:")), 0)
                    while len(body) < length:
                        body += connection.recv(65536)
                    server.headers.append("\n".join(lines))
                    request = json.loads(body) if body else {}
                    server.requests.append(request)
                    if lines[0].startswith("GET"):
                        models = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "test"}]}
                        connection.sendall(http(json.dumps(models).encode()))
                    elif not server.bad(request):
                        connection.sendall(server.good(request))
                    else:
                        for part in parts:
                            if isinstance(part, bytes):
                                connection.sendall(part)
                            elif over.wait(part):
                                return
                        if not parts or not b"".join(p for p in parts[:1] if isinstance(p, bytes)).count(
                            b"content-length"
                        ):
                            return
            except (OSError, ValueError):
                return

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except (TimeoutError, OSError):
                continue
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        thread.join(timeout=2)
        listener.close()
        time.sleep(0)
