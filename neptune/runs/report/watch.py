"""``--watch true``: the report of a run, served on this machine while the run goes on.

The page is the report itself; every second it asks for the samples that are new. The server listens on 127.0.0.1
alone, answers only requests that name this machine (so that no foreign page can read it through a name of its own),
and hands out pictures of the run's samples, nothing else: what a record names is served only if it decodes as a
picture, as a picture, and the page may run no script but its own. It stays after the run until Ctrl-C.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import Record, RunFolder, jsonable
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.report.about import about
from neptune.runs.report.build import page
from neptune.runs.report.calls import with_calls
from neptune.runs.report.data import columns, row_of, sample_of

HOST = "127.0.0.1"
FRESH_SECONDS = 3.0
"""The figures of a run that goes on are at most this old."""

MOST = 500
"""Samples in one answer to a page that asks for more."""


class Watch:
    """A server of one run's report, in threads of its own. As a context manager it ends with the block.

    Parameters
    ----------
    folder
        The run; its records grow while it goes on.
    totals
        Dataset → number of its samples.
    port
        Where to listen; 0, or one that is taken: any free one.
    pictures
        Finds the pictures that records name; ``None``: anywhere.
    """

    def __init__(
        self, folder: RunFolder, totals: Mapping[str, int], port: int = 0, pictures: RecordedPictures | None = None
    ) -> None:
        self._found = pictures or RecordedPictures()
        self._records, self._title, self._folder = folder.records, folder.path.resolve().name, folder.path
        self._totals, self._done = dict(totals), False
        self._pictures: list[str] = []
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()
        self._results: dict[str, Any] = {}
        self._counted, self._at = -1, 0.0
        watch = self

        class Handler(_Handler):
            run = watch

        try:
            self._server = ThreadingHTTPServer((HOST, port), Handler)
        except OSError as error:
            print(f"Port {port} can not be used ({error.strerror}): another one is taken", file=sys.stderr)
            self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="watch", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def finished(self) -> None:
        """Say that no more samples will come."""
        self._done = True

    def stay(self) -> None:
        """Serve on until Ctrl-C."""
        try:
            print(f"The report stays at {self.address} until Ctrl-C", file=sys.stderr, flush=True)
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print(file=sys.stderr)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- what is served --------------------------------------------------------------------------

    def results(self, records: list[Record]) -> dict[str, Any]:
        """Return the figures so far, made anew every few seconds at most."""
        with self._lock:
            old = time.monotonic() - self._at > FRESH_SECONDS or self._done
            if self._counted < 0 or (old and self._counted != len(records)):
                self._results = summarise(records, self._totals)
                self._counted, self._at = len(records), time.monotonic()
            return self._results

    def place(self, path: str) -> str:
        """Return the address of a picture of the run."""
        with self._lock:
            if path not in self._places:
                self._places[path] = len(self._pictures)
                self._pictures.append(path)
            return f"picture/{self._places[path]}"

    def whole(self) -> str:
        """Return the page, with the samples so far."""
        records = list(self._records)
        results = self.results(records)
        shown = with_calls(self._folder, records)
        return page(self._title, shown, results, self.place, about(self._folder, results), live=True)

    def more(self, start: int) -> dict[str, Any]:
        """Return the samples from `start` on, as the page adds them."""
        done = self._done  # before the records: what is done has no more of them
        records = list(self._records)
        rows = []
        for record in records[:start]:
            if source := record.get("picture"):
                self.place(source)
        new = records[start : start + MOST]
        if new:  # the file of exchanges is read only for those
            new = with_calls(self._folder, new)
        for record in new:
            row = row_of(record)
            if source := record.get("picture"):
                row["picture"] = int(self.place(source).rpartition("/")[2])
            rows.append(row)
        return {
            "index": columns(rows),
            "samples": [sample_of(r) for r in new],
            "pictures": [f"picture/{k}" for k in range(len(self._pictures))],
            "results": self.results(records),
            "done": done and start + len(rows) == len(records),
        }

    def picture(self, number: int) -> tuple[bytes, str] | None:
        """Return content and media type of a picture of the run; ``None``: there is none, or it is no picture."""
        return self._found.shown(self._pictures[number]) if 0 <= number < len(self._pictures) else None


def policy_of(page: str) -> str:
    """Return the content security policy of the page: its own script and style, and pictures from here."""
    own = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[-1:]  # the data before it have a type
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in own)
    scripts = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _number(text: str, otherwise: int = 0) -> int:
    """Return a number of an address; `otherwise` where it is none, or longer than any that is meant."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else otherwise


class _Handler(BaseHTTPRequestHandler):
    run: Watch
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if (self.headers.get("Host") or "").rpartition(":")[0] not in (HOST, "localhost"):
            self._send(403, b"This page is for this machine alone.", "text/plain")
            return
        # Not `urlsplit`, which refuses some addresses with an exception: a browser may ask for anything.
        path, _, query = self.path.partition("#")[0].partition("?")
        first, _, rest = path.lstrip("/").partition("/")
        if first == "":
            page_ = self.run.whole()
            body = page_.encode("utf-8", "backslashreplace")
            self._send(200, body, "text/html; charset=utf-8", policy_of(page_))
        elif first == "more":
            more = self.run.more(_number(dict(part.partition("=")[::2] for part in query.split("&")).get("from", "")))
            self._send(200, json.dumps(jsonable(more)).encode(), "application/json")
        elif first == "picture" and _number(rest, -1) >= 0:
            found = self.run.picture(_number(rest, -1))
            if found is None:
                self._send(404, b"There is no such picture.", "text/plain")
                return
            self._send(200, *found)
        else:
            self._send(404, b"There is nothing here.", "text/plain")

    def _send(self, status: int, body: bytes, kind: str, policy: str = "default-src 'none'; sandbox") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Content-Security-Policy", policy)
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the page was closed

    def log_message(self, format: str, *args: object) -> None:
        pass  # the terminal is the run's
