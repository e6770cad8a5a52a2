"""What tests of hostile datasets share."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.dataset_makers import picture
from PIL import Image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with a good picture under every name that a reader looks for, beside it a key."""
    data = tmp_path / "data"
    for folder in ("images", "Images"):
        picture(data / folder / "good.png")
        picture(data / folder / "bad.png")
        Image.new("RGB", (100, 80)).save(data / folder / "good.jpg")
    (tmp_path / "key").write_text("sk-secret-0123456789")
    picture(tmp_path / "private.png")
    return data
