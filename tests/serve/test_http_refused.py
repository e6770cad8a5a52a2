"""The HTTP address: what it refuses, and says so in one line; who is slow, or too many, costs nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.served import BASE, DATA, IMAGES, PICTURE, application, events, listening, refused

from neptune.engine import Engine
from neptune.errors import NeptuneError

httpx = pytest.importorskip("httpx", reason="httpx is not installed: make setup-all")
testclient = pytest.importorskip("starlette.testclient", reason="the extra serve is not installed: make setup-all")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/ask", {"picture": DATA}, 422, "Nothing is asked"),
        ("/v1/ask", {"picture": DATA, "question": ""}, 422, "Nothing is asked"),
        ("/v1/ask", {"picture": DATA, "question": "flurb?"}, 422, "flurb"),
        ("/v1/ask", {"picture": DATA, "program": "while True: pass"}, 422, "while"),
        ("/v1/ask", {"picture": DATA, "program": "x" * 30_000}, 422, "program"),
        ("/v1/ask", {"picture": DATA, "qestion": "Why?"}, 422, "qestion"),
        ("/v1/ask", {"question": "How many cubes?"}, 422, "picture"),
        ("/v1/ask", {"picture": 3, "question": "How many cubes?"}, 422, "picture"),
        ("/v1/ask", {"picture": "", "question": "How many cubes?"}, 422, "picture"),
        ("/v1/ask", {"picture": DATA[:4000], "program": "1"}, 422, ""),
        ("/v1/ask", {"picture": "data:image/png;base64,AAAA", "program": "1"}, 422, ""),
        ("/v1/ask", {"picture": "data:text/html;base64,AAAA", "program": "1"}, 422, "no picture"),
        ("/v1/ask", {"picture": "data:image/png;base64,§§", "program": "1"}, 422, "no base64"),
        ("/v1/ask", {"picture": "picture:0123", "program": "1"}, 422, "not here any more"),
        ("/v1/ask", {"picture": "http://127.0.0.1:1/a.png", "program": "1"}, 422, "not fetched"),
        ("/v1/ask", {"picture": "../../../README.md", "program": "1"}, 422, "no such picture"),
        ("/v1/ask", {"picture": "/etc/passwd", "program": "1"}, 422, "no such picture"),
        ("/v1/ask", {"picture": "a\0b.png", "program": "1"}, 422, "no such picture"),
        ("/v1/ask", {"picture": "x" * 5000, "program": "1"}, 422, ""),
        ("/v1/ask", {"picture": "A" * 3_000_000, "program": "1"}, 413, ""),
        ("/v1/explain", {"program": "1", "objects": 0}, 422, "objects"),
        ("/v1/explain", {"program": "1", "objects": 10**9}, 422, "objects"),
        ("/v1/score", {"picture": DATA, "formulas": []}, 422, "formulas"),
        ("/v1/score", {"picture": DATA, "formulas": ["1"]}, 422, ""),
        ("/v1/score", {"picture": DATA, "formulas": ["flurb('x')"]}, 422, "flurb"),
        ("/v1/batch", {"requests": []}, 422, "requests"),
        ("/v1/batch", {"requests": [{"do": "rm", "program": "1"}]}, 422, "requests"),
    ],
)
def test_bad_requests_are_refused_in_one_line(
    client: Any, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    refused(client.post(path, json=body), status, said)


def test_bodies_that_are_no_json_or_too_large(client: Any) -> None:
    refused(client.post("/v1/ask", content=b"{", headers={"content-type": "application/json"}), 400, "no JSON")
    refused(client.post("/v1/ask", content=b"\xff\xfe", headers={"content-type": "application/json"}), 400)
    refused(client.post("/v1/check", content=b"[" * 100_000, headers={"content-type": "application/json"}), 400)
    refused(client.post("/v1/ask", json=[1, 2]), 422)
    refused(client.post("/v1/ask", json={"picture": "x" * 40_000_000}), 413, "more than")
    refused(client.post("/v1/pictures", files={"file": ("a.png", b"")}), 422, "empty")
    refused(client.post("/v1/pictures", files={"file": ("a.png", b"\x89PNG\r\n\x1a\nnothing")}), 422)
    refused(client.post("/v1/pictures", files={"file": ("../../x.png", b"<svg onload=alert(1)>")}), 422)
    refused(client.post("/v1/pictures", files={"file": ("a.png", b"x" * 2_000_001)}), 413, "at most 2,000,000")
    refused(client.post("/v1/pictures", data={"file": "text"}), 422, "file")
    refused(client.get("/nowhere"), 404, "nothing here")
    refused(client.get("/v1/ask"), 405, "another method")


def test_a_picture_that_unpacks_to_a_giant_is_refused(client: Any) -> None:
    import io
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )
    refused(client.post("/v1/pictures", files={"file": ("a.png", bomb.getvalue())}), 422, "pixels")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:80"}, 403),
        ({"host": "localhost:8765"}, 200),
        ({"host": "LOCALHOST"}, 200),
        ({"host": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_foreign_pages_and_names_are_refused(client: Any, headers: dict[str, str], status: int) -> None:
    found = client.post("/v1/check", json={"program": "1"}, headers=headers)
    assert found.status_code == status
    if status == 403:
        refused(found, 403)
    assert "access-control-allow-origin" not in found.headers


def test_a_token_where_one_is_asked_for() -> None:
    app = application(token="a-secret-token", hosts=())
    with testclient.TestClient(app, base_url="http://any.example") as client:
        for given in (
            None,
            "Bearer wrong",
            "a-secret-token",
            "Basic a-secret-token",
            "Bearer a-secret-tokenx",
            "Bearer ä",
        ):
            headers = {} if given is None else {"authorization": given.encode("utf-8")}
            found = client.post("/v1/check", json={"program": "1"}, headers=headers)
            refused(found, 401, "token")
            assert found.headers["www-authenticate"] == "Bearer"
        assert client.get("/openapi.json").status_code == 401
        assert client.get("/").status_code == 200
        assert "a-secret-token" not in client.get("/").text
        right = client.post("/v1/check", json={"program": "1"}, headers={"authorization": "Bearer a-secret-token"})
        assert right.status_code == 200


def test_links_do_not_lead_out_of_the_allowed_folders(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "secret.png").write_bytes(PICTURE.read_bytes())
    (tmp_path / "open" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "open" / "out").symlink_to(tmp_path)
    (tmp_path / "open" / "own.png").write_bytes(PICTURE.read_bytes())
    (tmp_path / "open" / "loop").symlink_to(tmp_path / "open" / "loop")
    with testclient.TestClient(application(roots=(tmp_path / "open",)), base_url=BASE) as client:
        for path in (
            "link.png",
            "out/secret.png",
            "../secret.png",
            str(tmp_path / "secret.png"),
            "loop",
            "open/../../secret.png",
        ):
            refused(client.get("/v1/file", params={"path": path}), 422, "no such picture")
            refused(client.post("/v1/look", json={"picture": path}), 422, "no such picture")
        assert client.get("/v1/file", params={"path": "own.png"}).status_code == 200
        assert client.get("/v1/file", params={"path": str(tmp_path / "open" / "own.png")}).status_code == 200
        told = events(
            client.post(
                "/v1/find", json={"folder": ".", "program": "exists(Object, lambda x: red(x))", "want": "all"}
            ).text
        )
        assert [hit["picture"] for hit in told[-1][1]["hits"]] == ["own.png"], "a link is not searched either"


def test_slow_clients_are_sent_away_and_others_are_served() -> None:
    app = application(body_seconds=1.0)
    with listening(app) as address:
        host, port = address.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(30)]
        for one in slow:
            one.sendall(
                b"POST /v1/check HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: 500\r\n\r\n{"
            )
        begun = time.monotonic()
        assert httpx.post(f"{address}/v1/check", json={"program": "1"}, timeout=30).status_code == 200
        for one in slow:
            one.settimeout(30)
            assert b"408" in one.recv(4096).split(b"\r\n")[0]
            one.close()
        assert time.monotonic() - begun < 30


def test_too_many_at_once_are_sent_away_and_one_that_takes_long_too() -> None:
    from neptune.serve.work import BusyError, Work

    async def run() -> None:
        work = Work(threads=1, waiting=1, seconds=0.5)
        long = [asyncio.create_task(work.do(time.sleep, 1.0)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError, match="waiting already"):
            await work.do(time.sleep, 0)
        for one in long:
            with pytest.raises(BusyError, match=r"longer than 0\.5 seconds"):
                await one
        await asyncio.sleep(0.6)
        assert await work.do(lambda: 3) == 3, "the line goes on"
        with pytest.raises(NeptuneError, match="It fails"):
            await work.do(_fails)
        work.close()

    asyncio.run(run())


def test_searches_do_not_hold_up_questions() -> None:
    """What takes long has threads of its own: three searches that go on leave both threads of questions free."""
    go = threading.Event()

    class Held:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def score(self, requests: Any) -> Any:
            go.wait(60)
            return self.inner.score(requests)

    engine = Engine(Held(Engine().oracle), "embedded", workers=4)
    with listening(application(roots=(IMAGES,), engine=engine)) as address:

        def search() -> str:
            body = {"folder": ".", "query": "a red cube", "top": 1, "max_oracle_calls": 20}
            return str(httpx.post(f"{address}/v1/find", json=body, timeout=120).text)

        with ThreadPoolExecutor(3) as pool:
            searches = [pool.submit(search) for _ in range(3)]
            time.sleep(2)
            try:
                begun = time.monotonic()
                assert httpx.post(f"{address}/v1/check", json={"program": "1"}, timeout=30).json()["ok"]
                assert time.monotonic() - begun < 20
            finally:
                go.set()
            assert all(events(one.result())[-1][0] == "done" for one in searches)


def test_the_line_is_first_come_first_served() -> None:
    """Whoever waits longest is next: no request overtakes, so all clients wait alike."""
    from neptune.serve.work import Work

    async def run() -> None:
        work, begun = Work(threads=1, waiting=100), list[int]()
        await asyncio.gather(*(work.do(begun.append, k) for k in range(60)))
        assert begun == list(range(60))
        work.close()

    asyncio.run(run())


def test_every_response_says_that_it_is_for_this_page_alone(client: Any) -> None:
    found = [client.get("/"), client.get("/nowhere"), client.post("/v1/check", json={"program": "1"})]
    found += [client.post("/v1/check", json={}), client.get("/", headers={"host": "evil.example"})]
    assert [f.status_code for f in found] == [200, 404, 200, 422, 403]
    for one in found:
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["cross-origin-resource-policy"] == "same-origin"
        assert one.headers.get_list("cache-control") == ["no-store"]


def _fails() -> None:
    raise NeptuneError("It fails")


def test_two_hundred_at_once_are_answered(app: Any) -> None:
    async def run(address: str) -> list[int]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
            body = {"picture": PICTURE.name, "program": "count(Object, lambda x: red(x))"}
            found = await asyncio.gather(*(client.post("/v1/ask", json=body) for _ in range(200)))
            assert {f.json()["value"] for f in found} == {3}
            return [f.status_code for f in found]

    with listening(app) as address:
        assert set(asyncio.run(run(address))) == {200}
