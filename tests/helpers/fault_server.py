"""A language model's server on the loopback that fails as it is told: the providers' tests talk to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[dict[str, Any], int], Any]
"""(request, its number from 0) → a reply's text, or the result of a function below."""


@dataclass
class Answer:
    """What goes over the wire."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    wait: float = 0.0
    keep: float = 1.0
    """The share of the body that is sent before the connection is cut; 0: nothing at all, no status either."""


def says(*texts: str | None, finish: str = "stop", refusal: str | None = None, **more: Any) -> Answer:
    """Return a chat completion with one choice for each text."""
    choices = [
        {
            "index": i,
            "finish_reason": finish,
            "message": {"role": "assistant", "content": text, "refusal": refusal} | more,
        }
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 100, "completion_tokens": 10 * len(texts), "total_tokens": 100 + 10 * len(texts)}
    content = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage}
    return Answer(body=json.dumps(content).encode())


def fails(status: int, message: str = "it failed") -> Answer:
    """Return an error as OpenAI writes it."""
    return Answer(status, json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode())


def garbage() -> Answer:
    """Return something that claims to be JSON."""
    return Answer(body=b'{"choices": [{"message"')


def page() -> Answer:
    """Return a web page."""
    return Answer(body=b"<html>Welcome</html>", kind="text/html")


def drops() -> Answer:
    """Close the connection without a word."""
    return Answer(keep=0.0)


def cuts(answer: Answer) -> Answer:
    """Close the connection in the middle of an answer."""
    return Answer(answer.status, answer.body, answer.kind, answer.wait, keep=0.5)


def hangs(seconds: float = 3.0) -> Answer:
    """Return an answer that comes too late."""
    answer = says("x")
    answer.wait = seconds
    return answer


@dataclass
class Server:
    """A running server: its address, and the requests it got."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    behave: Behaviour = lambda request, number: "1"
    owner: str = "test"
    models: list[str] = field(default_factory=lambda: ["m"])
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serving(behave: Behaviour, owner: str = "test") -> Iterator[Server]:
    """Serve `behave` until the block ends."""
    server = Server(behave=behave, owner=owner)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            models = {
                "object": "list",
                "data": [
                    {"id": name, "object": "model", "created": 0, "owned_by": server.owner} for name in server.models
                ],
            }
            self.send(Answer(body=json.dumps(models).encode()))

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with server.lock:
                number = len(server.requests)
                server.requests.append(request)
            answer = server.behave(request, number)
            answer = says(*[answer] * request.get("n", 1)) if isinstance(answer, str) else answer
            end = time.monotonic() + answer.wait
            while time.monotonic() < end and not over.is_set():
                time.sleep(0.02)
            self.send(answer)

        def send(self, answer: Answer) -> None:
            self.close_connection = answer.keep < 1
            if not answer.keep:
                return
            try:
                self.send_response(answer.status)
                self.send_header("content-type", answer.kind)
                self.send_header("content-length", str(len(answer.body)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(answer.body[: int(len(answer.body) * answer.keep)])
            except OSError:
                pass  # the client has gone

        def log_message(self, *words: Any) -> None:
            pass

    class Roomy(ThreadingHTTPServer):
        request_queue_size = 128  # of its own accord it loses no connection, however busy the machine is
        daemon_threads = True

    httpd = Roomy(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}/v1"
    try:
        yield server
    finally:
        over.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join(timeout=5)
