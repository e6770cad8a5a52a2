"""Bundles that were made to harm: bounded in time and memory, no foreign file in any output, one line each."""

from __future__ import annotations

import hashlib
import json
import random
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.mutated import mutate
from PIL import Image

from neptune.cli import main
from neptune.errors import ConfigError, NeptuneError
from neptune.runs.record import bundle as bundles
from neptune.runs.record.bundle import pack, unpack
from neptune.runs.record.pictures import RecordedPictures

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-secret-0123456789"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    words = ["--config", str(ROOT / "configs" / "clevr.json"), "--data_dir", str(ROOT / "examples" / "clevr")]
    assert main([*words, "--num_samples", "2", "--output_dir", str(folder / "run")]) == 0
    return pack(folder / "run", folder / "good.zip")


def parts(path: Path) -> tuple[Files, dict[str, Any]]:
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()}
    return files, json.loads(files.pop("bundle.json"))


def built(path: Path, files: Files, manifest: Any, *, sign: bool = True, how: int = zipfile.ZIP_DEFLATED) -> Path:
    if sign and isinstance(manifest, dict):
        manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    with zipfile.ZipFile(path, "w", how) as new:
        for name, content in files.items():
            new.writestr(name, content)
        new.writestr("bundle.json", manifest if isinstance(manifest, str) else json.dumps(manifest))
    return path


def line(files: Files, name: str, change: Callable[[dict[str, Any]], Any], at: int = 0) -> None:
    """Change one line of a file of JSON lines."""
    rows = [json.loads(row) for row in files[name].splitlines()]
    change(rows[at])
    files[name] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def config(files: Files, **fields: Any) -> None:
    files["config.json"] = json.dumps(json.loads(files["config.json"]) | fields).encode()


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def first(files: Files, kind: str) -> int:
    """Return the place of the first line of a kind in the evidence."""
    rows = [json.loads(row) for row in files["evidence.jsonl"].splitlines()]
    return next(k for k, row in enumerate(rows) if row["kind"] == kind)


Attack = Callable[[Files, dict[str, Any], Path], Any]
LIST = "list of files is wrong"
ATTACKS: dict[str, tuple[Attack, str]] = {
    # Names and files.
    "a path above": (lambda f, m, p: f.update({"../../out": b"x"}), "names the file"),
    "an absolute path": (lambda f, m, p: f.update({"/tmp/out": b"x"}), "names the file"),
    "a path of another system": (lambda f, m, p: f.update({"pictures\\..\\..\\out.png": b"x"}), "names the file"),
    "a start-up file": (lambda f, m, p: f.update({".bashrc": b"x"}), "names the file"),
    "a page as a picture": (lambda f, m, p: f.update({"pictures/0.html": b"<script>"}), "names the file"),
    "a module": (lambda f, m, p: f.update({"files/vocabulary.py": b"x"}), "names the file"),
    "a nul in a name": (lambda f, m, p: f.update({"pictures/0\0.png": b"x"}), "can not be read"),
    "a picture of the receiver": (lambda f, m, p: m["pictures"].update({str(p): str(p)}), LIST),
    "a vocabulary of the receiver": (lambda f, m, p: config(f, vocabulary=str(p.with_name("key.json"))), "vocabulary"),
    "parameters of the receiver": (
        lambda f, m, p: config(f, logic_params=str(p.with_name("key.json"))),
        "logic_params",
    ),
    # The manifest.
    "no object": (lambda f, m, p: m.clear(), "format"),
    "a list of files that is a list": (lambda f, m, p: m.update(files=["config.json"], _keep=1), LIST),
    "a digest that is none": (lambda f, m, p: m.update(files={"config.json": "x"}, _keep=1), LIST),
    "samples without end": (lambda f, m, p: m.update(samples=1e400), LIST),
    "a deep manifest": (lambda f, m, p: m.update(more=deep(300)), LIST),
    # Sizes.
    "a file of zeros": (lambda f, m, p: f.update({"evidence.jsonl": b"\n" * 200_000_000}), "made to do harm"),
    "a picture of zeros": (lambda f, m, p: f.update({"pictures/9.png": b"\0" * 70_000_000}), "bytes unpacked"),
    # Records.
    "an id that is a list": (lambda f, m, p: line(f, "samples.jsonl", lambda r: r.update(id=[1])), "record 0: id"),
    "a usage of texts": (
        lambda f, m, p: line(f, "samples.jsonl", lambda r: r.update(usage={"oracle_calls": "9"})),
        "usage",
    ),
    "calls without end": (
        lambda f, m, p: line(f, "samples.jsonl", lambda r: r["usage"].update(oracle_calls=1e308)),
        "calls",
    ),
    "evidence of nowhere": (lambda f, m, p: line(f, "samples.jsonl", lambda r: r.update(evidence="../1")), "evidence"),
    "a program that is a dict": (lambda f, m, p: line(f, "samples.jsonl", lambda r: r.update(program={})), "program"),
    "a deep answer": (lambda f, m, p: line(f, "samples.jsonl", lambda r: r.update(answer=deep(200))), "nested deeper"),
    "a weight that is no number": (
        lambda f, m, p: line(f, "samples.jsonl", lambda r: r.update(programs=[{"program": "1", "weight": None}])),
        "weight",
    ),
    "results of texts": (
        lambda f, m, p: f.update({"results.json": b'{"by_dataset": {"clevr": {"n": "9"}}}'}),
        "by_dataset",
    ),
    # Evidence.
    "boxes beyond": (
        lambda f, m, p: line(f, "evidence.jsonl", lambda r: r.update(boxes="AACAfw==" * 4), first(f, "scene")),
        "malformed",
    ),
    "a scene of texts": (
        lambda f, m, p: line(f, "evidence.jsonl", lambda r: r.update(size=["a", "b"]), first(f, "scene")),
        "malformed",
    ),
    "objects that are texts": (
        lambda f, m, p: line(f, "evidence.jsonl", lambda r: r.update(objects=["ab"]), first(f, "score")),
        "malformed",
    ),
    "a deep line": (lambda f, m, p: f.update({"evidence.jsonl": b"[" * 100_000 + b"\n"}), "malformed"),
    # Limits.
    "limits that are texts": (lambda f, m, p: config(f, limits={"nodes": "many"}), "limits"),
    "limits of nothing": (lambda f, m, p: config(f, limits={"nodes": -1}), "limits"),
}


