"""The report: well-formed, self-contained, safe; and annotated pictures."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neptune.errors import WriteError
from neptune.html import RAMP, score_color
from neptune.runs.evaluate.summary import summarise
from neptune.runs.report import write_report
from neptune.runs.report.annotate import annotate
from neptune.runs.report.build import EMBEDDED
from neptune.runs.report.data import PAGES

VOID = {"meta", "img", "input", "br", "hr", "link"}
EVIL = '</script><script>alert(1)</script><!-- & "quotes" \u2028 ünïcode'


class Checker(HTMLParser):
    """Fails on tags that do not nest, and collects addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.scripts: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attributes if k in ("src", "href", "action", "data", "poster")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, tag
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.scripts.append(data)


def sample(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "dataset": "clevr",
        "family": "count",
        "question": f"How many? {EVIL}",
        "program": "count(Object, lambda x: x < 3)",
        "answer": 3,
        "expected": 4,
        "correct": number % 2 == 0,
        "probability": 0.75,
        "boxes": [[1.0, 2.0, 30.0, 40.0]],
        "size": [480, 320],
        "scores": [0.25],
        "trace": [{"line": 1, "source": "a < b", "value": "yes", "scores": [0.5]}],
        "usage": {"oracle_calls": 3},
        "seconds": 0.1,
        **fields,
    }


def build(folder: Path, records: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    datasets = {r["dataset"] for r in records} or {"clevr"}
    totals = {d: sum(r["dataset"] == d for r in records) for d in sorted(datasets)}
    page = write_report(folder, records, summarise(records, totals)).read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.stack == []
    assert checker.addresses == ["data:,"]  # no icon is asked for
    assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", page.replace(r'"http:/" + "/www.w3.org', ""))
    assert "@import" not in page
    assert "url(" not in page
    facts, index, pictures, *chunks, script = checker.scripts
    assert not any("<" in data for data in (facts, index, pictures, *chunks))
    assert "DecompressionStream" in script
    samples = [sample for chunk in chunks for sample in unpack(chunk)]
    return page, {"index": unpack(index), "pictures": unpack(pictures), "samples": samples}


def unpack(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_pictures_are_embedded_once(tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    Image.new("RGB", (1000, 500), "red").save(path)
    records = [sample(i, picture=str(path)) for i in range(3)] + [sample(3, picture=str(tmp_path / "gone.png"))]
    records.append({"id": "e", "dataset": "clevr", "error": "The picture can not be read", "correct": False})
    page, data = build(tmp_path / "run", records)
    first, gone = data["pictures"]
    assert first.startswith("data:image/jpeg;base64,")
    assert gone == ""
    assert data["index"]["picture"] == [0, 0, 0, 1, None]
    assert data["index"]["question"][0].endswith(EVIL)
    assert data["index"]["state"] == {"of": ["right", "wrong", "error"], "at": [0, 1, 0, 1, 2]}
    assert data["index"]["doubt"] == [0.25] * 4 + [None]
    assert data["samples"][0]["trace"][0]["scores"] == [0.5]
    assert EVIL not in page
    assert "prefers-color-scheme: dark" in page
    assert "40.0%" in page


def test_many_pictures_are_referred_to(tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    Image.new("RGB", (10, 10)).save(path)
    _, data = build(tmp_path / "run", [sample(i, picture=str(path)) for i in range(EMBEDDED + 1)])
    assert data["pictures"] == ["../a%20picture.png"]
    assert len(data["samples"]) == EMBEDDED + 1
    assert data["index"]["id"][-1] == f"s{EMBEDDED}"


def test_several_datasets_and_none(tmp_path: Path) -> None:
    page, data = build(tmp_path / "two", [sample(0), sample(1, dataset="clevr-rpm")])
    assert data["index"]["dataset"]["of"] == ["clevr", "clevr-rpm"]
    assert "<h2>Datasets</h2>" in page
    page, data = build(tmp_path / "none", [])
    assert data["samples"] == []
    assert "<h2>Datasets</h2>" not in page


def test_colours() -> None:
    assert score_color(0) == score_color(-1) == RAMP[0]
    assert score_color(0.5) == RAMP[1]
    assert score_color(1) == score_color(2) == RAMP[2]


@pytest.mark.parametrize("size", [(480, 320), (40, 30), (2000, 1000)])
def test_annotated_picture(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "white")
    box = [size[0] * 0.25, size[1] * 0.25, size[0] * 0.75, size[1] * 0.75]
    drawn = annotate(image, [box, box], [0.0, 1.0], [1], "A long question? " * 12, "yes")
    assert drawn.width == max(320, size[0])
    assert drawn.height > drawn.width * size[1] / size[0]
    assert (np.asarray(image) == 255).all()  # a copy was drawn on
    scale = drawn.width / size[0]
    assert drawn.getpixel((round(box[0] * scale) + 1, round((box[1] + box[3]) / 2 * scale))) == score_color(1)
    assert annotate(image, []).size == (drawn.width, round(size[1] * scale))


def test_the_data_of_many_samples_lies_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptune.runs.report.build.PAGED", 7)
    monkeypatch.setattr("neptune.runs.report.build.PAGED_CHUNK", 3)
    run = tmp_path / "run"
    (run / PAGES / "not-ours").mkdir(parents=True)
    records = [sample(i, picture=str(tmp_path / f"{i // 2}.png")) for i in range(20)]
    for again in range(2):  # the second page takes the place of the first, with all that lies beside it
        page, inside = build(run, records)
        folders = sorted(p for p in (run / PAGES).iterdir() if p.name != "not-ours")
        assert len(folders) == 1, again
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', page)[1])  # type: ignore[index]
    assert (facts["beside"], facts["blocks"], facts["samples"]) == (f"{PAGES}/{folders[0].name}", 3, 20)
    assert inside["samples"] == []
    assert len(inside["index"]["id"]) == 7
    files = {path.stem: path.read_text() for path in folders[0].iterdir()}
    data = {}
    for name, text in files.items():
        found = re.fullmatch(rf'data\("{name}","([A-Za-z0-9+/=]+)"\);\n', text)  # nothing else can stand in a script
        assert found is not None, text[:80]
        data[name] = unpack(found[1])
    chunks = [data[f"chunk-{k}"] for k in range(7)]
    assert [len(chunk) for chunk in chunks] == [3] * 6 + [2]
    rest = [data[f"index-{k}"] for k in (1, 2)]
    assert set(data) == {f"chunk-{k}" for k in range(7)} | {"index-1", "index-2"}
    ids = inside["index"]["id"] + [name for block in rest for name in block["index"]["id"]]
    assert ids == [str(record["id"]) for record in records]
    # Pictures are numbered on from block to block; each is written where it is new.
    assert len(inside["pictures"]) + sum(len(block["pictures"]) for block in rest) == 10
    places = inside["index"]["picture"] + [place for block in rest for place in block["index"]["picture"]]
    assert places == [i // 2 for i in range(20)]
    whole, alone = build(tmp_path / "whole", records[:5])
    assert "report-pages/" not in re.search(r'id="facts">(.*?)</script>', whole)[1]  # type: ignore[index]
    assert alone["samples"] == [s for chunk in chunks for s in chunk][:5]
    build(run, records[:5])  # a small page leaves nothing beside it
    assert [p.name for p in (run / PAGES).iterdir()] == ["not-ours"]


def test_data_that_can_not_be_written_beside_the_page_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptune.runs.report.build.PAGED", 3)
    run = tmp_path / "run"
    run.mkdir()
    (run / PAGES).write_text("a file")
    with pytest.raises(WriteError, match="data of the report"):
        build(run, [sample(i) for i in range(5)])
