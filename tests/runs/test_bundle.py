"""A run in one file: packed here, replayed elsewhere with no data, model, key or network, equal to the last byte."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_oracle_server import Faulty, fingerprint
from helpers.fault_server import fails, serving

from neptune.cli import main
from neptune.errors import ConfigError
from neptune.runs.record.bundle import pack

ROOT = Path(__file__).resolve().parents[2]
CLEVR = ["--config", str(ROOT / "configs" / "clevr.json")]
ELSEWHERE = """
import json, socket, sys
from pathlib import Path

def barred(*words, **more):
    raise AssertionError("the network was used")

socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = socket.getaddrinfo = barred
barred_modules = ("transformers", "openai", "httpx",
    "neptune.perception.oracle.embedded", "neptune.perception.detect.embedded")
for name in barred_modules:
    sys.modules[name] = None  # importing it is an error
from neptune.cli import main
code = main(sys.argv[1:])
print("EXIT", code)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples" / "clevr", tmp_path / "data"))


def run(folder: Path, data: Path, *words: str) -> list[dict[str, Any]]:
    main([*CLEVR, "--data_dir", str(data), "--output_dir", str(folder), *words])
    return lines(folder)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def timeless(folder: Path) -> list[str]:
    """The records as text, without the times of the machine."""
    found = []
    for record in lines(folder):
        del record["seconds"]
        record["usage"] = {k: v for k, v in record["usage"].items() if not k.endswith("_ms")}
        found.append(json.dumps(record, sort_keys=True))
    return found


def elsewhere(bundle: Path, folder: Path) -> str:
    """Replay in a process that has nothing but the file and the program."""
    away = folder / "away"
    away.mkdir(parents=True)
    moved = shutil.copy(bundle, away / "it.zip")
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_KEY")}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "--config", str(moved), "--output_dir", "replayed"],
        cwd=away,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_run_is_replayed_bit_for_bit_elsewhere(tmp_path, data, capsys):
    packed = tmp_path / "out.zip"
    words = ["--dataset", "clevr", "clevr-refexps", "clevr-puzzle", "clevr-rpm", "--schedule", "lazy"]
    records = run(tmp_path / "run", data, *words, "--num_samples", "5", "--bundle", str(packed))
    printed = capsys.readouterr().out
    assert len(records) == 20
    assert f"run.py --config {packed} replays it" in printed
    assert printed.splitlines()[-1] == str(tmp_path / "run" / "report.html")
    shutil.rmtree(data)
    said = elsewhere(packed, tmp_path)
    assert "20 samples replayed, all equal bit for bit" in said
    assert said.splitlines()[-1] == "EXIT 0"
    again = tmp_path / "away" / "replayed"
    assert timeless(again) == timeless(tmp_path / "run")
    for field in ("answer", "probability", "bounds", "scores", "trace"):
        assert [r.get(field) for r in lines(again)] == [r.get(field) for r in records]
    shown = re.search(r'id="pictures">([^<]+)<', (again / "report.html").read_text())
    assert shown
    assert b"data:image/jpeg" in zlib.decompress(base64.b64decode(shown[1]))
    results = [json.loads((f / "results.json").read_text()) for f in (tmp_path / "run", again)]
    assert results[0]["accuracy"] == results[1]["accuracy"]
    assert results[0]["by_family"] == results[1]["by_family"]


def test_the_same_run_packs_to_the_same_file(tmp_path, data):
    run(tmp_path / "run", data, "--num_samples", "2")
    one, two = pack(tmp_path / "run", tmp_path / "1.zip"), pack(tmp_path / "run", tmp_path / "2.zip")
    assert one.read_bytes() == two.read_bytes()
    small = pack(tmp_path / "run", tmp_path / "small.zip", pictures=False)
    assert small.stat().st_size < one.stat().st_size - 10_000
    with zipfile.ZipFile(small) as bundle:
        assert not [name for name in bundle.namelist() if name.startswith("pictures/")]
    assert main(["--config", str(small), "--output_dir", str(tmp_path / "again")]) == 0
    assert timeless(tmp_path / "again") == timeless(tmp_path / "run")


