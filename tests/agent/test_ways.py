"""Datasets in conversations: V* and VLMsAreBlind as they are published, and three ways to answer compared."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import serving
from helpers.openai_asked import no_waits
from PIL import Image

from neptune.answer import Answer
from neptune.cli import main
from neptune.errors import DatasetError
from neptune.runs.talks.ways import summary, table
from neptune.tasks import load
from neptune.tasks.detail.choices import chosen, shuffled


def vstar(folder: Path, n: int = 3) -> Path:
    for category in ("direct_attributes", "relative_position"):
        (folder / category).mkdir(parents=True)
        for k in range(n):
            Image.new("RGB", (64, 48), (40 * k, 90, 120)).save(folder / category / f"sa_{k}.jpg")
            said = {
                "target_object": ["cup"],
                "bbox": [[1, 2, 3, 4]],
                "question": "What is the color of the cup?",
                "options": ["The color of the cup is red.", "The color of the cup is blue.", "The cup is green."],
            }
            (folder / category / f"sa_{k}.json").write_text(json.dumps(said))
    return folder


def said(text: str) -> Answer:
    return Answer(text, "text")


def test_vstar_is_read_and_its_options_are_in_another_order(tmp_path: Path) -> None:
    task = load("vstar", vstar(tmp_path))
    assert [s.id for s in task.samples][:2] == ["vstar-direct_attributes-sa_0", "vstar-direct_attributes-sa_1"]
    orders = {tuple(s.extra["choices"]) for s in task.samples}
    assert len(orders) > 1
    for sample in task.samples:
        sample.check()
        assert sample.picture is not None
        assert sample.picture.size == (64, 48)
        letter = "ABC"[sample.extra["choices"].index("The color of the cup is red.")]
        assert f"({letter}) The color of the cup is red." in sample.question
        for right in (
            letter,
            f"({letter})",
            f"{letter}.",
            "The color of the cup is red.",
            "the color of the cup is red",
        ):
            assert task.judge(sample, said(right)), right
        other = next(c for c in "ABC" if c != letter)
        for wrong in (other, f"({other})", "The cup is green.", "", "D", "all of them"):
            assert task.judge(sample, said(wrong)) is False, wrong
        assert task.judge(sample, Answer(None, "nothing", abstained=True)) is False
    assert len(load("vstar", tmp_path, split="relative_position").samples) == 3
    with pytest.raises(DatasetError, match="did you mean"):
        load("vstar", tmp_path, split="relative_positions")
    with pytest.raises(DatasetError, match="No question is there"):
        load("vstar", tmp_path / "direct_attributes")


BAD = {
    "no JSON": "{",
    "a list": "[]",
    "no question": '{"options": ["a", "b"]}',
    "one option": '{"question": "q", "options": ["a"]}',
    "an option twice": '{"question": "q", "options": ["a", "a"]}',
    "options of numbers": '{"question": "q", "options": [1, 2]}',
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_bad_file_of_vstar_is_its_own_sample_alone(text: str, tmp_path: Path) -> None:
    folder = vstar(tmp_path)
    (folder / "direct_attributes" / "sa_1.json").write_text(text)
    samples = load("vstar", folder).samples
    assert [s.problem is None for s in samples] == [True, False, True, True, True, True]


def test_a_picture_that_is_missing_or_a_link_out_is_its_own_samples_problem(tmp_path: Path) -> None:
    folder = vstar(tmp_path / "data")
    (folder / "direct_attributes" / "sa_0.jpg").unlink()
    Image.new("RGB", (5, 5)).save(tmp_path / "elsewhere.jpg")
    (folder / "direct_attributes" / "sa_1.jpg").unlink()
    (folder / "direct_attributes" / "sa_1.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    assert [s.problem is None for s in load("vstar", folder).samples][:3] == [False, False, True]


CHOSEN = [
    ("A", 0), ("(b)", 1), ("B. blue", 1), ("blue", 1), ("It is blue.", 1), ("red or blue", None), ("z", None),
    ("a red thing", 0), ("Answer: (B)", 1), ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "option"), CHOSEN)
def test_options_are_named_by_letter_or_words(text: str, option: int | None) -> None:
    assert chosen(text, ["red", "blue"]) == option
    assert shuffled(["a", "b", "c"], "k") == shuffled(["a", "b", "c"], "k")


def test_vlmsareblind_is_read_from_parquet(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra 'data' is not installed")
    kept = io.BytesIO()
    Image.new("RGB", (30, 20), "white").save(kept, "PNG")
    rows = [
        {"image": {"bytes": kept.getvalue(), "path": None}, "task": "Line Plot Intersections",
         "prompt": "How many times do the lines cross? Answer in curly brackets, e.g. {3}.", "groundtruth": "2"},
        {"image": {"bytes": kept.getvalue(), "path": None}, "task": "Touching Circles",
         "prompt": "Are the circles touching? Answer with Yes/No.", "groundtruth": "Yes"},
        {"image": {"bytes": b"no picture", "path": None}, "task": "x", "prompt": "?", "groundtruth": "1"},
    ]  # fmt: skip
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "valid-00000.parquet"))
    task = load("vlmsareblind", tmp_path)
    first, second, third = task.samples
    assert third.problem is not None
    assert task.judge(first, said("{2}"))
    assert task.judge(first, Answer(2, "number"))
    assert not task.judge(first, said("{3}"))
    assert task.judge(second, Answer(True, "truth"))
    assert not task.judge(second, said("No"))
    assert (first.family, task.show_expected(first)) == ("Line Plot Intersections", "2")


def test_three_ways_are_compared_by_one_command_which_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="the extra 'openai' is not installed")
    no_waits(monkeypatch)
    (tmp_path / "data").mkdir()
    lines = []
    for k in range(6):
        Image.new("RGB", (40, 30), (40 * k,) * 3).save(tmp_path / "data" / f"{k}.png")
        lines.append(
            {"image": f"{k}.png", "question": f"Is it bright? ({k})", "answer": "yes" if 40 * k > 90 else "no"}
        )
    (tmp_path / "data" / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))

    def behave(request: dict[str, Any], number: int) -> str:
        messages = request["messages"]
        if "one program a turn" not in messages[0]["content"]:
            return "yes"  # the direct way: always the same
        if "You have 1 turns" in messages[0]["content"]:
            return "```python\nimage_clue_0.statistics()\n```"  # one program, without an answer
        if len(messages) == 2:
            return "```python\ndef light(p):\n    return p.statistics()['mean']\nlight(image_clue_0)\n```"
        return "```python\nreturn 'yes' if light(image_clue_0) > 90 else 'no'\n```"

    words = ["agent", "--dataset", "folder", "--data_dir", str(tmp_path / "data"), "--split", "train"]
    words = ["run", "agent", *words[1:], "--ways", "direct", "program", "turns", "--output_dir", str(tmp_path / "out")]
    words += ["--code_gen_provider", "local", "--code_gen_model_name", "m", "--vlm_model_name", "random"]
    words += ["--od_model", "regions", "--vocabulary", "null", "--tools", "learn"]
    words += ["--tool_library", str(tmp_path / "tools.json")]
    with serving(behave) as server:
        assert main([*words, "--code_gen_base_url", server.url]) == 0, capsys.readouterr().err
        asked = len(server.requests)
        out = capsys.readouterr().out
        path = tmp_path / "out" / "samples.jsonl"
        kept = path.read_text().splitlines(keepends=True)
        path.write_text("".join(kept[:-2]) + kept[-2][:30])  # killed while it wrote
        assert main([*words, "--code_gen_base_url", server.url]) == 0
        assert len(server.requests) - asked <= 3
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    ways = results["ways"]
    assert [ways[w]["correct"] for w in ("direct", "program", "turns")] == [3, 0, 6]
    assert ways["program"]["ends"] == {"turns": 6}
    pair = next(p for p in results["pairs"] if (p["first"], p["second"]) == ("direct", "turns"))
    assert (pair["only_second"], pair["only_first"]) == (3, 0)
    assert pair["p"] == pytest.approx(0.25)
    assert "turns    6 of 6 right" in out
    assert "McNemar" in out
    assert len(list((tmp_path / "out" / "pages").glob("*.html"))) == 12
    assert out.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    shown = json.loads(zlib.decompress(base64.b64decode(report.split('id="chunk-0">')[1].split("<")[0])))
    at = json.loads(zlib.decompress(base64.b64decode(report.split('id="index">')[1].split("<")[0])))["id"]
    talk = shown[next(k for k, one in enumerate(at) if one.endswith("(turns)"))]
    assert [t["kind"] for t in talk["conversation"]["turns"]] == ["code", "code"]
    page = (tmp_path / "out" / talk["page"]).read_text(encoding="utf-8")
    assert "../report.html#" in page
    assert "light(image_clue_0)" in page
    assert "turns against direct" in report
    by = results["by_dataset"]
    assert {name: row["correct"] for name, row in by.items()} == {
        "folder: direct": 3, "folder: program": 0, "folder: turns": 6,
    }  # fmt: skip
    (tmp_path / "out" / "report.html").unlink()
    assert main(["report", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == report
    assert main(["report", str(tmp_path)]) == 0  # the page over all runs lists it
    assert "out/report.html" in (tmp_path / "index.html").read_text(encoding="utf-8")
    kept_functions = json.loads((tmp_path / "tools.json").read_text())["functions"]
    assert [(f["name"], f["kept"]) for f in kept_functions] == [("light", True)]


def test_the_summary_counts_what_was_not_answered_as_wrong() -> None:
    records = [
        {"id": k, "way": way, "correct": right, "error": None, "seconds": 1.0}
        for k, pair in enumerate([(True, True), (False, True), (False, True), (True, False), (None, None)])
        for way, right in zip(("direct", "turns"), pair, strict=True)
    ]
    found = summary(records, ["direct", "turns"])
    assert found["ways"]["direct"]["judged"] == 4
    assert found["pairs"] == [{"first": "direct", "second": "turns", "only_first": 1, "only_second": 2, "p": 1.0}]
    assert "2 won, 1 lost" in table(found)
