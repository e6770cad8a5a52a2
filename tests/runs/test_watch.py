"""--watch: the report served while a run goes on; and the line of progress."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from neptune.runs.evaluate.summary import summarise
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.report import write_report
from neptune.runs.report.watch import HOST, Watch
from neptune.runs.runner.progress import Progress, show_time

ROOT = Path(__file__).resolve().parents[2]


def record(number: int, picture: Path) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "dataset": "clevr",
        "family": "count",
        "question": "How many?",
        "answer": number,
        "expected": 3,
        "correct": number == 3,
        "probability": 0.9,
        "usage": {"oracle_calls": 2},
        "picture": str(picture),
        "seconds": 0.1,
    }


@pytest.fixture
def run(tmp_path: Path) -> Any:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "one.png")
    (tmp_path / "secret.txt").write_text("secret")
    records = [record(0, tmp_path / "one.png")]
    return SimpleNamespace(path=tmp_path, records=records)


def get(address: str, host: str | None = None) -> bytes:
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def test_page_more_and_pictures(run: Any) -> None:
    with Watch(run, {"clevr": 3}) as watch:
        page = get(watch.address).decode()
        assert '"live":true' in page
        none = json.loads(get(watch.address + "more?from=1"))
        assert none["index"]["id"] == []
        assert not none["done"]
        run.records.append(record(3, run.path / "one.png"))
        more = json.loads(get(watch.address + "more?from=1"))
        assert more["index"]["id"] == ["s3"]
        assert more["index"]["picture"] == [0]
        assert more["samples"][0]["probability"] == 0.9
        assert get(watch.address + more["pictures"][0])[:4] == b"\x89PNG"
        watch.finished()
        last = json.loads(get(watch.address + "more?from=2"))
        assert last["done"]
        assert last["results"]["correct"] == 1


@pytest.mark.parametrize(
    "path", ["picture/1", "picture/-1", "picture/../secret.txt", "secret.txt", "picture/%2e%2e/secret.txt", "more/"]
)
def test_nothing_else_is_served(run: Any, path: str) -> None:
    with Watch(run, {"clevr": 1}) as watch:
        if path == "more/":
            assert json.loads(get(watch.address + "more?from=x"))["index"]["id"] == ["s0"]
            return
        with pytest.raises(urllib.error.HTTPError) as error:
            get(watch.address + path)
        assert error.value.code == 404


def answer(watch: Watch, target: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for a target just as it is: a browser's address bar, and not a library, decides what is sent."""
    with socket.create_connection((HOST, int(watch.address.rpartition(":")[2].strip("/"))), timeout=10) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\nHost: {HOST}:1\r\nConnection: close\r\n\r\n".encode("latin-1"))
        whole = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), {k.lower(): v for k, _, v in (f.partition(": ") for f in fields)}, body


