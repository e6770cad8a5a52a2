"""What a picture may be given as; addresses are fetched within bounds, and what they hold is checked."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neptune.errors import PictureError
from neptune.scene import fetch
from neptune.scene.picture import Picture

RGB = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
GREY = RGB[:, :, 0]
THREE_GREY = np.repeat(GREY[:, :, None], 3, 2)
CLEAR = np.dstack([RGB, np.full((7, 9), 255, np.uint8)])


def png(array: np.ndarray = RGB, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


SOURCES = {
    "image": (Image.fromarray(RGB), RGB),
    "uint8": (RGB, RGB),
    "not contiguous": (np.asfortranarray(RGB), RGB),
    "grey": (GREY, THREE_GREY),
    "grey with an axis": (GREY[:, :, None], THREE_GREY),
    "transparent": (CLEAR, RGB),
    "floats": (RGB / 255.0, RGB),
    "float32": ((RGB / 255.0).astype(np.float32), RGB),
    "uint16": (RGB.astype(np.uint16) * 257, RGB),
    "bool": (GREY > 127, np.where(THREE_GREY > 127, 255, 0).astype(np.uint8)),
    "rows": (RGB.tolist() and np.array(RGB.tolist(), np.uint8), RGB),
    "bytes": (png(), RGB),
    "bytearray": (bytearray(png()), RGB),
    "memoryview": (memoryview(png(kind="BMP")), RGB),
    "open file": (io.BytesIO(png()), RGB),
}


@pytest.mark.parametrize("name", SOURCES)
def test_all_of_these_are_the_same_picture(name: str) -> None:
    source, expected = SOURCES[name]
    picture = Picture(source)  # type: ignore[arg-type]
    assert picture.size == (9, 7)
    assert (picture.pixels == expected).all()
    assert picture.digest == Picture(expected).digest
    assert picture.path is None
    assert Picture.of(picture) is picture


def test_paths_and_tensors(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())
    torch = pytest.importorskip("torch")
    for source in (path, str(path), open(path, "rb"), torch.from_numpy(RGB)):  # noqa: SIM115
        assert Picture(source).digest == Picture(RGB).digest


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.moveaxis(RGB, 2, 0), r"An array of shape \(3, 7, 9\) is no picture.* Put the channels last"),
        (np.zeros((4,)), "An array of shape"),
        (np.zeros((7, 9, 2), np.uint8), "An array of shape"),
        (np.zeros((0, 9, 3), np.uint8), "0 pixels"),
        (RGB * 1.0, r"values go from .* to 249; expected values in \[0, 1\].* Divide by 255"),
        (np.full((2, 2), np.nan), "values go from nan"),
        (RGB.astype(np.int64), "An array of type int64 is no picture"),
        (np.array([["a"]]), "is no picture"),
        (None, "A NoneType is no picture; expected a path"),
        ({"a": 1}, "A dict is no picture"),
        (b"", "can not be read"),
        (b"<html>no picture</html>", "can not be read: cannot identify image file in these bytes"),
        (png()[:60], "can not be read"),
        (io.StringIO("text"), "open as text; expected a file opened with mode"),
    ],
)
def test_what_is_none(source: object, message: str) -> None:
    with pytest.raises(PictureError, match=message) as caught:
        _ = Picture(source).image  # type: ignore[arg-type]
    assert "0x" not in str(caught.value)


# --- addresses ---


class Server(BaseHTTPRequestHandler):
    """Serves a picture, and what is none."""

    def do_GET(self) -> None:
        place = self.path.partition("?")[0]
        if place in ("/a.png", "/b.png"):
            self.send(200, png(), "text/plain")  # what a server says of it counts for nothing
        elif place == "/page":
            self.send(200, b"<html></html>", "image/png")
        elif place == "/moved":
            self.send(302, b"", Location="/a.png")
        elif place == "/round":
            self.send(302, b"", Location="/round?again")
        elif place == "/file":
            self.send(302, b"", Location="file:///etc/hostname")
        elif place == "/large":
            self.send(200, b"x" * 5000)
        elif place == "/claims":
            self.send(200, b"x", **{"Content-Length": "999999999"})
        elif place == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(50):
                self.wfile.write(b"x")
                time.sleep(0.05)
        elif place == "/secret":
            self.send(200 if self.headers.get("Authorization") == "Basic dXNlcjpzZWNyZXQ=" else 401, png())
        elif place == "/empty":
            self.send(200, b"")
        else:
            self.send(404, b"")

    def send(self, code: int, content: bytes, kind: str = "image/png", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()


@pytest.mark.parametrize("place", ["/a.png", "/a.png?key=secret", "/moved"])
def test_an_address(place: str, server: str) -> None:
    named = Picture(server.replace("//", "//user:secret@") + "/secret")
    assert named.digest == Picture(RGB).digest
    assert "secret@" not in repr(named)
    picture = Picture(server + place)
    assert picture.address == server + place
    assert picture.path is None
    assert picture.digest == Picture(RGB).digest
    assert "secret" not in repr(picture) + picture.name


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/nowhere", "can not be fetched: the server says 404 Not Found"),
        ("/page", "can not be read: cannot identify image file in these bytes"),
        ("/round", "can not be fetched: the server says 302"),
        ("/file", "the server says 302 Found .*/file"),
        ("/large", "more than a picture .*; expected at most 1,000 bytes"),
        ("/claims", "more than a picture .*; expected at most 1,000 bytes"),
        ("/drip", "it took more than 0.2 s"),
        ("/empty", "the server sends nothing"),
    ],
)
def test_what_an_address_may_not_hold(place: str, message: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 1000)
    monkeypatch.setattr(fetch, "SECONDS_IN_ALL", 0.2)
    address = server.replace("//", "//user:secret@") + place + "?key=secret"
    with pytest.raises(PictureError, match=message) as caught:
        _ = Picture(address).image
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x", "http://[", "https://no-such-host.invalid/a.png", "HTTP://"]
)
def test_no_server(address: str) -> None:
    with pytest.raises(PictureError, match="can not be fetched"):
        _ = Picture(address).image


@pytest.mark.parametrize("text", ["ftp://x/a.png", "file:///etc/hostname", "data:image/png;base64,xx"])
def test_other_addresses_are_names_of_files_that_are_not_there(text: str) -> None:
    with pytest.raises(PictureError, match="does not exist"):
        _ = Picture(text).image
