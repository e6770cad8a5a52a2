"""The README's commands of evaluation, one after the other as they stand there, into another folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from helpers.fault_server import serving

from neptune.cli import main

ROOT = Path(__file__).resolve().parents[3]


def commands() -> list[list[str]]:
    """Return the words of each command of the README's section."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Evaluate")[1].split("\n## ")[0]
    block = re.findall(r"^```\n(.*?)^```", section, re.M | re.S)[0].replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in block.splitlines() if line.strip()]


def test_the_commands_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    found = commands()
    assert len(found) == 7
    with serving(lambda request, number: "yes" if number % 2 else "no") as server:
        for words in found:
            assert words[0] == "neptune-reasoner"
            words = [re.sub(r"^experiments$|experiments/", f"{tmp_path}/", w).replace("40", "20") for w in words[1:]]
            if "--judge_provider" in words:  # the provider of the example needs a key
                words[words.index("--judge_provider") + 1] = "local"
                words += ["--judge_base_url", server.url]
            assert main(words) == 0, words
        assert server.requests
    printed = capsys.readouterr().out
    for title in ("Results", "Comparison", "McNemar", "Logics", "Judge", "Blame"):
        assert title in printed, title


def indented(page: str) -> list[str]:
    """Return the indented lines of a page: its commands and examples."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_the_lines_of_the_datasets_page_are_read(tmp_path: Path) -> None:
    from neptune import tasks

    lines = [line for line in indented("datasets.md") if line.startswith("{")]
    assert len(lines) == 3
    (tmp_path / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for sample in tasks.load("folder", tmp_path).samples:
        sample.check()
        assert sample.expected is not None


def test_the_commands_of_the_datasets_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    dry, sample = (shlex.split(line)[2:] for line in indented("datasets.md") if line.startswith("python run.py"))
    assert main(dry) == 2, "PATH/TO/refgta does not exist"
    printed = capsys.readouterr()
    assert "The data folder does not exist" in printed.err
    assert "download the RefGTA annotations" in printed.out
    assert main([*sample, "--output_dir", str(tmp_path / "run")]) == 0
    assert "mean IoU" in capsys.readouterr().out