def test_thirty_of_them() -> None:
    assert len(ATTACKS) >= 30


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_attack_is_one_line(kind: str, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attack, says = ATTACKS[kind]
    private = tmp_path / "private.png"
    Image.new("RGB", (16, 16), "red").save(private)
    (tmp_path / "key.json").write_text(json.dumps({"name": SECRET}))
    files, manifest = parts(good)
    attack(files, manifest, private)
    path = built(tmp_path / "bad.zip", files, manifest, sign=not manifest.pop("_keep", False) and "format" in manifest)
    files.clear()
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert main(["--config", str(path), "--output_dir", str(tmp_path / "again")]) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1, error
    assert error.startswith("error: ")
    assert says in error
    assert SECRET not in error
    assert time.process_time() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes
    assert not (tmp_path / "again").exists()
    assert not (tmp_path / "out").exists()


def test_zips_that_are_none_a_run_writes(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, manifest = parts(good)
    two = built(tmp_path / "two.zip", files, manifest)
    with zipfile.ZipFile(two, "a") as bundle, pytest.warns(UserWarning, match="Duplicate"):
        bundle.writestr("samples.jsonl", b"{}\n")
    packed = built(tmp_path / "bz.zip", files, manifest, how=zipfile.ZIP_BZIP2)
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as bundle:
        for k in range(bundles.MOST_ENTRIES + 1):
            bundle.writestr(f"pictures/{k}.png", b"")
    for path, says in ((two, "twice"), (packed, "packed in a way"), (many, "files, and")):
        with pytest.raises(ConfigError, match=says):
            unpack(path, tmp_path / "there")
    monkeypatch.setattr(bundles, "MAX_TOTAL", 1_000)
    with pytest.raises(ConfigError, match="unpacked it has"):
        unpack(good, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_picture_of_the_receivers_disk_is_not_shown(good: Path, tmp_path: Path) -> None:
    """The bundle names it in a record, without holding it."""
    private = tmp_path / "private.png"
    Image.new("RGB", (16, 16), "red").save(private)
    files, manifest = parts(good)
    line(files, "samples.jsonl", lambda r: r.update(picture=str(private)))
    for name in [n for n in files if n.startswith("pictures/")]:
        del files[name]
    manifest["pictures"] = dict.fromkeys(manifest["pictures"])
    config(files, data_dir=str(tmp_path), follow_links=True)
    path = built(tmp_path / "bad.zip", files, manifest)
    main(["--config", str(path), "--output_dir", str(tmp_path / "again")])
    assert "data:image/jpeg" not in embedded(tmp_path / "again" / "report.html")
    assert not list((tmp_path / "again").glob("pictures/*"))
    assert main(["report", str(tmp_path / "again")]) == 0  # nor when the report is written anew
    assert "data:image/jpeg" not in embedded(tmp_path / "again" / "report.html")


def embedded(report: Path) -> str:
    """Return the texts in a page and in what it holds deflated."""
    import base64
    import re
    import zlib

    page = report.read_text(encoding="utf-8")
    found = [page]
    for packed in re.findall(r">([A-Za-z0-9+/=]{8,})<", page):
        try:
            found.append(zlib.decompress(base64.b64decode(packed)).decode("utf-8", "replace"))
        except (zlib.error, ValueError):
            continue
    return "\n".join(found)


def test_a_picture_that_is_none_is_left_out(good: Path, tmp_path: Path) -> None:
    files, manifest = parts(good)
    (name, *_) = [n for n in files if n.startswith("pictures/")]
    files[name] = b"<script>alert(1)</script>"
    assert main(["--config", str(built(tmp_path / "b.zip", files, manifest)), "--output_dir", str(tmp_path / "r")]) == 0
    assert not (tmp_path / "r" / name).exists()
    assert "alert(1)" not in embedded(tmp_path / "r" / "report.html")


def test_a_bundle_raises_no_limit(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, manifest = parts(good)
    config(files, limits={"iterations": 10**9, "nodes": 10**9, "statements": 50})
    hungry = "n = 0\nfor i in range(300000):\n    n = i\nn"
    line(files, "samples.jsonl", lambda r: r.update(program=hungry))
    path = built(tmp_path / "bad.zip", files, manifest)
    begun = time.process_time()
    assert main(["--config", str(path), "--output_dir", str(tmp_path / "again")]) == 2
    said = capsys.readouterr().err
    assert time.process_time() - begun < 20
    assert "higher limits (iterations, nodes)" in said
    record = json.loads((tmp_path / "again" / "samples.jsonl").read_text().splitlines()[0])
    assert "iterations" in record["error"]
    # Who trusts it says so; and a limit that it lowers is kept.
    words = ["--config", str(path), "--output_dir", str(tmp_path / "more"), "--limits.iterations", "1000000"]
    main(words)
    record = json.loads((tmp_path / "more" / "samples.jsonl").read_text().splitlines()[0])
    assert "statements" in record["error"]
    assert main([*words[:4], "--limits.wings", "3"]) == 2
    assert "no limit 'wings'" in capsys.readouterr().err


def test_links_in_a_run_folder_are_not_packed(good: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    unpack(good, tmp_path / "run")
    (tmp_path / "run" / "errors.log").symlink_to(tmp_path / "key")
    with pytest.raises(NeptuneError, match="link"):
        pack(tmp_path / "run", tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_records_that_name_other_files_do_not_pack_them(good: Path, tmp_path: Path) -> None:
    (tmp_path / "key.png").write_text(SECRET)
    Image.new("RGB", (16, 16), "red").save(tmp_path / "private.png")
    data = tmp_path / "data"
    data.mkdir()
    Image.new("RGB", (16, 16), "blue").save(data / "mine.png")
    (data / "link.png").symlink_to(tmp_path / "private.png")
    (data / "page.html").write_text("<script>")
    named = [tmp_path / "key.png", tmp_path / "private.png", data / "link.png", data / "page.html", data / "mine.png"]
    files, manifest = parts(good)
    row = json.loads(files["samples.jsonl"].splitlines()[0])
    rows = [row | {"id": f"s{k}", "picture": str(path)} for k, path in enumerate(named)]
    files["samples.jsonl"] = b"".join(json.dumps(r).encode() + b"\n" for r in rows)
    unpack(built(tmp_path / "b.zip", files, manifest), tmp_path / "run")
    packed = pack(tmp_path / "run", tmp_path / "out.zip", True, RecordedPictures([data]))
    kept, found = parts(packed)
    assert [name for name in found["pictures"].values() if name] == ["pictures/4.png"]
    assert kept["pictures/4.png"] == (data / "mine.png").read_bytes()
    assert not any(SECRET.encode() in content for content in kept.values())


def test_mutated_bundles_end_in_one_line(good: Path, tmp_path: Path, full: bool, capsys: Any) -> None:
    """Values anywhere in its JSON, bytes of its parts, and of the zip itself."""
    rng = random.Random(11)
    files, manifest = parts(good)
    small = {name: content for name, content in files.items() if not name.startswith(("pictures/", "report"))}
    manifest["pictures"] = {}
    odd = [None, True, -1, 0, 1e308, 10**20, float("nan"), "", "../x", "x" * 3_000, [], {}, [[]], deep(45), [None] * 5]
    path = tmp_path / "m.zip"
    begun, worst = time.process_time(), 0.0
    for number in range(5_000 if full else 120):
        changed, listed = dict(small), json.loads(json.dumps(manifest))
        name = rng.choice([n for n in changed if n != "errors.log"])
        if number % 4 == 0:
            listed["files"] = {n: hashlib.sha256(c).hexdigest() for n, c in changed.items()}
            mutate(listed, rng, odd)
            built(path, changed, listed, sign=False)
        elif number % 4 == 1:
            blob = bytearray(built(path, changed, listed).read_bytes())
            for _ in range(rng.randrange(1, 5)):
                blob[rng.randrange(len(blob))] = rng.randrange(256)
            path.write_bytes(bytes(blob))
        else:
            lines = changed[name].splitlines(keepends=True) if name.endswith(".jsonl") else [changed[name]]
            at = rng.randrange(len(lines))
            tree = json.loads(lines[at])
            mutate(tree, rng, odd)
            text = json.dumps(tree).encode() + b"\n"
            if number % 12 == 2:
                place = rng.randrange(len(text))
                text = text[:place] + rng.choice([b"}", b"[", b'"', b"\xff", b"\0"]) + text[place:]
            changed[name] = b"".join([*lines[:at], text, *lines[at + 1 :]])
            built(path, changed, listed)
        start = time.process_time()
        code = main(["--config", str(path), "--output_dir", str(tmp_path / "out")])
        worst = max(worst, time.process_time() - start)
        assert code in (0, 2), number
        assert "Traceback" not in capsys.readouterr().err
    assert worst < 20
    assert time.process_time() - begun < (5_000 if full else 300)