def test_a_run_in_sessions_with_errors_and_a_budget(tmp_path, data, capsys):
    """What was known when a sample was answered depends on the session; bounds show it under a lazy schedule."""
    questions = json.loads((data / "questions.json").read_text())
    rows = questions["questions"] if isinstance(questions, dict) else questions
    (data / "images" / rows[1]["image_filename"]).rename(tmp_path / "lost.png")
    words = ["--schedule", "lazy", "--max_oracle_calls", "12", "--limits.nodes", "60", "--dataset", "clevr"]
    for number in ("5", "9", "16"):
        records = run(tmp_path / "run", data, *words, "--num_samples", number)
    assert {r["evidence"].split(".")[0] for r in records if r.get("evidence")} == {"0", "1", "2"}
    assert any(r["error_kind"] == "PictureError" for r in records)
    assert any(r["bounds"] and r["bounds"][0] != r["bounds"][1] for r in records)
    capsys.readouterr()
    packed = pack(tmp_path / "run", tmp_path / "out.zip")
    shutil.rmtree(data)
    assert main(["--config", str(packed), "--output_dir", str(tmp_path / "again")]) == 0
    assert "16 samples replayed, all equal bit for bit" in capsys.readouterr().out
    assert timeless(tmp_path / "again") == timeless(tmp_path / "run")


def test_a_server_that_fails_a_cache_and_a_replay(tmp_path, data, monkeypatch, capsys):
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    monkeypatch.setattr("neptune.servers.client.FIRST_WAIT", 0.005)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.005)
    options = ["--vlm_model_name", "openai", "--od_model", "scene", "--dataset", "clevr", "--num_samples", "4"]
    # Four failures in a row are the server's; two more are for a machine so busy that an answer comes too late.
    asking = {"model": "m", "form": "coordinates", "timeout": 2.0, "retries": 6}
    options += ["--vlm_options", json.dumps(asking)]

    def answer(folder: str, server: Any, *more: str) -> list[dict[str, Any]]:
        return run(tmp_path / folder, data, *options, "--vlm_options.base_url", server.url, *more)

    calm = Faulty(rate=0.0)
    with serving(calm) as server:
        clean = answer("clean/run", server)
        asked = len(calm.given)
    faulty = Faulty(rate=0.3)
    with serving(faulty) as server:
        found = answer("faulty/run", server, "--bundle", str(tmp_path / "out.zip"))
        assert sum(faulty.failed.values()) > 10
        assert set(faulty.given.values()) == {1}
        assert sum(faulty.given.values()) == asked
        before = len(server.requests)
        again = answer("faulty/again", server)  # the cache lies beside the run folders
        assert len(server.requests) == before
    for one, two, three in zip(clean, found, again):
        for field in ("answer", "probability", "bounds", "scores", "correct", "abstained", "trace"):
            assert one[field] == two[field] == three[field]
        assert one["usage"]["oracle_calls"] == two["usage"]["oracle_calls"] == three["usage"]["oracle_calls"]
        assert three["usage"].get("oracle_stored", 0) == three["usage"]["oracle_calls"]
    assert "answered by the cache on disk" in capsys.readouterr().out
    assert main([*CLEVR, "--task", "cache", "--output_dir", str(tmp_path / "faulty" / "x")]) == 0
    listed = capsys.readouterr().out
    assert "coordinates" in listed
    assert str(tmp_path / "faulty" / "oracle-cache.sqlite") in listed.replace("\n", "")
    shutil.rmtree(data)
    assert "4 samples replayed, all equal bit for bit" in elsewhere(tmp_path / "out.zip", tmp_path)


