"""Files that a config names go into a bundle as what they are."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

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
