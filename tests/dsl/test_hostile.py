"""Hostile programs give an answer or a ProgramError, in time, and touch nothing: watched by an audit hook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module", params=["programs.txt", "regions.txt"])
def results(request: pytest.FixtureRequest) -> list[dict]:
    """Return what became of each program: of formulas, and over regions."""
    command = [sys.executable, str(HERE.parent / "helpers" / "watched.py"), str(HERE / "hostile" / request.param)]
    if request.param == "regions.txt":
        command.append("patches")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_watch_works(results: list[dict]) -> None:
    assert any(event.startswith("open") for event in results[-1]["seen"])
    assert len(results) > 130


def test_each_gives_an_answer_or_an_error_of_ours(results: list[dict]) -> None:
    others = [r for r in results[:-1] if r["outcome"] not in ("answer", "ProgramError")]
    # What a program over regions needs and a run has not is said by the run, not the language.
    missing = ("no language model is configured", "no depth model", "Masks, depths and words", "film")
    assert not [r for r in others if r["outcome"] != "NeptuneError" or not any(m in r["text"] for m in missing)]


def test_nothing_is_read_imported_started_or_connected(results: list[dict]) -> None:
    assert not [(r["program"], r["seen"]) for r in results[:-1] if r["seen"]]


def test_none_takes_long(results: list[dict]) -> None:
    # Seconds of CPU time: other work may run beside the tests.
    assert not [(r["program"], r["seconds"]) for r in results if r["seconds"] > 1.0]


@pytest.mark.parametrize(
    "word", ["open", "exec", "eval", "__import__", "getattr", "globals", "type", "os", "subprocess", "socket"]
)
def test_names_of_the_outside_are_errors_never_predicates(word: str) -> None:
    import dsl

    for text in (f'{word}("x")', f"exists(Object, lambda x: {word}(x))", f"{word}"):
        with pytest.raises(dsl.ProgramError, match="not in the language"):
            dsl.check(text)
