"""A run over a dataset of forty hostile records: it ends with what was good, and nothing foreign is in any output."""

from __future__ import annotations

import base64
import json
import re
import resource
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from neptune.cli import main

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-secret-0123456789"


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def hostile(data: Path, outside: Path) -> list[str]:
    """Write what the records name, and return their lines."""
    good = {"image": "good.png", "question": "Is anything red?", "program": "exists(Object, lambda x: red(x))"}
    (data / "evil.html").write_text(f"<script>{SECRET}</script>")
    (data / "evil.png").write_text("<script>alert(1)</script>")
    (data / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    (data / "empty.png").write_bytes(b"")
    (data / "cut.png").write_bytes((data / "good.png").read_bytes()[:70])
    (data / "key.png").symlink_to(outside / "key")
    (data / "private.png").symlink_to(outside / "private.png")
    (data / "gone.png").symlink_to(outside / "none.png")
    (data / "loop.png").symlink_to(data / "loop.png")
    (data / "folder.png").mkdir()
    (data / "images").symlink_to(outside)
    (data / "bomb.png").write_bytes(b"P6 13341 13341 255\n")
    images: list[Any] = [
        "evil.html", "evil.png", "eps.png", "empty.png", "cut.png", "key.png", "private.png", "gone.png", "loop.png",
        "folder.png", "images/private.png", "bomb.png", "none.png", "../outside/private.png", "/dev/zero",
        str(outside / "private.png"), "", ".", "a\0.png", "x" * 5_000, "\u202egnp.png", 7, None, ["good.png"], {"a": 1},
        "http://127.0.0.1:9/a.png", "file:///etc/passwd",
    ]  # fmt: skip
    lines = [json.dumps(good | {"image": image}) for image in images]
    fields: list[dict[str, Any]] = [
        {"box": [1e308, 0, 1e308, 9]}, {"box": [0, 0, 0, 0]}, {"box": "0 0 9 9"}, {"answer": {}}, {"question": 3},
        {"question": "x" * 100_000}, {"program": "open('/etc/passwd')"}, {"program": ["1"]}, {"wings": 2},
    ]  # fmt: skip
    lines += [json.dumps(good | more) for more in fields]
    lines += ["{torn", deep(100_000), '{"image": "good.png", "question": ' + deep(50_000) + "}", "null"]
    lines += [
        '{"image": "good.png", "question": "a", "question": "b"}',
        '{"image": "good.png", "question": "' + "\\ud800" * 3 + '"}',
    ]
    lines += ['{"image": "good.png", "question": "x", "answer": ' + "9" * 5_000 + "}"]
    kept = json.dumps(good | {"id": "good"})
    return [kept, *lines, json.dumps(good | {"id": "last"})]


def texts(path: Path) -> str:
    """Return all that a file says, also what a page or a bundle holds deflated."""
    content = path.read_bytes()
    found = [content.decode("utf-8", "replace")]
    for packed in re.findall(rb">([A-Za-z0-9+/=]{8,})<", content):
        try:
            found.append(zlib.decompress(base64.b64decode(packed)).decode("utf-8", "replace"))
        except (zlib.error, ValueError):
            continue
    return "\n".join(found)


def test_forty_hostile_records(tmp_path: Path, capsys: Any) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    data.mkdir()
    outside.mkdir()
    (outside / "key").write_text(SECRET)
    Image.new("RGB", (64, 48), (1, 2, 3)).save(outside / "private.png")
    (data / "good.png").write_bytes((ROOT / "examples" / "clevr" / "images" / "CLEVR_val_000004.png").read_bytes())
    lines = hostile(data, outside)
    assert len(lines) >= 42
    (data / "questions.jsonl").write_text("\n".join(lines))
    (tmp_path / "config.json").write_text(
        json.dumps({"dataset": "folder", "data_dir": str(data), "vlm_model_name": "random", "od_model": "embedded"})
    )
    words = ["--config", str(tmp_path / "config.json"), "--output_dir", str(tmp_path / "run"), "--vocabulary", "clevr"]
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    code = main([*words, "--bundle", str(tmp_path / "out.zip")])
    said = capsys.readouterr()
    assert code == 2
    assert time.process_time() - begun < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # kilobytes, with the model
    rows = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(lines)
    by_id = {row["id"]: row for row in rows}
    assert by_id["good"]["error"] is by_id["last"]["error"] is None
    assert not [row for row in rows if row["error_kind"] == "bug"], [
        r["error"] for r in rows if r["error_kind"] == "bug"
    ]
    outputs = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    whole = "\n".join([*map(texts, outputs), said.out, said.err])
    assert SECRET not in whole
    assert base64.b64encode(SECRET.encode()).decode()[:12] not in whole
    assert "root:x:0:" not in whole
    shown = re.findall(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", whole)
    assert len(set(shown)) == 1, "the good one"
    private = (outside / "private.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "out.zip") as bundle:
        packed = {name: bundle.read(name) for name in bundle.namelist()}
    assert not any(private in content or SECRET.encode() in content for content in packed.values())
    assert [n for n in packed if n.startswith("pictures/")] == ["pictures/0.png"]
    assert not list(tmp_path.rglob("*.tmp"))
