"""Bad input: one line in the record of its sample, exit code 2, and the other samples go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neptune.cli import main
from neptune.config import make_config
from neptune.engine import Engine
from neptune.engine.session.batch import Batch
from neptune.runs.record import RunFolder
from neptune.runs.runner.programs import Programs
from neptune.runs.runner.run import answer_sample
from neptune.tasks import load

ROOT = Path(__file__).resolve().parents[2]
SCENE = ["--config", "configs/clevr.json", "--od_model", "scene", "--vlm_model_name", "scene"]


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four pictures of the sample with one question each, to be damaged."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    source = ROOT / "examples" / "clevr"
    questions = json.loads((source / "questions.json").read_text())
    one_each = {q["image_filename"]: q for q in reversed(questions["questions"])}
    chosen = [one_each[name] for name in sorted(one_each)[:4]]
    for question in chosen:
        shutil.copy(source / "images" / question["image_filename"], folder / "images")
    (folder / "questions.json").write_text(json.dumps({**questions, "questions": chosen}))
    shutil.copy(source / "scenes.json", folder)
    return folder


def edit(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def run(data: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    folder = data.parent / "run"
    code = main([*SCENE, "--data_dir", str(data), "--output_dir", str(folder), *words])
    samples = folder / "samples.jsonl"
    lines = samples.read_text().splitlines() if samples.exists() else []
    return code, [json.loads(line) for line in lines]


def check_first_is_wrong(code: int, records: list[dict[str, Any]], message: str) -> None:
    assert code == 2
    assert len(records) == 4
    assert message in records[0]["error"]
    assert "\n" not in records[0]["error"]
    assert "unexpected" not in records[0]["error"]
    assert not records[0]["correct"]
    assert [r["error"] for r in records[1:]] == [None] * 3
    assert all(r["correct"] for r in records[1:])


def picture(data: Path) -> Path:
    return sorted((data / "images").iterdir())[0]


def scene_of(data: Path, content: dict[str, Any]) -> dict[str, Any]:
    return next(s for s in content["scenes"] if s["image_filename"] == picture(data).name)


def test_missing_picture(data: Path) -> None:
    picture(data).unlink()
    check_first_is_wrong(*run(data), "The picture does not exist")


def test_unreadable_picture(data: Path) -> None:
    picture(data).write_bytes(b"no picture")
    check_first_is_wrong(*run(data), "The picture can not be read")


def test_truncated_picture(data: Path) -> None:
    path = picture(data)
    path.write_bytes(path.read_bytes()[:3000])
    check_first_is_wrong(*run(data), "The picture can not be read")


def test_scene_that_does_not_fit_its_picture(data: Path) -> None:
    Image.new("RGB", (60, 40)).save(picture(data))
    check_first_is_wrong(*run(data), "The scene does not fit its picture")


def test_scene_without_boxes(data: Path) -> None:
    edit(data / "scenes.json", lambda c: scene_of(data, c)["objects"][0].pop("bbox"))
    check_first_is_wrong(*run(data), "The scene has no field 'bbox'")


def test_no_scene_of_the_picture(data: Path) -> None:
    edit(data / "scenes.json", lambda c: c["scenes"].remove(scene_of(data, c)))
    check_first_is_wrong(*run(data), "no scene of this picture")


def test_question_without_program(data: Path) -> None:
    edit(data / "questions.json", lambda c: c["questions"][0].pop("program"))
    code, records = run(data)
    check_first_is_wrong(code, records, "program")


def test_record_of_the_wrong_form(data: Path) -> None:
    edit(data / "questions.json", lambda c: c["questions"][0].update(question=3))
    check_first_is_wrong(*run(data), "The field 'question' is 3")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("", "empty"),
        ("   \n # nothing\n", "empty"),
        ("red(" + "x" * 30_000, "30"),
        ("count(Object, lambda x: red(x)", ")"),
    ],
)
def test_bad_programs(data: Path, program: str, message: str) -> None:
    cache = data.parent / "programs.json"
    questions = json.loads((data / "questions.json").read_text())["questions"]
    gold = [s.gold() for s in load("clevr", data).samples]
    programs = {q["question"]: p for q, p in zip(questions, [program, *gold[1:]], strict=True)}
    cache.write_text(json.dumps(programs))
    code, records = run(data, "--code_gen_provider", "cache", "--program_cache_address", str(cache))
    check_first_is_wrong(code, records, message)


def test_question_that_the_cache_does_not_hold(data: Path) -> None:
    cache = data.parent / "programs.json"
    samples = load("clevr", data).samples
    cache.write_text(json.dumps({s.question.upper().rstrip("?") + " ": s.gold() for s in list(samples)[1:]}))
    code, records = run(data, "--code_gen_provider", "cache", "--program_cache_address", str(cache))
    check_first_is_wrong(code, records, "The question has no program")


def test_a_blank_picture_is_a_scene_without_objects(data: Path) -> None:
    Image.fromarray(np.full((320, 480, 3), 128, np.uint8)).save(picture(data))
    _, records = run(data, "--od_model", "embedded")
    assert [r["error"] for r in records] == [None] * 4
    assert records[0]["boxes"] == []
    assert "no object was found in the picture" in records[0]["notes"]


def test_mistakes_before_the_run(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in [
        (["--data_dir", str(data / "nope")], "The data folder does not exist"),
        (["--dataset", "clevr-rpm"], "The dataset's file does not exist"),
        (["--vlm_options.nois", "1"], "nois"),
        (["--logic", "goedel"], "goedel"),
        (["--code_gen_provider", "cache", "--program_cache_address", "nope.json"], "does not exist"),
        (["--logic_params", "nope.json"], "does not exist"),
    ]:
        code, records = run(data, *words)
        assert code == 2, message
        assert records == []
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1, said
        assert "Traceback" not in said
        shutil.rmtree(data.parent / "run", ignore_errors=True)


def test_a_bug_is_recorded_with_its_traceback(data: Path) -> None:
    class Broken:
        percepts = None

        def labels(self, *_: object) -> tuple[str, ...]:
            return ()

        def scene(self, *_: object) -> None:
            raise ZeroDivisionError("of two\nlines")

    config = make_config({"dataset": "clevr", "data_dir": str(data)})
    task = load("clevr", data)
    with RunFolder(data.parent / "run", config) as folder, Programs(config) as programs:
        ((_, sample, write),) = programs.ahead([(task, task.samples[0])])
        record = answer_sample(config, Broken(), task, sample, write, folder)  # type: ignore[arg-type]
    assert record["error"] == "unexpected ZeroDivisionError: of two lines"
    assert record["error_kind"] == "bug"
    assert "Traceback" in (data.parent / "run" / "errors.log").read_text()


def test_a_bug_ends_in_exit_code_1(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Engine.run
    calls = []

    def broken(self: Engine, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("nobody foresaw this")
        return whole(self, *arguments)

    monkeypatch.setattr(Batch, "job", lambda *_: None)  # each is run by itself
    monkeypatch.setattr(Engine, "run", broken)
    code, records = run(data)
    assert code == 1
    assert [bool(r["error"]) for r in records] == [True, False, False, False]


def test_an_interrupted_run_keeps_what_it_has(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Engine.run
    calls = []

    def interrupted(self: Engine, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, *arguments)

    monkeypatch.setattr(Batch, "job", lambda *_: None)  # each is run by itself
    monkeypatch.setattr(Engine, "run", interrupted)
    code, records = run(data)
    assert (code, len(records)) == (130, 2)
    assert json.loads((data.parent / "run" / "results.json").read_text())["complete"] is False
    code, records = run(data)
    assert (code, len(records)) == (0, 4)
