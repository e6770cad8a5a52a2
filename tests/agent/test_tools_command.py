"""The command that lists the functions of a library and takes them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neptune.cli import main


def entry(name: str, kept: bool, *samples: str, **more: Any) -> dict[str, Any]:
    source = f"def {name}(p):\n    return p.width\n"
    made = {"name": name, "signature": f"{name}(p)", "source": source, "language": "neptune"}
    return {**made, "samples": list(samples), "kept": kept, **more}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "tools.json"
    found = [entry("light", True, "a", "b"), entry("wide", True, *"abcdefg"), entry("odd", False, "a")]
    path.write_text(json.dumps({"functions": found}))
    return path


def test_they_are_listed_with_their_source_those_first_that_served_most(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = library.read_text()
    assert main(["tools", str(library)]) == 0
    out = capsys.readouterr().out
    assert out.index("wide(p)") < out.index("light(p)")
    assert "served 7 samples: a, b, c, d, e, …" in out
    assert "    def light(p):\n        return p.width" in out
    assert "odd(p)" not in out
    assert "2 functions are offered, 1 more served too few" in out
    assert library.read_text() == before


def test_some_are_taken_out(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", str(library), "--remove", "light", "odd"]) == 0
    assert "removed light\nremoved odd" in capsys.readouterr().out
    assert [e["name"] for e in json.loads(library.read_text())["functions"]] == ["wide"]
    assert main(["tools", str(library), "--remove=wide"]) == 0
    assert "0 functions are offered" in capsys.readouterr().out


WRONG = {
    "a name that is not there": (["--remove", "light", "ligth"], "did you mean 'light'"),
    "nothing to remove": (["--remove"], "nothing is named"),
    "another field": (["--prune", "x"], "takes no fields but --remove"),
    "two files": (["more.json"], "takes one FILE"),
}


@pytest.mark.parametrize(("more", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_and_all_stay(
    more: list[str], said: str, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = library.read_text()
    assert main(["tools", str(library), *more]) == 2
    assert said in capsys.readouterr().err
    assert library.read_text() == before


def test_a_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", str(tmp_path / "no.json")]) == 2
    assert "--tools learn" in capsys.readouterr().err
    (tmp_path / "x.json").write_text("[]")
    assert main(["tools", str(tmp_path / "x.json")]) == 2
    assert "no library" in capsys.readouterr().err
    assert main(["tools"]) == 2


def test_what_a_library_says_is_shown_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tools.json"
    evil = entry("f", True, "a\x1b[2J", "b", source="def f(p):\n    return 1  # \x1b]0;x\x07")
    path.write_text(json.dumps({"functions": [evil]}))
    assert main(["tools", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
