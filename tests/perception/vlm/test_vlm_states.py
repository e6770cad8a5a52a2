"""Layers that keep more than keys and values: a prefix is shared all the same; and a model that may think does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.perceived import pattern
from helpers.tiny_models import tiny_vlm
from helpers.tiny_newer import STATEFUL
from helpers.vlm_scenes import BALL, ONES, TOLERANCE, logits, make, requests, scene

from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.perception.oracle.vlm.prefix import Prefix
from neptune.perception.oracle.vlm.processors import lfm2, molmo2
from neptune.perception.oracle.vlm.processors.image_only import image_only
from neptune.perception.oracle.vlm.prompts import Chat
from neptune.scene.types import ScoreRequest

RECORDED = Path(__file__).parents[1] / "seen" / "recorded_processors.json"


@pytest.mark.parametrize("kind", STATEFUL)
def test_rows_of_unequal_lengths_go_on_apart(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test sees what it is to see: padded to one length, the shorter rows would be read wrongly."""
    asked = requests(scene())
    expected = logits(make(kind, form="coordinates", share_prefix=False), asked)
    shared = make(kind, form="coordinates")
    for _ in range(2):  # what the first rows did to their states is not seen by the next
        np.testing.assert_allclose(logits(shared, asked), expected, atol=TOLERANCE)
    assert shared.reader.prefixes.computed == 1
    monkeypatch.setattr(Prefix, "even", property(lambda self: False))
    wrong = logits(make(kind, form="coordinates"), asked)
    assert np.abs(wrong - expected).max() > 10 * TOLERANCE


def test_a_prefix_keeps_no_memory_of_what_its_windows_do_not_look_back_to() -> None:
    oracle = make("gemma3", form="coordinates")
    oracle.score([ScoreRequest(scene(), BALL, ONES)])
    (prefix,) = oracle.reader.prefixes._known.values()
    window, full = prefix.cache.layers
    assert window.keys.shape[2] < full.keys.shape[2] == prefix.length
    assert window.keys.untyped_storage().nbytes() == window.keys.nbytes
    assert prefix.bytes == sum(v.nbytes for layer in (window, full) for v in (layer.keys, layer.values))
    assert [layer.keys.shape[0] for layer in prefix.rows(5).layers] == [5, 5]
    assert window.keys.shape[0] == 1


THINKS = (
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}"
)
ALWAYS = "<think>\n"


class Templated:
    """A processor of which only the tokenizer and the chat template are looked at."""

    def __init__(self, more: str) -> None:
        self.tokenizer = tiny_vlm()[1].tokenizer
        self.chat_template = tiny_vlm()[1].chat_template + more


@pytest.mark.parametrize("template", [THINKS, ALWAYS])
def test_the_answer_is_read_where_a_thought_would_begin(template: str) -> None:
    assert Chat(Templated(template)).after.endswith("assistant\n<think>\n\n</think>\n\n")
    assert Chat(Templated("")).after.endswith("assistant\n")


def test_thinking_or_not_is_another_question_to_the_model() -> None:
    model, processor = tiny_vlm()
    plain = TransformersOracle((model, processor))
    processor.chat_template += THINKS
    told = TransformersOracle((model, processor))
    assert told.identity != plain.identity
    (prompt, *_) = told.prompts(ScoreRequest(scene(), BALL, ONES))
    assert prompt.text.endswith("</think>\n\n")


