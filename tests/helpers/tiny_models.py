"""Tiny vision-language models of the real classes, with random weights: config, tokenizer and processor made here.

Each builder returns ``(model, processor)`` in evaluation mode, ready for the adapter's real code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from helpers.tiny_newer import NEWER
from helpers.tiny_parts import CHAT, text_config, token_ids, tokenizer
from transformers import (
    CLIPVisionConfig,
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    Ovis2Config,
    Ovis2ForConditionalGeneration,
    Ovis2ImageProcessorPil,
    Ovis2Processor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
    SmolVLMProcessor,
)

from neptune.perception.oracle.vlm.processors.image_only import image_only


def _qwen(version: str) -> tuple[Any, Any]:
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    tok = tokenizer(*names.values())
    vision = {"depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
    text = text_config(rope_parameters=rope)
    if version == "2":
        kinds: Any = Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor
        vision |= {"embed_dim": 32, "hidden_size": 32}
    elif version == "2.5":
        kinds = Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
        vision |= {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "window_size": 56}
        vision |= {"fullatt_block_indexes": [1]}
    else:
        kinds = Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
        vision |= {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32}
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        text |= {"head_dim": 8}
    config_kind, model_kind, processor_kind = kinds
    torch.manual_seed(0)
    model = model_kind(config_kind(text_config=text, vision_config=vision, **token_ids(tok, **names)))
    template = CHAT.format(image="<|vision_start|><|image_pad|><|vision_end|>")
    images = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 16)
    return model.eval(), image_only(processor_kind)(images, tok, chat_template=template)


def _internvl() -> tuple[Any, Any]:
    tok = tokenizer(
        "<img>",
        "</img>",
        "<IMG_CONTEXT>",
        "<video>",
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": [56, 56],
        "patch_size": [14, 14],
    }
    torch.manual_seed(0)
    config = InternVLConfig(
        vision_config=vision,
        text_config=text_config(model_type="qwen2"),
        downsample_ratio=0.5,
        image_seq_length=4,
        **token_ids(tok, image_token_id="<IMG_CONTEXT>"),
    )
    images = GotOcr2ImageProcessorPil(size={"height": 56, "width": 56}, max_patches=4)
    template = CHAT.format(image="<IMG_CONTEXT>\n")
    processor = image_only(InternVLProcessor)(images, tok, image_seq_length=4, chat_template=template)
    return InternVLForConditionalGeneration(config).eval(), processor


def _ovis2() -> tuple[Any, Any]:
    indicators = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
    tok = tokenizer("<image>", "<IMG_ATOM>", *indicators)
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 56,
        "patch_size": 14,
        "vocab_size": 64,
        "num_visual_indicator_tokens": 5,
        "hidden_stride": 2,
        "tokenize_function": "softmax",
    }
    torch.manual_seed(0)
    config = Ovis2Config(
        vision_config=vision,
        text_config=text_config(model_type="qwen2"),
        vocab_size=512,
        hidden_size=32,
        visual_indicator_token_ids=[tok.convert_tokens_to_ids(t) for t in indicators],
        **token_ids(tok, image_token_id="<IMG_ATOM>"),
    )
    images = Ovis2ImageProcessorPil(size={"height": 56, "width": 56})
    template = CHAT.format(image="<image>\n")
    processor = Ovis2Processor(images, tok, image_seq_length=4, chat_template=template)
    return Ovis2ForConditionalGeneration(config).eval(), processor


def _smolvlm() -> tuple[Any, Any]:
    tok = tokenizer("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 56,
        "patch_size": 14,
    }
    torch.manual_seed(0)
    config = SmolVLMConfig(
        vision_config=vision,
        text_config=text_config(model_type="llama"),
        scale_factor=2,
        pad_token_id=tok.pad_token_id,
        **token_ids(tok, image_token_id="<image>"),
    )
    images = SmolVLMImageProcessorPil(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    template = CHAT.format(image="<image>")
    processor = image_only(SmolVLMProcessor)(images, tok, None, image_seq_len=4, chat_template=template)
    return SmolVLMForConditionalGeneration(config).eval(), processor


VLMS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "qwen2_vl": lambda: _qwen("2"),
    "qwen2_5_vl": lambda: _qwen("2.5"),
    "qwen3_vl": lambda: _qwen("3"),
    "internvl": _internvl,
    "ovis2": _ovis2,
    "smolvlm": _smolvlm,
    **NEWER,
}
"""``model_type`` → builder."""


@cache
def _llava_next() -> tuple[Any, Any]:
    tok = tokenizer("<image>", image_token="<image>")
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        projection_dim=32,
    )
    tiles = [[28, 56], [56, 28], [56, 56]]
    config = LlavaNextConfig(
        vision_config=vision,
        text_config=LlamaConfig(**text_config()),
        image_grid_pinpoints=tiles,
        **token_ids(tok, image_token_id="<image>"),
    )
    torch.manual_seed(0)
    model = LlavaNextForConditionalGeneration(config)
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=tiles
    )
    processor = image_only(LlavaNextProcessor)(
        images,
        tok,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT.format(image="<image>"),
    )
    return model.eval(), processor


OTHERS: dict[str, Callable[[], tuple[Any, Any]]] = {"llava_next": _llava_next}
"""Architectures that are held to no shared prefix: whatever `AutoModelForImageTextToText` loads is read like them."""


def tiny_vlm(model_type: str = "qwen2_vl") -> tuple[Any, Any]:
    """Return a tiny vision-language model and its processor; the same pair on each call."""
    return (VLMS | OTHERS)[model_type]()
