"""A vision-language model that runs here leads a conversation: real classes with random weights, which say nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.turn_tasks import dots
from PIL import Image

pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
from helpers.tiny_models import OTHERS, VLMS, tiny_vlm

from neptune.agent.limits import TurnLimits
from neptune.agent.models import LocalModel
from neptune.agent.session import model_of
from neptune.cli import main
from neptune.config import Config
from neptune.engine import Engine
from neptune.errors import ConfigError, OracleError
from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.scene.picture import Picture

KINDS = (*VLMS, *OTHERS)


def picture(level: int) -> Picture:
    return Picture(Image.new("RGB", (70, 50), (level, 20, 255 - level)))


def said(*pictures: Picture) -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": "Answer with one word."},
        {"role": "user", "content": [*(part for p in pictures for part in ("image_clue_0:", p)), "Is it red?"]},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": ["Look again.", *pictures[:1]]},
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_shown_every_picture_in_its_place(kind: str) -> None:
    oracle = TransformersOracle(tiny_vlm(kind), max_pixels=1024 * 8)
    first, second = picture(30), picture(220)
    one, two = oracle.reply(said(first), 6), oracle.reply(said(first, second), 6)
    assert one.written <= 6
    words = len(oracle.reader.ids("image_clue_0:"))
    assert two.read - one.read > words, "the second picture has tokens of its own"
    assert oracle.reply(said(first), 6) == one
    assert oracle.reply(said(first), 6, temperature=1.5, seed=3) == oracle.reply(said(first), 6, 1.5, 3)
    drawn = {oracle.reply(said(first), 6, temperature=2.0, seed=k).text for k in range(4)}
    assert len(drawn) > 1


def test_what_is_shown_is_the_picture() -> None:
    model, processor = tiny_vlm("qwen2_vl")
    oracle, shown = TransformersOracle((model, processor)), []
    inner = oracle.reader.own_processor()

    class Watched:
        def __call__(self, **given: Any) -> Any:
            shown.extend(given["images"][0])
            return inner(**given)

    oracle.reader.own_processor = lambda: Watched()  # type: ignore[method-assign]
    local = LocalModel(oracle, 4)
    from neptune.agent.formats import question_content
    from neptune.agent.shots import Gallery

    gallery = Gallery()
    gallery.add(picture(30))
    gallery.add(picture(220))
    messages = [
        {"role": "system", "content": "x"},
        {"role": "user", "content": question_content("own", "?", gallery.clues)},
    ]
    reply = local.reply(messages)
    assert [p.getpixel((5, 5)) for p in shown] == [(30, 20, 225), (220, 20, 35)]
    assert (reply.spent.calls, reply.spent.completion_tokens, reply.spent.cost) == (1, 4, 0.0)
    assert "code_gen_max_tokens" in reply.failure


def test_a_conversation_too_long_for_it_says_so() -> None:
    oracle = TransformersOracle(tiny_vlm("qwen2_vl"))
    with pytest.raises(OracleError, match="the model reads 4,096"):
        oracle.reply([{"role": "user", "content": "yes " * 5000}], 4)


def test_the_oracle_s_own_model_leads_it_loaded_once(tmp_path: Path) -> None:
    oracle = TransformersOracle(tiny_vlm("qwen2_vl"))
    with Engine(oracle=oracle, detector="regions", vocabulary=None, record=tmp_path / "e.jsonl") as engine:
        config = Config(task="agent", code_gen_provider="transformers", vlm_model_name="qwen2_2b")
        model = model_of(config, engine)
        assert isinstance(model, LocalModel)
        assert model.oracle is oracle
    with pytest.raises(ConfigError, match="leads no conversation"):
        LocalModel(Engine(oracle="random", detector="regions", vocabulary=None).oracle, 4)


def test_it_leads_a_conversation_from_the_command_line(tmp_path: Path) -> None:
    model, processor = tiny_vlm("qwen2_vl")
    for part in (model, processor):
        part.save_pretrained(tmp_path / "model")
    dots(3).save(tmp_path / "in.png")
    words = ["ask", str(tmp_path / "in.png"), "What is it?", "--turns", "4", "--code_gen_provider", "transformers"]
    words += ["--vlm_model_name", str(tmp_path / "model"), "--od_model", "regions", "--vocabulary", "null"]
    words += ["--code_gen_max_tokens", "8", "--output_dir", str(tmp_path / "out")]
    assert main(words) == 1
    talk = json.loads((tmp_path / "out" / "results.json").read_text())["conversation"]
    assert talk["end"] in ("model", "refused", "answered")  # what random weights say is cut off, or nothing
    assert talk["prompt_tokens"] > 1000
    assert talk["turns"][0]["reply"]
    assert main(words) == 1  # replayed: the model is not loaded
    assert TurnLimits().turns == 10


@pytest.mark.parametrize(
    ("more", "said_of_it"),
    [
        (("--turns", "3", "--vlm_model_name", "random"), "no vision-language model that runs here"),
        (("--program", "1"), "leads conversations"),
    ],
)
def test_what_can_not_lead_one_is_refused(
    more: tuple[str, ...], said_of_it: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "x.png", "What?", "--code_gen_provider", "transformers", *more]) == 2
    assert said_of_it in capsys.readouterr().err
