"""Tiny segmenters and depth estimators of the real classes, with random weights: model and preprocessing."""

from __future__ import annotations

from typing import Any

import torch

Made = tuple[Any, dict[str, Any]]


def sam(seed: int = 0) -> Made:
    """SAM: pictures of 64 pixels, patches of 8, two layers."""
    from transformers import SamConfig, SamModel

    torch.manual_seed(seed)
    vision = {"hidden_size": 16, "output_channels": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"image_size": 64, "patch_size": 8, "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 4}
    prompts = {"hidden_size": 8, "image_size": 64, "patch_size": 8, "image_embedding_size": 8, "mask_input_channels": 4}
    decoder = {"hidden_size": 8, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_depth": 2}
    decoder |= {"iou_head_hidden_dim": 8}
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    return SamModel(config).eval(), {"size": {"longest_edge": 64}}


def sam2(seed: int = 0) -> Made:
    """SAM 2: a Hiera of five blocks, pictures of 128 pixels."""
    from transformers import Sam2Config, Sam2Model

    torch.manual_seed(seed)
    backbone = {
        "hidden_size": 8,
        "num_attention_heads": 1,
        "image_size": [128, 128],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "backbone_config": {"model_type": "sam2_hiera_det_model", **backbone},
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": 16,
    }
    prompts = {"hidden_size": 16, "image_size": 128, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_depth": 2}
    decoder |= {"iou_head_hidden_dim": 8}
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    return Sam2Model(config).eval(), {"size": {"height": 128, "width": 128}}


def depth_anything(seed: int = 0, kind: str = "relative") -> Made:
    """Depth Anything: a DINOv2 of four layers, patches of 14."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

    torch.manual_seed(seed)
    backbone = {
        "model_type": "dinov2",
        "image_size": 56,
        "patch_size": 14,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
        "apply_layernorm": True,
    }
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=20,
    )
    model = DepthAnythingForDepthEstimation(config).eval()
    said = {"size": {"height": 56, "width": 56}, "ensure_multiple_of": 14, "keep_aspect_ratio": True, "resample": 3}
    return model, said


def zoedepth(seed: int = 0) -> Made:
    """ZoeDepth: a BEiT of four layers, one head of bins."""
    from transformers import ZoeDepthConfig, ZoeDepthForDepthEstimation

    torch.manual_seed(seed)
    backbone = {
        "model_type": "beit",
        "image_size": 64,
        "patch_size": 16,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "use_relative_position_bias": True,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
    }
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=4,
        num_attractors=[4, 2, 2, 1],
        bin_embedding_dim=8,
        bin_configurations=[{"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0}],
    )
    said = {"size": {"height": 64, "width": 64}, "ensure_multiple_of": 32, "keep_aspect_ratio": True}
    return ZoeDepthForDepthEstimation(config).eval(), said


def depth_pro(seed: int = 0, field_of_view: bool = True) -> Made:
    """Depth Pro: three DINOv2 of two layers, pictures of 64 pixels in patches of 16, at two scales."""
    from transformers import DepthProConfig, DepthProForDepthEstimation

    torch.manual_seed(seed)
    encoder = {
        "model_type": "dinov2",
        "image_size": 16,
        "patch_size": 4,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    config = DepthProConfig(
        patch_size=16,
        fusion_hidden_size=8,
        intermediate_hook_ids=[0],
        intermediate_feature_dims=[8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[5, 5],
        merge_padding_value=1,
        use_fov_model=field_of_view,
        image_model_config=dict(encoder),
        patch_model_config=dict(encoder),
        fov_model_config=dict(encoder),
    )
    model = DepthProForDepthEstimation(config)
    with torch.no_grad():
        model.head.layers[-2].bias.fill_(0.5)  # else half of what a random model says is cut off at 0
        if field_of_view:
            model.fov_model.head.layers[-1].bias.fill_(60)  # degrees
    return model.eval(), {"size": {"height": 64, "width": 64}}


def clip_words() -> Any:
    """A tokenizer of CLIP's kind that spells words letter by letter."""
    from transformers import CLIPTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    vocabulary = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizerFast(vocab={word: k for k, word in enumerate(vocabulary)}, merges=[], model_max_length=32)


def sam3(seed: int = 0) -> tuple[Any, dict[str, Any], Any]:
    """SAM 3: a ViT of two layers, pictures of 112 pixels, six things at most; with its tokenizer."""
    from transformers import Sam3Config, Sam3Model

    torch.manual_seed(seed)
    backbone = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    backbone |= {"image_size": 112, "patch_size": 14, "window_size": 4, "global_attn_indexes": [1]}
    backbone |= {"pretrain_image_size": 56}
    vision = {"backbone_config": {"model_type": "sam3_vit_model", **backbone}, "fpn_hidden_size": 32}
    vision |= {"backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]]}
    part = {"hidden_size": 32, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "dropout": 0.0}
    tokenizer = clip_words()
    text = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "projection_dim": 32}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}
    text |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = Sam3Config(
        vision_config=vision,
        text_config={"model_type": "clip_text_model", **text},
        geometry_encoder_config=dict(part),
        detr_encoder_config=dict(part),
        detr_decoder_config={**part, "num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
        initializer_range=0.2,
    )
    return Sam3Model(config).eval(), {"size": {"height": 112, "width": 112}}, tokenizer
