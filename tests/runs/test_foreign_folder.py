"""Run folders that others made: their configs and links open no other file of this machine, and trust no host."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from neptune.cli import main
from neptune.config import Config
from neptune.config.read import load_config, read_run
from neptune.runs.record import RunFolder

SECRET = "sk-secret-0123456789"


def a_run(folder: Path, picture: Path | str, config: dict[str, Any] | None = None, answer: str = "2") -> Path:
    """Write a finished run folder whose one record names a picture."""
    folder.mkdir(parents=True)
    fields = {"dataset": "clevr", "data_dir": str(Path(picture).parent), "follow_links": True, **(config or {})}
    (folder / "config.json").write_text(json.dumps({**fields, "_run": {"name": folder.name}}))
    record = {"id": "0", "dataset": "clevr", "question": "How many?", "program": "count(Object)", "answer": answer}
    record |= {"correct": True, "expected": answer, "picture": str(picture), "usage": {"oracle_calls": 1}}
    (folder / "samples.jsonl").write_text(json.dumps(record) + "\n")
    return folder


def pages(*reports: Path) -> str:
    import base64
    import re
    import zlib

    found = []
    for report in reports:
        found.append(report.read_text(encoding="utf-8"))
        for packed in re.findall(r">([A-Za-z0-9+/=]{8,})<", found[-1]):
            try:
                found.append(zlib.decompress(base64.b64decode(packed)).decode("utf-8", "replace"))
            except (zlib.error, ValueError):
                continue
    return "\n".join(found)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A picture of this machine that no run folder holds."""
    path = tmp_path / "home" / "private.png"
    path.parent.mkdir()
    Image.new("RGB", (16, 16), "red").save(path)
    return path


def test_a_folders_own_config_shows_no_picture_and_the_users_word_does(
    private: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = a_run(tmp_path / "a", private), a_run(tmp_path / "b", private, answer="3")
    data = ["--data_dir", str(private.parent)]
    for command, report in ((["report", str(run)], run / "report.html"), (["compare", str(run), str(other)], None)):
        assert main(command) == 0
        said = capsys.readouterr()
        report = report or other / "compare-with-a.html"
        assert said.out.splitlines()[-1] == str(report)
        assert "note: 1 picture lies outside the run folder" in said.err
        assert "--data_dir FOLDER" in said.err
        assert "data:image/jpeg" not in pages(report)
        assert main([*command, *data]) == 0
        assert not capsys.readouterr().err
        assert "data:image/jpeg" in pages(report)
    assert main(["--compare", str(run), str(other), *data]) == 0
    assert "data:image/jpeg" in pages(other / "compare-with-a.html")
    assert main(["report", str(run), "--seed", "3"]) == 2
    assert "report takes no fields but --data_dir" in capsys.readouterr().err


def test_links_below_the_users_folder_lead_out_only_if_the_user_says_so(private: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "link.png").symlink_to(private)
    run = a_run(tmp_path / "run", data / "link.png")
    assert main(["report", str(run), "--data_dir", str(data)]) == 0
    assert "data:image/jpeg" not in pages(run / "report.html")
    assert main(["report", str(run), "--data_dir", str(data), "--follow_links"]) == 0
    assert "data:image/jpeg" in pages(run / "report.html")


def test_pictures_of_the_folder_itself_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    run = a_run(folder, folder / "pictures" / "0.png")
    (folder / "pictures").mkdir()
    Image.new("RGB", (16, 16), "blue").save(folder / "pictures" / "0.png")
    assert main(["report", str(run)]) == 0
    assert "data:image/jpeg" in pages(run / "report.html")
    assert not capsys.readouterr().err


FILES = ["samples.jsonl", "results.json", "judge.jsonl", "blame.jsonl", "exchanges.jsonl", "config.json"]


@pytest.mark.parametrize("kind", ["a link", "a pipe", "a folder"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_folder_that_is_none_is_refused_and_left_alone(
    name: str, kind: str, private: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`judge.jsonl` as a link to a letter was cut to nothing; a pipe held the command for ever."""
    letter = tmp_path / "home" / "letter.txt"
    letter.write_text(f"Dear all, {SECRET}\n")
    run, good = a_run(tmp_path / "runs" / "run", private), a_run(tmp_path / "runs" / "good", private)
    (run / name).unlink(missing_ok=True)
    if kind == "a link":
        (run / name).symlink_to(letter)
    elif kind == "a pipe":
        os.mkfifo(run / name)
    else:
        (run / name).mkdir()
    commands = [["compare", str(good), str(run)]]
    if name != "config.json" or kind == "a link":  # else it is no run folder
        commands.append(["report", str(run)])
    for command in commands:
        assert main(command) == 2
        said = capsys.readouterr()
        assert "the run folder" in said.err.lower()
        assert len(said.err.strip().splitlines()) == 1
        assert SECRET not in said.out + said.err
    if kind == "a link":
        assert main(["report", str(tmp_path / "runs")]) == 0, "the page over both says what is wrong with one"
        page = pages(tmp_path / "runs" / "index.html")
        assert "leads out of the folder" in page
        assert SECRET not in page
        with pytest.raises(Exception, match="leads out of the folder"):
            RunFolder(run, Config(dataset="clevr", data_dir=str(tmp_path)))
    assert letter.read_text() == f"Dear all, {SECRET}\n"


def test_a_run_folder_says_of_no_host_that_it_may_have_a_key(tmp_path: Path) -> None:
    hosts = {"trusted_hosts": ["evil.example"]}
    options = {"base_url": "https://evil.example/v1", "provider": "openai", "model": "m"}
    config = {**hosts, "vlm_model_name": "openai", "vlm_options": options | hosts, "code_gen_provider": "gold"}
    run = a_run(tmp_path / "run", tmp_path / "p.png", config)
    for given in (run, run / "config.json"):
        with pytest.raises(Exception, match=r"evil\.example.*trusted_hosts"):
            load_config(given)
        with pytest.raises(Exception, match=r"evil\.example.*trusted_hosts"):
            read_run(str(run / "config.json"), {})
    again, _ = read_run(str(run / "config.json"), {"vlm_options.trusted_hosts": ['["evil.example"]']})
    assert again.vlm_options["trusted_hosts"] == ["evil.example"]  # type: ignore[attr-defined]
    # A config of one's own is one's own word.
    mine = json.loads((run / "config.json").read_text())
    del mine["_run"]
    (tmp_path / "mine.json").write_text(json.dumps(mine))
    assert load_config(tmp_path / "mine.json").trusted_hosts == ["evil.example"]


def test_a_run_keeps_no_trust_and_is_resumed_with_or_without_it(tmp_path: Path) -> None:
    common: dict[str, Any] = {"dataset": "clevr", "data_dir": str(tmp_path), "vlm_model_name": "openai"}
    options = {"base_url": "https://mine.example/v1", "provider": "openai", "model": "m"}
    trusting = Config(**common, trusted_hosts=["a.example"], vlm_options=options | {"trusted_hosts": ["mine.example"]})
    with RunFolder(tmp_path / "run", trusting) as folder:
        folder.append({"id": "0", "dataset": "clevr"})
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "trusted_hosts" not in kept
    assert kept["vlm_options"] == options
    for config in (trusting, Config(**common, vlm_options=options)):
        with RunFolder(tmp_path / "run", config) as folder:
            assert len(folder.records) == 1
