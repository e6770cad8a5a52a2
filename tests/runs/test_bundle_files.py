"""Files that a config names, and what a task gives its programs, go into a bundle as what they are."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from helpers.fault_server import serving
from PIL import Image

from neptune.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["mine.YML", "mine.json", "mine"])
def test_logic_parameters_are_packed_and_read_again(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = "." not in name or name.endswith("json")
    text = '{"logic": "product", "iota_tau": 2.0}' if plain else "logic: product\niota_tau: 2.0\n"
    (tmp_path / name).write_text(text)
    words = ["--config", str(ROOT / "configs" / "clevr.json"), "--data_dir", str(ROOT / "examples" / "clevr")]
    words += ["--num_samples", "1", "--logic_params", str(tmp_path / name), "--bundle", str(tmp_path / "b.zip")]
    assert main([*words, "--output_dir", str(tmp_path / "run")]) == 0
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        (packed,) = [n for n in bundle.namelist() if n.startswith("files/")]
        assert bundle.read(packed).decode() == text
    assert packed == "files/logic_params" + (Path(name).suffix.lower() or ".json")
    assert main(["replay", str(tmp_path / "b.zip"), "--output_dir", str(tmp_path / "again")]) == 0, capsys.readouterr()


CHOOSES = """def execute_command(image, possible_answers, query) -> str:
    return ImagePatch(image).best_text_match(possible_answers)
"""
COUNTS = """def execute_command(image, possible_answers, query) -> str:
    return possible_answers[len(query) % len(possible_answers)]
"""


@pytest.mark.parametrize("program", [CHOOSES, COUNTS])
def test_what_may_be_answered_is_recorded(program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program over regions is given the question and its options, in a replay as in the run."""
    (tmp_path / "data" / "direct_attributes").mkdir(parents=True)
    for number in range(3):
        place = tmp_path / "data" / "direct_attributes" / f"sa_{number}.json"
        Image.new("RGB", (64, 48), (40 * number, 90, 120)).save(place.with_suffix(".jpg"))
        place.write_text(json.dumps({"question": "Which one is it?", "options": ["a cup", "a ball", "a key"]}))
    (tmp_path / "config.json").write_text(json.dumps({"dataset": "vstar", "vocabulary": None}))
    with serving(lambda request, n: f"```python\n{program}```") as server:
        writer = ["--code_gen_provider", "local", "--code_gen_model_name", "m", "--code_gen_base_url", server.url]
        words = ["--config", str(tmp_path / "config.json"), "--code_gen_dialect", "patches"]
        words += ["--data_dir", str(tmp_path / "data"), "--vlm_model_name", "random", "--od_model", "embedded"]
        main([*words, *writer, "--output_dir", str(tmp_path / "run"), "--bundle", str(tmp_path / "run.zip")])
    records = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert [r["error"] for r in records] == [None] * 3
    assert all(sorted(r["choices"]) == ["a ball", "a cup", "a key"] and r["answer"] in r["choices"] for r in records)
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "run.zip"), "--output_dir", str(tmp_path / "again")]) == 0
    assert "3 samples replayed, all equal bit for bit" in capsys.readouterr().out
