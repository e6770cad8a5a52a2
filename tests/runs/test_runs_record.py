"""The run folder: torn lines, locks, refusals, summary."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neptune.config import Config, make_config
from neptune.errors import ConfigError
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import RunFolder, jsonable, read_samples
from neptune.runs.record.provenance import describe_code, hash_inputs

ROOT = Path(__file__).resolve().parents[2]


def config(**fields: object) -> Config:
    return make_config({"dataset": "clevr", "data_dir": "d", **fields})


def record(number: int, **fields: object) -> dict[str, object]:
    return {"id": f"s{number}", "dataset": "clevr", "question": "Ünïcode?\n", "correct": True, **fields}


def fill(folder: Path, n: int) -> bytes:
    with RunFolder(folder, config()) as run:
        for number in range(n):
            run.append(record(number))
    return (folder / "samples.jsonl").read_bytes()


def test_each_line_is_there_at_once(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", config()) as run:
        run.append(record(0))
        assert json.loads((tmp_path / "run" / "samples.jsonl").read_text())["id"] == "s0"


def test_a_torn_last_line_is_cut_off_anywhere(tmp_path: Path) -> None:
    whole = fill(tmp_path / "run", 3)
    path = tmp_path / "run" / "samples.jsonl"
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for length in random.Random(0).sample(range(len(whole) + 1), 60):
        path.write_bytes(whole[:length])
        with RunFolder(tmp_path / "run", config()) as run:
            n = sum(end <= length for end in ends)
            assert [r["id"] for r in run.records] == [f"s{i}" for i in range(n)]
            for number in range(n, 3):
                run.append(record(number))
        assert path.read_bytes() == whole


def test_zeros_of_a_power_cut_are_cut_off(tmp_path: Path) -> None:
    whole = fill(tmp_path / "run", 2)
    path = tmp_path / "run" / "samples.jsonl"
    for tail in (b"\0" * 100, b'{"id": "s2"\n', b"\0\0\n", b'{"id": "s2"\n\0\0'):
        path.write_bytes(whole + tail)
        with RunFolder(tmp_path / "run", config()) as run:
            assert len(run.records) == 2
        assert path.read_bytes() == whole


def test_damage_in_the_middle_is_said(tmp_path: Path) -> None:
    whole = fill(tmp_path / "run", 3)
    path = tmp_path / "run" / "samples.jsonl"
    path.write_bytes(b"{" + whole)
    with pytest.raises(ConfigError, match="Line 1 is damaged"):
        RunFolder(tmp_path / "run", config())
    path.write_bytes(whole + whole)
    with pytest.raises(ConfigError, match="Line 4 repeats sample 's0'"):
        RunFolder(tmp_path / "run", config())


def test_another_config_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "run", 1)
    with pytest.raises(ConfigError, match='\'logic\' was "godel" and is now "product"') as caught:
        RunFolder(tmp_path / "run", config(logic="product"))
    assert "--resume false" in caught.value.one_line()
    with pytest.raises(ConfigError, match=r"content of data_dir/questions\.json has changed"):
        RunFolder(tmp_path / "run", config(), {"data_dir/questions.json": "00"})
    with RunFolder(tmp_path / "run", config(num_samples=9, workers=2)) as run:  # change no answer
        assert len(run.records) == 1


def test_a_run_that_answered_nothing_may_be_mended(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run", config()).close()
    RunFolder(tmp_path / "run", config(logic="product")).close()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["logic"] == "product"


def test_afresh_moves_aside_and_deletes_nothing(tmp_path: Path) -> None:
    whole = fill(tmp_path / "run", 2)
    for number in (1, 2):
        with RunFolder(tmp_path / "run", config(logic="product"), fresh=True) as run:
            assert list(run.records) == []
            assert run.moved_to == tmp_path / f"run.{number}"
            with pytest.raises(ConfigError, match="Another run"):
                RunFolder(tmp_path / "run", config())
    assert (tmp_path / "run.1" / "samples.jsonl").read_bytes() == whole


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    for fresh in (False, True):
        with pytest.raises(ConfigError, match=r"holds other files \(thesis\.tex"):
            RunFolder(tmp_path, config(), fresh=fresh)
    with pytest.raises(ConfigError, match="can not be written"):
        RunFolder(tmp_path / "thesis.tex", config())


def test_two_runs_do_not_share_a_folder_and_a_dead_one_does_not_block(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from neptune.runs.record import RunFolder;"
        "from neptune.config import make_config;"
        "f = RunFolder(Path(sys.argv[1]), make_config({'dataset': 'clevr', 'data_dir': 'd'}));"
        "print('locked', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(ConfigError, match=rf"Another run \(process {other.pid}\) is writing this folder"):
            RunFolder(tmp_path / "run", config())
        other.kill()
        other.wait()
    RunFolder(tmp_path / "run", config()).close()


def test_odd_values_are_written(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run", config()) as run:
        odd = {"nan": float("nan"), "array": np.arange(2), "float": np.float32(0.5), "bool": np.bool_(True)}
        run.append(record(0, question="a\udc80b", answer=odd, picture=Path("x")))
    (found,), _ = read_samples(tmp_path / "run" / "samples.jsonl")
    assert found["answer"] == {"nan": None, "array": [0, 1], "float": 0.5, "bool": True}
    assert found["picture"] == "x"
    assert found["question"] == "a\udc80b"
    assert jsonable((1, {2})) == [1, [2]]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with RunFolder(tmp_path / "run", config()) as run:
        run._file = open("/dev/full", "ab", buffering=0)  # noqa: SIM115
        with pytest.raises(Exception, match="The record can not be written: No space left"):
            run.append(record(0))
        run._file.close()
        run._file = None


def test_summary() -> None:
    usage = {"oracle_calls": 3, "peak_cells": 5}
    rows = [
        record(0, family="count", usage=usage, seconds=1.0),
        record(1, family="count", correct=False, usage={"oracle_calls": 4, "peak_cells": 9}, seconds=0.5),
        record(2, family="exist", correct=False, error="x", error_kind="PictureError"),
        record(3, family="exist", correct=False, abstained=True),
    ]
    found = summarise(rows, {"clevr": 5})
    assert (found["n"], found["answered"], found["errors"], found["abstained"]) == (5, 2, 1, 1)
    assert found["accuracy"] == 0.2
    assert not found["complete"]
    assert found["by_family"]["count"]["accuracy"] == 0.5
    assert found["usage"] == {"oracle_calls": 7, "peak_cells": 9}
    assert found["errors_by_kind"] == {"PictureError": 1}
    assert summarise([], {"clevr": 0})["accuracy"] is None


def test_a_run_says_which_code_and_which_files_made_its_answers() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("the sources are no git checkout, so that there is no commit to record")
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=True)
    code = describe_code()
    assert code["git_commit"].rstrip("+") == head.stdout.strip()
    assert {"python", "torch", "lark"} <= set(code["versions"])
    hashes = hash_inputs(Config(od_model="embedded", vlm_model_name="embedded"))
    shipped = {f"prompts/{p.relative_to(ROOT / 'prompts')}" for p in (ROOT / "prompts").rglob("*") if p.is_file()}
    assert shipped
    assert shipped <= set(hashes)
    assert any(name.startswith("weights/") for name in hashes)