def test_what_failed_for_good_is_said_and_replayed(tmp_path, data, monkeypatch, capsys):
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    monkeypatch.setattr("neptune.servers.client.FIRST_WAIT", 0.005)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.005)
    inner = Faulty(rate=0.0)
    options = ["--vlm_model_name", "openai", "--od_model", "scene", "--dataset", "clevr", "--num_samples", "6"]
    options += ["--vlm_options", json.dumps({"model": "m", "form": "coordinates", "send_picture": False, "retries": 1})]

    def behave(request, number):
        return fails(500) if int(fingerprint(request), 16) % 9 == 4 else inner(request, number)

    with serving(behave) as server:
        records = run(tmp_path / "run", data, *options, "--vlm_options.base_url", server.url)
    failed = sum(r["usage"].get("oracle_failed", 0) for r in records)
    assert failed > 0
    printed = capsys.readouterr().out
    line = f"{failed} oracle calls failed for good, without evidence: {failed} × the server failed (500): it failed"
    assert f"{line}, 2 times" in printed
    assert sum(sum(r.get("oracle_failures", {}).values()) for r in records) == failed
    assert json.loads((tmp_path / "run" / "results.json").read_text())["oracle_failures"]
    packed = pack(tmp_path / "run", tmp_path / "out.zip")
    assert main(["--config", str(packed), "--output_dir", str(tmp_path / "again")]) == 0
    assert timeless(tmp_path / "again") == timeless(tmp_path / "run")


def test_a_run_that_stops_for_want_of_a_server_loses_nothing(tmp_path, data, capsys):
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    options = ["--vlm_model_name", "openai", "--od_model", "scene", "--dataset", "clevr", "--num_samples", "3"]
    options += ["--vlm_options", json.dumps({"model": "m", "form": "coordinates", "send_picture": False, "retries": 0})]
    with serving(lambda request, n: fails(401)) as server:
        words = [*options, "--vlm_options.base_url", server.url]
        assert main([*CLEVR, "--data_dir", str(data), "--output_dir", str(tmp_path / "run"), *words]) == 2
        assert "The server refuses the key (401)" in capsys.readouterr().err.splitlines()[-1]
        samples = tmp_path / "run" / "samples.jsonl"
        assert not samples.exists() or not samples.read_text()  # no sample is charged with it
        server.behave = Faulty(rate=0.0)
        assert main([*CLEVR, "--data_dir", str(data), "--output_dir", str(tmp_path / "run"), *words]) == 0
    assert len(lines(tmp_path / "run")) == 3


# --- files that are no bundle, or are not what they were ---


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    run(folder / "run", ROOT / "examples" / "clevr", "--num_samples", "2", "--schedule", "all")
    return pack(folder / "run", folder / "good.zip")


def rewritten(path: Path, good: Path, change: Any, resign: bool = True) -> Path:
    """Write a bundle whose files are changed; with `resign`, the digests are made to fit."""
    with zipfile.ZipFile(good) as old:
        files = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(files.pop("bundle.json"))
    change(files, manifest)
    if resign:
        manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in files.items():
            new.writestr(name, content)
        new.writestr("bundle.json", json.dumps(manifest))
    return path


def half(path: Path, good: Path) -> Path:
    path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    return path


