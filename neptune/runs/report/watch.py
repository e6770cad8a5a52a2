"""``--watch true``: the report of a run, served on this machine while the run goes on.

The page is the report itself; every second it asks for the samples that are new. The server listens on 127.0.0.1
alone, answers only requests that name this machine (so that no foreign page can read it through a name of its own),
and hands out pictures of the run's samples, nothing else. It stays after the run until Ctrl-C.
"""

from __future__ import annotations

import json
import mimetypes
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import Record, RunFolder, jsonable
from neptune.runs.report.build import page
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
    """

    def __init__(self, folder: RunFolder, totals: Mapping[str, int], port: int = 0) -> None:
        self._records, self._title = folder.records, folder.path.resolve().name
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
        return page(self._title, records, self.results(records), self.place, live=True)

    def more(self, start: int) -> dict[str, Any]:
        """Return the samples from `start` on, as the page adds them."""
        done = self._done  # before the records: what is done has no more of them
        records = list(self._records)
        rows = []
        for record in records[:start]:
            if source := record.get("picture"):
                self.place(source)
        for record in records[start : start + MOST]:
            row = row_of(record)
            if source := record.get("picture"):
                row["picture"] = int(self.place(source).rpartition("/")[2])
            rows.append(row)
        return {
            "index": columns(rows),
            "samples": [sample_of(r) for r in records[start : start + MOST]],
            "pictures": [f"picture/{k}" for k in range(len(self._pictures))],
            "results": self.results(records),
            "done": done and start + len(rows) == len(records),
        }

    def picture(self, number: int) -> Path | None:
        """Return the file of a picture of the run; ``None`` if there is none of that number."""
        return Path(self._pictures[number]) if 0 <= number < len(self._pictures) else None


class _Handler(BaseHTTPRequestHandler):
    run: Watch
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if (self.headers.get("Host") or "").rpartition(":")[0] not in (HOST, "localhost"):
            self._send(403, b"This page is for this machine alone.", "text/plain")
            return
        address = urlsplit(self.path)
        first, _, rest = address.path.lstrip("/").partition("/")
        if first == "":
            self._send(200, self.run.whole().encode("utf-8", "backslashreplace"), "text/html; charset=utf-8")
        elif first == "more":
            start = parse_qs(address.query).get("from", ["0"])[0]
            body = self.run.more(int(start) if start.isascii() and start.isdigit() else 0)
            self._send(200, json.dumps(jsonable(body)).encode(), "application/json")
        elif first == "picture" and rest.isascii() and rest.isdigit() and (path := self.run.picture(int(rest))):
            try:
                content = path.read_bytes()
            except OSError:
                self._send(404, b"The picture can not be read.", "text/plain")
                return
            self._send(200, content, mimetypes.guess_type(path.name)[0] or "application/octet-stream")
        else:
            self._send(404, b"There is nothing here.", "text/plain")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the page was closed

    def log_message(self, format: str, *args: object) -> None:
        pass  # the terminal is the run's
