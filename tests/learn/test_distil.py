"""``task: distil``: from questions to samples; resumed after a kill, nothing is lost and nothing there twice."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.fault_server import Answer, says, serving

from neptune.cli import main
from neptune.config.validation import ConfigProblems
from neptune.errors import ConfigError
from neptune.learn.distil.check import check
from neptune.learn.distil.export import DISTILLED, read_distilled
from neptune.learn.distil.samples import Counts, evidence_hash, grouped, in_words, soft_answer, taught
from neptune.learn.distil.task import DistilConfig, distil
from neptune.learn.distil.trace import read
from neptune.learn.distil.wording import Words
from neptune.runs.record.kept import scan
from neptune.writer.store import ProgramStore

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "clevr"
TRUTH = {"vlm_model_name": "scene", "od_model": "scene"}


def config(**more: Any) -> DistilConfig:
    return DistilConfig.model_validate({"data_dir": str(SAMPLE), "num_samples": 12, **TRUTH, **more})


def quiet(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("distilled")
    results, code = distil(config(export="llamafactory", code_gen_provider="embedded"), folder, quiet)
    assert code == 0
    return folder, results


def test_each_question_becomes_an_answer_and_a_rationale(made: tuple[Path, dict[str, Any]]) -> None:
    folder, results = made
    rows = list(read_distilled(folder / DISTILLED))
    assert results["labelled"] == {
        "questions": 12, "programs_run": 12, "programs_right": 12, "rationales": 12, "answer_alone": {},
    }  # fmt: skip
    assert results["samples"] == {"answer": 12, "rationale": 12}
    assert Counter(row["kind"] for row in rows) == {"answer": 12, "rationale": 12}
    assert len({row["id"] for row in rows}) == 24
    expected = [q["answer"] for q in json.loads((SAMPLE / "questions.json").read_text())["questions"][:12]]
    answers = [row["messages"][1]["content"] for row in rows if row["kind"] == "answer"]
    assert answers == [str(a) for a in expected]
    records = {r["id"]: r for r, _ in scan(folder / "run" / "samples.jsonl")}
    for row in rows:
        assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
        assert row["question"] in row["messages"][0]["content"]
        assert Path(row["images"][0]).is_file()
        record = records[row["id"].split("/")[0]]
        assert row["provenance"]["evidence"] == evidence_hash(record)
        assert row["provenance"]["program"] == record["program"]
        assert row["provenance"]["source"] == "embedded"
        if row["kind"] == "rationale":
            assert check(row["messages"][1]["content"], read(record, Words("clevr"))) > 1
            assert f"answer is clearly {row['answer']}." in row["messages"][1]["content"]
    card = (folder / "README.md").read_text()
    assert "12 answers and 12 rationales" in card
    assert "| programs | embedded |" in card


def test_llamafactory_gets_its_own_form(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    info = json.loads((folder / "dataset_info.json").read_text())["distilled"]
    rows = json.loads((folder / info["file_name"]).read_text())
    assert len(rows) == 24
    assert info["columns"] == {"messages": "messages", "images": "images"}
    assert all(row["messages"][0]["content"].count("<image>") == len(row["images"]) == 1 for row in rows)


def test_it_loads_as_a_dataset(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is in the extra dev-all")
    folder, _ = made
    data = datasets.load_dataset(
        "json", data_files=str(folder / DISTILLED), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(data) == 24
    data = data.cast_column("images", datasets.List(datasets.Image()))
    assert data[0]["images"][0].size == (480, 320)
    assert data[0]["messages"][0]["role"] == "user"
    assert sum(data[0]["soft"]["probabilities"]) == pytest.approx(1)


# --- which program, and what of the others -----------------------------------------------------


def record(**more: Any) -> dict[str, Any]:
    base = {"id": "q1", "dataset": "clevr", "question": "How many?", "expected": "2", "answer": "2", "kind": "number",
            "correct": True, "error": None, "abstained": False, "settled": True, "probability": 0.9, "picture": "a.png",
            "program": "count(Object, lambda x: red(x))", "usage": {"oracle_calls": 4}}  # fmt: skip
    return base | more


def test_the_best_is_the_surest_then_the_cheapest_then_the_shortest() -> None:
    sure = record(id="q1#2", probability=0.95)
    cheap = record(id="q1#3", probability=0.95, usage={"oracle_calls": 2})
    short = record(id="q1#4", probability=0.95, usage={"oracle_calls": 2}, program="short")
    wrong = record(id="q1#5", probability=1.0, answer="3", correct=False)
    abstained = record(id="q1#6", probability=1.0, abstained=True)
    words = Words("clevr")
    for group, best in [
        ([record(), sure], sure),
        ([record(), sure, cheap], cheap),
        ([short, record(), sure, cheap, wrong, abstained], short),
    ]:
        counts = Counts()
        found = taught(group, words, 0.9, counts)
        assert found.best is best
        assert found.id == "q1"
        assert counts.tried == len(group)
        assert counts.right == len([r for r in group if r not in (wrong, abstained)])
    assert [len(g) for g in grouped([record(), sure, record(id="q2"), record(id="q2", dataset="gqa")])] == [2, 1, 1]


def test_a_question_without_a_right_program_keeps_its_answer() -> None:
    words = Words("clevr")
    for group, why in [
        ([record(correct=False, answer="3")], "no program is right"),
        ([record(correct=False, error="boom", error_kind="ProgramError")], "no program is right: ProgramError"),
        ([record(correct=False, error="none", error_kind="DatasetError", program=None)], "no program"),
        ([record(correct=False, abstained=True, why="presupposition")], "no program is right: abstained"),
    ]:
        counts = Counts()
        found = taught(group, words, 0.9, counts)
        assert (found.answer, found.best, found.text, found.why) == ("2", None, "", why)
        assert dict(counts.answer_alone) == {why: 1}
    judged = record(correct=False, answer="two", judge={"right": True})
    assert taught([judged], words, 0.9, Counts()).best is judged


def test_without_a_label_the_engine_has_to_be_sure_and_is_counted_apart() -> None:
    words, counts = Words("clevr"), Counts()
    kept = taught([record(expected=None, correct=None, probability=0.95)], words, 0.9, counts)
    left = taught([record(expected=None, correct=None, probability=0.85)], words, 0.9, counts)
    gone = taught([record(expected=None, correct=None, abstained=True)], words, 0.9, counts)
    assert (kept.answer, kept.labelled, left.answer, gone.answer) == ("2", False, None, None)
    shown = counts.as_dict()
    assert shown["unlabelled"] == {"questions": 3, "kept": 1, "left_out": {"not sure enough": 1, "abstained": 1}}
    assert shown["labelled"]["questions"] == 0


def test_a_rationale_that_says_more_is_refused_and_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from neptune.learn.distil import samples

    monkeypatch.setattr(samples, "rationale", lambda trace: "A dog is there. So the answer is clearly yes.")
    results, _ = distil(config(num_samples=5), tmp_path, quiet)
    assert results["refused"] == {"a word that the trace does not have": 5}
    assert results["labelled"]["rationales"] == 0
    assert results["samples"] == {"answer": 5, "rationale": 0}
    assert "refused: a word that the trace does not have" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("value", "words"),
    [("red", "red"), (3, "3"), (True, "yes"), (None, None), ({"answer": "yes", "objects": [1]}, "yes"),
     ({"object": 2, "box": [1.2, 3.6, 10.0, 20.4]}, "(1, 4, 10, 20)"), (["a", "b"], "a, b"), ([], None)],
)  # fmt: skip
def test_answers_in_words(value: Any, words: str | None) -> None:
    assert in_words(value) == words


def test_soft_answers_are_distributions() -> None:
    assert soft_answer({"kind": "truth", "answer": "no", "probability": 0.75}) == {
        "answers": ["no", "yes"], "probabilities": [0.75, 0.25],
    }  # fmt: skip
    rows = [{"depth": 0, "text": "#x  how many are", "scores": [0.9, 0.5], "n": 1}]
    assert soft_answer({"kind": "number", "answer": "1", "plan": rows}) == {
        "answers": ["0", "1", "2"], "probabilities": [0.05, 0.5, 0.45],
    }  # fmt: skip
    values = [{"depth": 1, "text": f"{v}: of the x meant", "p": p} for v, p in (("red", 0.6), ("blue", 0.2))]
    described = [{"depth": 0, "text": "which fits best", "value": "red"}, *values]
    found = soft_answer({"kind": "text", "answer": "red", "plan": described})
    assert found == {"answers": ["red", "blue"], "probabilities": [0.75, 0.25]}
    assert soft_answer({"kind": "text", "answer": "red", "plan": described[:1]}) is None


def test_several_programs_of_a_question_are_each_run(tmp_path: Path) -> None:
    first = json.loads((SAMPLE / "questions.json").read_text())["questions"][0]["question"]
    right = "count(Object, lambda x: small(x) and cube(x) and front(x, iota(Object, lambda y: gray(y) and metal(y))))"
    programs = ["exists(Object, lambda x: red(x))", "no program at all(", right]
    store = ProgramStore(tmp_path / "programs.json")
    weighed = [{"program": program, "weight": 1 / 3} for program in programs]
    store.add("key", {"question": first, "task": "clevr", "model": "m", "programs": weighed})
    store.close()
    given = config(num_samples=2, code_gen_provider="cache", program_cache_address=str(tmp_path / "programs.json"))
    out = tmp_path / "out"
    results, code = distil(given, out, quiet)
    assert code == 0
    ids = [r["id"] for r, _ in scan(out / "run" / "samples.jsonl")]
    assert ids == ["clevr-000000", "clevr-000000#2", "clevr-000000#3", "clevr-000001"]
    assert results["labelled"] == {
        "questions": 2, "programs_run": 4, "programs_right": 1, "rationales": 1, "answer_alone": {"no program": 1},
    }  # fmt: skip
    rows = list(read_distilled(out / DISTILLED))
    assert [row["id"] for row in rows] == ["clevr-000000/answer", "clevr-000000/rationale", "clevr-000001/answer"]
    assert rows[1]["provenance"]["program"] == right
    assert rows[2]["provenance"]["rationale"] == "no program"
    few, _ = distil(given.model_copy(update={"programs": 2}), tmp_path / "few", quiet)
    assert few["labelled"]["programs_run"] == 3
    assert few["labelled"]["rationales"] == 0


def test_errors_teach_the_part_that_made_them(tmp_path: Path) -> None:
    noisy = {"vlm_options": {"noise": 0.35, "seed": 3}, "run": {"blame": True}}
    results, code = distil(config(num_samples=30, **noisy), tmp_path, quiet)
    assert code == 0
    lessons = [json.loads(line) for line in (tmp_path / "lessons.jsonl").read_text().splitlines()]
    counted = Counter(lesson["part"] for lesson in lessons)
    assert counted["oracle"] > 3
    assert counted == {part: n for part, n in results["lessons"].items() if part != "none"}
    scenes = {s["image_filename"]: s for s in json.loads((SAMPLE / "scenes.json").read_text())["scenes"]}
    words = {"large": "size", "small": "size", "metal": "material", "rubber": "material"}
    checked = 0
    for lesson in (one for one in lessons if one["part"] == "oracle"):
        word = lesson["asked"].rstrip("?").split()[-1]
        objects = scenes[Path(lesson["picture"]).name]["objects"]
        found = [o for o in objects if [round(float(v), 1) for v in o["bbox"]] == lesson["box"]]
        if word in words and found:
            assert (found[0][words[word]] == word) == (lesson["answer"] == "yes")
            checked += 1
    assert checked > 0


# --- the command ---------------------------------------------------------------------------------


def test_estimate_asks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data_dir", str(SAMPLE), "--num_samples", "3", "--output_dir", str(tmp_path / "out"), "--estimate"]
    assert main(["distil", *words, "--rewrite_model", "m"]) == 0
    said = capsys.readouterr().out
    assert "calls at most" in said
    assert "3 requests to rewrite a rationale at most" in said
    assert not (tmp_path / "out").exists()


def test_mistakes_teach(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'run' sets inspect, seed") as caught:
        distil(config(run={"seed": 3, "inspect": "none"}), tmp_path, quiet)
    assert "Set it beside 'run'" in caught.value.one_line()
    with pytest.raises(ConfigProblems, match="unknown field 'schedul'; did you mean 'schedule'"):
        distil(config(run={"schedul": "lazy"}), tmp_path, quiet)
    with pytest.raises(ConfigError, match="no provider 'opnai'"):
        distil(config(rewrite_model="m", rewrite_provider="opnai"), tmp_path, quiet)


def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "distillation.md").read_text(encoding="utf-8")
    commands = [line for line in page.split("```")[1].splitlines() if line.startswith("neptune-reasoner distil")]
    assert len(commands) == 3
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for command in commands:
        words = shlex.split(command)[1:]
        assert main([*words, *([] if "--num_samples" in words else ["--num_samples", "4"])]) == 0
        capsys.readouterr()
    for line in page.split("## A model that answers at once")[1].split("```")[1].strip().splitlines():
        assert main([w.replace("20", "4") for w in shlex.split(line)[1:]]) == 0
    assert "Side by side, 4 samples" in capsys.readouterr().out
    assert len(list(read_distilled(tmp_path / "experiments" / "gold" / DISTILLED))) == 12
    assert (tmp_path / "experiments" / "gold" / "llamafactory.json").is_file()


# --- kill -9 ---------------------------------------------------------------------------------------

SLOW = """
import sys, time
from neptune.learn.distil import export, programs, task
from neptune.runs.record import folder
from neptune.runs.evaluate import side_files
phase = sys.argv[1]
def slowed(of, name):
    done = getattr(of, name)
    def slow(*a, **k):
        time.sleep(0.05)
        return done(*a, **k)
    setattr(of, name, slow)
