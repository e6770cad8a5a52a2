"""The contact sheet: what a model sees of a sample, without a model."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neptune.cli import main

ROOT = Path(__file__).resolve().parents[2]


def sheet(tmp_path: Path, *words: str, code: int = 0) -> str:
    base = ["--config", str(ROOT / "configs/clevr.json"), "--task", "contact-sheet"]
    base += ["--data_dir", str(ROOT / "examples/clevr"), "--output_dir", str(tmp_path)]
    assert main([*base, *words]) == code
    page = tmp_path / "contact-sheet.html"
    return page.read_text(encoding="utf-8") if page.exists() else ""


def pictures(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in found]


def test_marked_pictures_with_their_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = sheet(tmp_path, "--vlm_options", '{"form": "mark", "form_options": {"width": 4}}')
    assert capsys.readouterr().out.strip().endswith("contact-sheet.html")
    shown = pictures(page)
    assert len(shown) > 2
    assert all((np.asarray(image.convert("RGB")) == (255, 0, 0)).all(-1).any() for image in shown)
    assert "in the red box" in page
    assert "Answer with yes or no." in page


def test_with_coordinates_there_is_one_picture(tmp_path: Path) -> None:
    page = sheet(tmp_path, "--vlm_options", '{"form": "coordinates"}')
    assert len(pictures(page)) == 1
    assert "The red box is [" in page


def test_a_sample_is_found_by_its_id_or_missed_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "sample clevr-000003" in sheet(tmp_path, "--sample", "clevr-000003")
    sheet(tmp_path, "--sample", "clevr-00003", code=2)
    error = capsys.readouterr().err
    assert "There is no sample 'clevr-00003'" in error
    assert "did you mean" in error
