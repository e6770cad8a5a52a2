"""Tests in a dataset's record: run with no oracle, and programs that fail them have no say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dsl.limits import Limits
from neptune.config import Config
from neptune.resources import vocabulary_of
from neptune.runs.guarded.tested import by_tests
from neptune.runs.record import SAMPLES
from neptune.runs.runner.run import run_dataset
from neptune.writer.vote import Candidate

DATA = Path(__file__).resolve().parents[3] / "examples" / "clevr"
RIGHT, WRONG = "count(Object, lambda x: red(x)) > 1", "count(Object, lambda x: red(x)) >= 1"
TESTS = [
    {"objects": [{"color": "red"}], "answer": False},
    {"objects": [{"color": "red"}, {"color": "red"}], "answer": True},
]


def test_programs_that_fail_tests_lose_their_say() -> None:
    words = vocabulary_of("clevr")
    kept, found = by_tests([Candidate(WRONG, 0.8), Candidate(RIGHT, 0.2)], TESTS, words, Limits())
    assert [c.program for c in kept] == [RIGHT]
    assert found == {"tests": {"passed": 2, "failed": 0, "left_out": 1}}
    kept, found = by_tests([Candidate(WRONG)], TESTS, words, Limits())
    assert [c.program for c in kept] == [WRONG]
    assert found["tests"]["failed"] == 1
    assert "False is expected" in found["tests"]["failures"][0]


def test_the_record_says_what_its_tests_came_to(tmp_path: Path) -> None:
    picture = next((DATA / "images").iterdir())
    shutil.copyfile(picture, tmp_path / picture.name)
    rows = [
        {"image": picture.name, "question": "More than one red thing?", "program": text, "tests": tests}
        for text, tests in ((RIGHT, TESTS), (WRONG, TESTS), (RIGHT, [{"objects": 1}]), (RIGHT, []))
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    run_dataset(
        Config(dataset="folder", data_dir=str(tmp_path), output_dir=str(tmp_path / "run"), vlm_model_name="random"),
        "run",
    )
    found = [json.loads(line) for line in (tmp_path / "run" / SAMPLES).read_text(encoding="utf-8").splitlines()]
    assert found[0]["tests"] == {"passed": 2, "failed": 0}
    assert found[1]["tests"]["failed"] == 1
    assert "A test is malformed" in found[2]["error"]
    assert "tests" not in found[3]


@pytest.mark.parametrize("tests", [[{"objects": [], "answer": 0}, {}], [{"objects": [{"hue": 1}], "answer": 0}]])
def test_a_malformed_test_is_an_error_that_says_which(tests: list[dict[str, object]]) -> None:
    with pytest.raises(Exception, match="test"):
        by_tests([Candidate(RIGHT)], tests, vocabulary_of("clevr"), Limits())