if phase == "programs": slowed(side_files.SideFile, "add")
if phase == "run": slowed(folder.RunFolder, "append")
if phase == "rewrites": slowed(side_files.SideFile, "add")
if phase == "export":
    read = export.read_distilled
    def slow(path):
        for row in read(path):
            time.sleep(0.05)
            yield row
    export.read_distilled = slow
if phase == "samples":
    made = task.taught
    task.taught = lambda *a, **k: (time.sleep(0.05), made(*a, **k))[1]
from neptune.cli import main
sys.exit(main(sys.argv[2:]))
"""


def echo(request: dict[str, Any], number: int) -> Answer:
    """A language model that leaves a rationale as it is; its first reply takes long."""
    answer = says(request["messages"][-1]["content"].partition("Explanation: ")[2])
    answer.wait = 0.0 if number else 60.0
    return answer


@pytest.mark.parametrize("phase", ["programs", "run", "samples", "rewrites", "export"])
def test_killed_and_resumed_it_is_the_same(phase: str, made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    whole, _ = made
    out = tmp_path / "out"
    watched = {"programs": out / "programs.jsonl", "run": out / "run" / "samples.jsonl",
               "samples": out / "run" / "report.html", "rewrites": out / "rewrites.jsonl",
               "export": out / DISTILLED}[phase]  # fmt: skip
    words = ["distil", "--data_dir", str(SAMPLE), "--num_samples", "12", "--output_dir", str(out)]
    words += ["--code_gen_provider", "embedded", "--export", "llamafactory"]
    words += [f"--{name}={value}" for name, value in TRUTH.items()]
    with serving(echo) as server:
        if phase == "rewrites":
            words += ["--rewrite_model", "m", "--rewrite_provider", "local", "--rewrite_base_url", server.url]
        run = subprocess.Popen(
            [sys.executable, "-c", SLOW, phase, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 600
        while time.monotonic() < until and run.poll() is None:
            if watched.is_file() and (phase in ("samples", "export") or watched.read_bytes().count(b"\n") >= 3):
                break
            time.sleep(0.01)
        assert run.poll() is None, "it ended before it was killed"
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert watched.is_file(), "what was to be seen of the phase did not come in time"
        assert (out / DISTILLED).exists() == (phase == "export")
        assert not (out / "llamafactory.json").exists()
        assert not (out / "results.json").exists()
        asked, kept = len(server.requests), len(rows_of(out / "rewrites.jsonl"))
        assert main(words) == 0
        again = len(server.requests) - asked
    mine, its = (list(read_distilled(folder / DISTILLED)) for folder in (out, whole))
    assert mine == its
    assert len(json.loads((out / "llamafactory.json").read_text())) == len(mine)
    ids = [r["id"] for r, _ in scan(out / "run" / "samples.jsonl")]
    assert len(ids) == len(set(ids)) == 12
    assert len((out / "programs.jsonl").read_text().splitlines()) == 12
    if phase == "rewrites":
        rationales = sum(row["kind"] == "rationale" for row in mine)
        said = [row["id"] for row in rows_of(out / "rewrites.jsonl")]
        assert kept >= 3  # though the first reply was still awaited
        assert again == rationales - kept  # what was said is not asked again
        assert len(said) == len(set(said)) == rationales


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.is_file() else []


def test_counts_follow_from_scores() -> None:
    """The distribution of a count is that of independent things, whatever their scores."""
    scores = np.random.default_rng(0).uniform(size=6).round(3).tolist()
    found = soft_answer({"kind": "number", "plan": [{"depth": 0, "text": "#x  how many are", "scores": scores}]})
    assert found is not None
    mean = sum(int(a) * p for a, p in zip(found["answers"], found["probabilities"], strict=True))
    assert mean == pytest.approx(sum(scores), abs=1e-2)