LONG = "9" * 5_000
TARGETS = [
    *(f"/more?from={x}" for x in (LONG, "-1", "%zz", "\xb2", "1e9")), "/more?" + "&".join("a" * 3_000), "/more?from",
    "/more?=&&==&from=0", "//[", "//[::1", "/?%00", "/#", "?from=1", "/%", "http://[/", f"/picture/{LONG}",
    "/picture/\xb2", f"/picture/0?from={LONG}", "/picture/0/0", "/picture//etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_any_address_is_answered(run: Any, target: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Watch(run, {"clevr": 1}) as watch:
        get(watch.address)
        status, _, _ = answer(watch, target)
        assert status in (200, 404)
        assert answer(watch, "/more?from=0")[0] == 200
    assert capfd.readouterr().err == ""


def test_pictures_are_served_as_pictures_and_nothing_else_is(run: Any) -> None:
    folder = run.path
    (folder / "evil.html").write_text("<html><script>alert(1)</script></html>")
    (folder / "evil.png").write_text("<html><script>alert(1)</script></html>")
    (folder / "evil.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    Image.new("RGB", (8, 8)).save(folder / "picture.html", "PNG")
    for name, form in (("a.jpg", "JPEG"), ("b.webp", "WEBP"), ("c.gif", "GIF"), ("d.tiff", "TIFF"), ("e.jpg", "PNG")):
        Image.new("RGB", (8, 8)).save(folder / name, form)
    names = [
        "evil.html",
        "evil.png",
        "evil.svg",
        "picture.html",
        "secret.txt",
        "a.jpg",
        "b.webp",
        "c.gif",
        "d.tiff",
        "e.jpg",
    ]
    run.records[:] = [record(k, folder / name) for k, name in enumerate(names)]
    kinds = []
    with Watch(run, {"clevr": 1}) as watch:
        get(watch.address)
        for k in range(len(names)):
            status, fields, body = answer(watch, f"/picture/{k}")
            kinds.append(fields["content-type"] if status == 200 else None)
            assert b"<script>" not in body
            assert fields["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in fields["content-security-policy"]
            assert "sandbox" in fields["content-security-policy"]
    # By content, not by name; what browsers do not show comes as a JPEG.
    assert kinds == [None] * 5 + ["image/jpeg", "image/webp", "image/gif", "image/jpeg", "image/png"]


def test_pictures_outside_the_data_folder_are_not_served(run: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    private = tmp_path_factory.mktemp("home") / "private.png"
    Image.new("RGB", (8, 8)).save(private)
    (run.path / "link.png").symlink_to(private)
    run.records[:] = [record(0, private), record(1, run.path / "link.png"), record(2, run.path / "one.png")]
    with Watch(run, {"clevr": 1}, 0, RecordedPictures([run.path])) as watch:
        get(watch.address)
        assert [answer(watch, f"/picture/{k}")[0] for k in range(3)] == [404, 404, 200]
    page = write_report(run.path, run.records, summarise(run.records, {"clevr": 3}), RecordedPictures([run.path]))
    packed = re.search(r'id="pictures">([^<]+)<', page.read_text())
    assert packed
    shown = json.loads(zlib.decompress(base64.b64decode(packed[1])))
    assert [bool(picture) for picture in shown] == [False, False, True]


def test_the_page_runs_its_own_script_alone(run: Any) -> None:
    run.records[0]["question"] = "</script><script>alert(1)</script>"
    with Watch(run, {"clevr": 1}) as watch:
        _, fields, body = answer(watch, "/")
    policy = dict(part.strip().partition(" ")[::2] for part in fields["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in policy["script-src"]
    (script,) = re.findall(r"<script>(.*?)</script>", body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'sha256-{digest}'"


def test_only_this_machine_is_answered(run: Any) -> None:
    with Watch(run, {"clevr": 1}) as watch:
        assert watch.address.startswith(f"http://{HOST}:")
        with pytest.raises(urllib.error.HTTPError) as error:
            get(watch.address, host="evil.example:80")
        assert error.value.code == 403


def test_a_port_that_is_taken(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Watch(run, {"clevr": 1}, port) as watch:
            assert str(port) not in watch.address
            assert get(watch.address)
    assert f"Port {port} can not be used" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process, which Windows has not")
def test_a_run_is_watched_and_stays_until_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "run.py", "--config", "configs/clevr.json", "--num_samples", "2", "--watch", "true"]
    command += ["--watch_port", "0", "--output_dir", str(tmp_path / "run"), "--od_model", "scene"]
    command += ["--vlm_model_name", "scene"]
    # A shell starts background jobs with SIGINT ignored, which children would inherit.
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    killer = threading.Timer(120, process.kill)
    killer.start()
    try:
        assert process.stderr is not None
        address = ""
        for line in process.stderr:
            if line.startswith("Watch it at "):
                address = line.split()[-1]
            if "until Ctrl-C" in line:
                break
        more = json.loads(get(address + "more?from=0"))
        assert more["done"]
        assert len(more["samples"]) == 2
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        killer.cancel()
        process.kill()
    assert process.returncode == 0
    assert out.strip().endswith("report.html")


def test_the_line_of_progress() -> None:
    stream = io.StringIO()
    with Progress(2, stream) as progress:
        usage = {"oracle_calls": 1200, "cache_hits": 3, "oracle_cost": 0.01, "code_gen_cost": 0.002}
        progress.add({"correct": True, "usage": usage})
        progress.add({"correct": None, "abstained": True, "usage": {}})
    line = stream.getvalue().splitlines()[-1]
    assert line.startswith("2/2 ")
    for part in ("100.0% right", "1,200 calls", "3 cache hits", "0.0120 in money", "1 abstained", "done"):
        assert part in line
    assert "left" in stream.getvalue().splitlines()[0]


def test_times_are_for_reading() -> None:
    assert [show_time(s) for s in (0.2, 59.4, 61, 3600 * 2 + 300)] == ["0 s", "59 s", "1 min 01 s", "2 h 05 min"]
