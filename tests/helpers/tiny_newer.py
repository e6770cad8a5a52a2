"""Tiny vision-language models of newer kinds: some of their layers look back a window only, or keep a state.

Each builder returns ``(model, processor)`` in evaluation mode, as those of `helpers.tiny_models` do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from helpers.tiny_parts import CHAT, text_config, token_ids, tokenizer
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    Gemma4Processor,
    Glm46VConfig,
    Glm46VForConditionalGeneration,
    Glm46VImageProcessorPil,
    Glm46VProcessor,
    Lfm2VlConfig,
    Lfm2VlForConditionalGeneration,
    Lfm2VlProcessor,
    Molmo2Config,
    Molmo2ForConditionalGeneration,
    Molmo2Processor,
    Qwen2VLImageProcessorPil,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLProcessor,
)

from neptune.perception.oracle.vlm.processors import lfm2, molmo2
from neptune.perception.oracle.vlm.processors.image_only import image_only

WINDOW = 12
"""Tokens: less than a picture and a question, so that a window ends inside the prefix."""


def _told_apart(model: Any, factor: float) -> Any:
    """Return a fresh model in evaluation mode with its answers further apart: those of small random ones are alike."""
    with torch.no_grad():
        model.lm_head.weight.mul_(factor)
    return model.eval()


def gemma3() -> tuple[Any, Any]:
    """Every second layer looks back a window; picture tokens attend to each other in both directions."""
    names = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tok = tokenizer(*names.values(), **names)
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"model_type": "siglip_vision_model", "image_size": 56, "patch_size": 14}
    layers = ["sliding_attention", "full_attention"]
    config = Gemma3Config(
        vision_config=vision,
        text_config=text_config(head_dim=8, sliding_window=WINDOW, layer_types=layers, tie_word_embeddings=False),
        mm_tokens_per_image=4,
        tie_word_embeddings=False,  # else a random model says again what it was told last
        **token_ids(tok, **{f"{name}_index": token for name, token in names.items()}),
    )
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(config)
    # A fresh model starts with zeros here, blind to its pictures.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.5)
    processor = image_only(Gemma3Processor)(
        Gemma3ImageProcessorPil(size={"height": 56, "width": 56}),
        tok,
        image_seq_length=4,
        chat_template=CHAT.format(image="<start_of_image>"),
    )
    return _told_apart(model, 8), processor


def gemma4() -> tuple[Any, Any]:
    """As Gemma 3; the last two layers use keys and values of earlier ones, and each layer has inputs of its own."""
    names = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<|image|>"}
    sounds = {"audio_token": "<|audio|>", "boa_token": "<boa>", "eoa_token": "<eoa>"}
    tok = tokenizer(*names.values(), *sounds.values(), "<|video|>", **names, **sounds)
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"num_key_value_heads": 2, "head_dim": 16, "patch_size": 8, "position_embedding_size": 256}
    text = text_config(
        num_hidden_layers=4,
        head_dim=8,
        global_head_dim=8,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"] * 2,
        num_kv_shared_layers=2,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=512,
        use_bidirectional_attention="vision",
        tie_word_embeddings=False,
    )
    config = Gemma4Config(
        text_config=text,
        vision_config=vision,
        audio_config=None,
        tie_word_embeddings=False,
        video_token_id=tok.convert_tokens_to_ids("<|video|>"),
        **token_ids(tok, **{f"{name}_id": token for name, token in names.items()}),
    )
    torch.manual_seed(0)
    model = Gemma4ForConditionalGeneration(config)
    images = Gemma4ImageProcessorPil(patch_size=8, max_soft_tokens=70)
    kind = image_only(Gemma4Processor)
    processor = kind(Gemma4AudioFeatureExtractor(), images, tok, None, chat_template=CHAT.format(image="<|image|>"))
    return _told_apart(model, 8), processor


def qwen3_5() -> tuple[Any, Any]:
    """A layer of linear attention, with a convolution before it, and one of full attention."""
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    tok = tokenizer(*names.values())
    vision = {"depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}
    vision |= {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "num_position_embeddings": 64}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1], "partial_rotary_factor": 1.0}
    text = text_config(
        head_dim=8,
        rope_parameters=rope,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        layer_types=["linear_attention", "full_attention"],
    )
    torch.manual_seed(2)
    model = Qwen3_5ForConditionalGeneration(
        Qwen3_5Config(text_config=text, vision_config=vision, **token_ids(tok, **names))
    )
    images = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 16)
    template = CHAT.format(image="<|vision_start|><|image_pad|><|vision_end|>")
    return _told_apart(model, 3), image_only(Qwen3VLProcessor)(images, tok, chat_template=template)


def glm46v() -> tuple[Any, Any]:
    """Positions by row and column, half of each head rotated."""
    names = {
        "image_token_id": "<|image|>",
        "video_token_id": "<|video|>",
        "image_start_token_id": "<|begin_of_image|>",
        "image_end_token_id": "<|end_of_image|>",
        "video_start_token_id": "<|begin_of_video|>",
        "video_end_token_id": "<|end_of_video|>",
    }
    tok = tokenizer(*names.values())
    vision = {"depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}
    vision |= {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "image_size": 112}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1], "partial_rotary_factor": 1.0}
    torch.manual_seed(0)
    config = Glm46VConfig(
        text_config=text_config(rope_parameters=rope, pad_token_id=tok.pad_token_id),
        vision_config=vision,
        **token_ids(tok, **names),
    )
    images = Glm46VImageProcessorPil(size={"shortest_edge": 28 * 28 * 2, "longest_edge": 28 * 28 * 2 * 16})
    template = CHAT.format(image="<|begin_of_image|><|image|><|end_of_image|>")
    kind = image_only(Glm46VProcessor)
    return Glm46VForConditionalGeneration(config).eval(), kind(images, tok, chat_template=template)


def lfm2_vl() -> tuple[Any, Any]:
    """A layer of short convolution, whose state is its last tokens, and one of full attention."""
    special = ("<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>")
    tok = tokenizer(*special, image_token="<image>")
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"patch_size": 8, "num_patches": 16, "vision_use_head": False}
    text = text_config(
        model_type="lfm2",
        layer_types=["conv", "full_attention"],
        pad_token_id=tok.pad_token_id,
        block_auto_adjust_ff_dim=False,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    config = Lfm2VlConfig(
        text_config=text,
        vision_config={"model_type": "siglip2_vision_model", **vision},
        projector_hidden_size=32,
        tie_word_embeddings=False,
        **token_ids(tok, image_token_id="<image>"),
    )
    model = Lfm2VlForConditionalGeneration(config)
    images = lfm2.image_processor()(
        encoder_patch_size=8, tile_size=64, min_image_tokens=4, max_image_tokens=16, min_tiles=1, max_tiles=2
    )
    processor = image_only(Lfm2VlProcessor, type(images))(images, tok, chat_template=CHAT.format(image="<image>"))
    return _told_apart(model, 1), processor


def molmo2_() -> tuple[Any, Any]:
    """Picture tokens attend to each other in both directions, and are added to the tokens' own embeddings."""
    words = {"image_patch_id": "<im_patch>", "image_start_token_id": "<im_start>", "image_end_token_id": "<im_end>"}
    words |= {"low_res_image_start_token_id": "<low_res_im_start>"}
    words |= {"frame_start_token_id": "<frame_start>", "frame_end_token_id": "<frame_end>"}
    tok = tokenizer(*words.values(), "<im_col>", "<im_low>", "<|image|>", "<|video|>")
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"num_key_value_heads": 2, "head_dim": 16, "initializer_range": 0.2}
    torch.manual_seed(0)
    config = Molmo2Config(
        vision_config={**vision, "image_size": [56, 56]},
        adapter_config={**vision, "vision_feature_layer": [1, 0], "text_hidden_size": 32},
        text_config=text_config(head_dim=8, additional_vocab_size=8, rope_scaling_layers=[0]),
        **token_ids(tok, **words),
    )
    images = molmo2.image_processor()(size={"height": 56, "width": 56}, overlap_margins=[1, 1], max_crops=2)
    processor = image_only(Molmo2Processor, type(images))(
        images, None, tok, chat_template=CHAT.format(image="<|image|>")
    )
    return _told_apart(Molmo2ForConditionalGeneration(config), 4), processor


NEWER: dict[str, Callable[[], tuple[Any, Any]]] = {
    "gemma3": gemma3,
    "gemma4": gemma4,
    "qwen3_5": qwen3_5,
    "glm46v": glm46v,
    "lfm2_vl": lfm2_vl,
    "molmo2": molmo2_,
}
"""``model_type`` → builder."""

STATEFUL = ("gemma3", "gemma4", "qwen3_5", "lfm2_vl")
"""Those whose layers look back a window only, or keep a state."""