@pytest.mark.parametrize("size", [(90, 60), (47, 81), (200, 150), (300, 20), (3, 2)])
def test_lfm2_is_shown_what_was_recorded_of_the_real_processor(size: tuple[int, int]) -> None:
    """It needs torchvision. The third picture is cut into four tiles, and is shown as a whole besides."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))[f"lfm2_vl {size[0]}x{size[1]}"]
    said = {"encoder_patch_size": 8, "tile_size": 64, "min_image_tokens": 4, "max_image_tokens": 16, "max_tiles": 4}
    made = lfm2.image_processor()(**said)([[pattern(*size)]])
    assert made["spatial_shapes"].tolist() == recorded["grids"]
    assert [made["image_rows"], made["image_cols"]] == [recorded["rows"], recorded["cols"]]
    assert made["image_sizes"] == [recorded["size"]]
    assert made["pixel_attention_mask"].sum(1).tolist() == [rows * columns for rows, columns in recorded["grids"]]
    pixels = made["pixel_values"].numpy()
    np.testing.assert_allclose(pixels[:, :3, 5:190:60].ravel(), recorded["values"], atol=2.01 / 255 / 0.5)
    assert pixels.mean() == pytest.approx(recorded["mean"], abs=1e-3)


@pytest.mark.parametrize("size", [(90, 60), (47, 81), (200, 150), (300, 20), (3, 2)])
def test_molmo2_is_shown_what_was_recorded_of_the_real_processor(size: tuple[int, int]) -> None:
    """It needs torchvision: the whole picture, crops that overlap, and which patches make up each token."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))[f"molmo2 {size[0]}x{size[1]}"]
    said = {"size": {"height": 56, "width": 56}, "max_crops": 4, "overlap_margins": [1, 1]}
    made = molmo2.image_processor()(**said)([[pattern(*size)]])
    assert made["image_grids"].tolist() == recorded["grids"]
    assert made["image_num_crops"].tolist() == recorded["crops"]
    assert made["image_token_pooling"][::3].tolist() == recorded["pooling"]
    pixels = made["pixel_values"].numpy()
    np.testing.assert_allclose(pixels[:, 1::5, 7:588:190].ravel(), recorded["values"], atol=1e-5)
    assert pixels.mean() == pytest.approx(recorded["mean"], abs=1e-5)


def test_molmo2_counts_the_patches_of_several_pictures_on() -> None:
    said = {"size": {"height": 70, "width": 70}, "max_crops": 4, "overlap_margins": [1, 1]}
    kind = molmo2.image_processor()
    both = kind(**said)([pattern(90, 60), pattern(47, 81)])
    first, second = (kind(**said)([pattern(*size)]) for size in ((90, 60), (47, 81)))
    patches = first["pixel_values"].shape[0] * first["pixel_values"].shape[1]
    pooling = both["image_token_pooling"][len(first["image_token_pooling"]) :]
    own = second["image_token_pooling"]
    assert torch.equal(pooling[own >= 0], own[own >= 0] + patches)
    assert (pooling[own < 0] == -1).all()
    assert (own < 0).any(), "some tokens have fewer patches"
    assert both["image_token_pooling"].max() + 1 == both["pixel_values"].shape[0] * both["pixel_values"].shape[1]


@pytest.mark.parametrize("order", [("image", "tokenizer", "video"), ("image", "video", "tokenizer")])
def test_processors_may_name_video_anywhere(order: tuple[str, ...]) -> None:
    """Some hand their parts to the base by place, video last or in between; others by name."""
    from transformers import ProcessorMixin

    images, tok = tiny_vlm()[1].image_processor, tiny_vlm()[1].tokenizer
    parts = {"image": "image_processor", "tokenizer": "tokenizer", "video": "video_processor"}
    arguments = ", ".join(parts[part] for part in order)
    scope: dict[str, Any] = {"Base": ProcessorMixin}
    exec(  # a constructor's parameters are looked at, so that each order is a class of its own
        f"class Odd(Base):\n    def __init__(self, {arguments}, chat_template=None):\n"
        f"        super().__init__({arguments}, chat_template=chat_template)\n",
        scope,
    )
    kind = image_only(scope["Odd"])
    given = {"image": images, "tokenizer": tok, "video": None}
    made = kind(*(given[part] for part in order), chat_template="x")
    assert made.image_processor is images
    assert made.tokenizer is tok
    assert made.chat_template == "x"
    assert torch.is_tensor(made.tokenizer("yes", return_tensors="pt")["input_ids"])