def flipped(path: Path, good: Path) -> Path:
    content = bytearray(good.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    return path


def text(path: Path, good: Path) -> Path:
    path.write_text("no zip at all")
    return path


def empty(path: Path, good: Path) -> Path:
    path.write_bytes(b"")
    return path


def foreign(path: Path, good: Path) -> Path:
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("holiday.txt", "sun")
    return path


def none(path: Path, good: Path) -> Path:
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (half, "can not be read"),
        (flipped, "can not be read"),
        (text, "can not be read"),
        (empty, "can not be read"),
        (foreign, "list of files is wrong"),
        (none, "does not exist"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.update({"samples.jsonl": b"{}\n"}), False), "not what was packed"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.pop("evidence.jsonl")), "it has no evidence.jsonl"),
        (lambda p, g: rewritten(p, g, lambda f, m: m.update(format=2)), "format 2"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.update({"../../out": b"x"})), "names the file '../../out'"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.update({"/tmp/out": b"x"})), "names the file '/tmp/out'"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.update({"config.json": b"[]"})), "JSON object"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.update({"config.json": b'{"wings": 2}'})), "wings"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.update({"samples.jsonl": b"x\ny\n"})), "damaged"),
        (lambda p, g: rewritten(p, g, lambda f, m: f.update({"evidence.jsonl": b"x\n"})), "malformed"),
    ],
)
def test_damaged_bundles_are_said_in_one_line(tmp_path, good, capsys, make, says):
    path = make(tmp_path / "bad.zip", good)
    assert main(["--config", str(path), "--output_dir", str(tmp_path / "again")]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1
    assert error.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_evidence_that_was_changed_shows(tmp_path, good, capsys):
    """A replay computes: with other answers of the oracle, other answers come out, and are named."""

    def weaken(files, manifest):
        rows = [json.loads(line) for line in files["evidence.jsonl"].splitlines()]
        for row in rows:
            if row["kind"] == "score":
                row["logits"] = row["mass"]  # all of them 1: yes, p = 0.73
        files["evidence.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()

    path = rewritten(tmp_path / "changed.zip", good, weaken)
    assert main(["--config", str(path), "--output_dir", str(tmp_path / "again")]) == 2
    error = capsys.readouterr().err
    assert "2 of 2 samples differ from the record" in error
    assert "is now" in error


def test_fields_do_not_go_with_a_bundle(tmp_path, good, capsys):
    assert main(["--config", str(good), "--logic", "product"]) == 2
    assert "no other field" in capsys.readouterr().err


def test_a_run_without_a_record_can_not_be_packed(tmp_path, capsys):
    run(tmp_path / "run", ROOT / "examples" / "clevr", "--num_samples", "1", "--record_oracle", "null")
    assert not (tmp_path / "run" / "evidence.jsonl").exists()
    with pytest.raises(ConfigError, match=r"has no evidence\.jsonl"):
        pack(tmp_path / "run", tmp_path / "out.zip")
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        pack(tmp_path, tmp_path / "out.zip")


def test_only_the_run_of_a_dataset_is_packed(capsys):
    words = ["--task", "ask", "--image", "x.png", "--question", "q", "--bundle", "x.zip"]
    assert main([*CLEVR, *words]) == 2
    assert "'bundle' does not go with task ask" in capsys.readouterr().err


def test_pruning_by_task(tmp_path, capsys):
    from neptune.perception.oracle.caching.store import Asked, OracleStore

    path = tmp_path / "oracle-cache.sqlite"
    words = [*CLEVR, "--task", "cache", "--oracle_cache", str(path)]
    assert main(words) == 2
    assert "There is no cache" in capsys.readouterr().err
    for model in ("old", "new"):
        asked = Asked(json.dumps({"adapter": "openai", "model": model}), "p", "score", "q", 1)
        OracleStore(path).put([(asked, b"c", (1.0, 1.0))])
    assert main([*words, "--prune", "older"]) == 2
    assert main([*words, "--prune", "old"]) == 0
    assert "Removed 1 answers of 1 oracles." in capsys.readouterr().out
    assert [json.loads(r["identity"])["model"] for r in OracleStore(path).contents()] == ["new"]


# --- what programs meant -------------------------------------------------------------------------

VERSION_1 = Path(__file__).with_name("version-1.zip")
"""Packed before bundles said what programs mean: 24 questions, a noisy oracle, eleven of them describe."""


def claiming(path: Path, bundle: Path, semantics: int) -> Path:
    """Return a copy of a bundle that says that its programs had another meaning."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "bundle.json":
                content = json.dumps(json.loads(content) | {"semantics": semantics}).encode()
            new.writestr(name, content)
    return path


def test_a_bundle_of_the_first_semantics_replays_under_its_own_rule(tmp_path, capsys):
    assert main(["--config", str(VERSION_1), "--output_dir", str(tmp_path / "again")]) == 0
    assert "24 samples replayed, all equal bit for bit" in capsys.readouterr().out


def test_under_todays_rule_its_answers_are_others(tmp_path, capsys):
    claimed = claiming(tmp_path / "claimed.zip", VERSION_1, 2)
    assert main(["--config", str(claimed), "--output_dir", str(tmp_path / "again")]) == 2
    assert "differ from the record" in capsys.readouterr().err


def test_a_bundle_says_what_programs_mean(good):
    with zipfile.ZipFile(good) as bundle:
        assert json.loads(bundle.read("bundle.json"))["semantics"] == 3


def test_a_bundle_of_a_later_meaning_is_refused(tmp_path, good, capsys):
    path = claiming(tmp_path / "later.zip", good, 4)
    assert main(["--config", str(path), "--output_dir", str(tmp_path / "x")]) == 2
    assert "semantics" in capsys.readouterr().err
