"""Tiny detectors of the real classes, with random weights: config, tokenizer and processor made here.

Each builder returns ``(model, processor)`` in evaluation mode, ready for the adapter's real code.
"""

from __future__ import annotations

from typing import Any

import torch
from helpers import tiny_percepts
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertTokenizerFast,
    CLIPImageProcessorPil,
    CLIPTokenizerFast,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessorPil,
    Owlv2Processor,
    PreTrainedTokenizerFast,
    SwinConfig,
)

from neptune.perception.sam3 import Worded

WORDS = "a photo of cube sphere ball cylinder object red dining table person cat dog fire hydrant locate in the image"


def dino(seed: int = 0) -> tuple[Any, Any]:
    """Grounding DINO: a Swin backbone, BERT, two decoder layers, eight queries."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "?", *dict.fromkeys(WORDS.split())]
    tokenizer = BertTokenizerFast(vocab={word: k for k, word in enumerate(vocabulary)})
    images = GroundingDinoImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 192})
    torch.manual_seed(seed)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64,
            patch_size=4,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config={
            "model_type": "bert",
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 64,
        },
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=8,
        num_feature_levels=4,
        max_text_len=32,
        disable_custom_kernels=True,
    )
    return GroundingDinoForObjectDetection(config).eval(), GroundingDinoProcessor(images, tokenizer)


def owlv2(seed: int = 0) -> tuple[Any, Any]:
    """OWLv2: a picture of 64 × 64 in 16 patches, each a box."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    vocabulary = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizerFast(vocab={word: k for k, word in enumerate(vocabulary)}, merges=[], model_max_length=48)
    images = Owlv2ImageProcessorPil(size={"height": 64, "width": 64})
    torch.manual_seed(seed)
    config = Owlv2Config(
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 48,
            "bos_token_id": vocabulary.index("<|startoftext|>"),
            "eos_token_id": vocabulary.index("<|endoftext|>"),
            "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
        },
        projection_dim=16,
    )
    return Owlv2ForObjectDetection(config).eval(), Owlv2Processor(images, tokenizer)


def florence(seed: int = 0) -> tuple[Any, Any]:
    """Florence-2: four stages of DaViT, one layer of BART each way."""
    places = [f"<loc_{k}>" for k in range(1000)]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<image>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([WORDS] * 4, trainer)
    inner.add_special_tokens(places)
    inner.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    images = CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False)
    images.image_seq_length = 5
    pattern = r"([^<]+)?<loc_(\d+)><loc_(\d+)><loc_(\d+)><loc_(\d+)>"
    processor = Florence2Processor(
        images,
        tokenizer,
        post_processor_config={
            "description_with_bboxes_or_polygons": {"PATTERN": pattern},
            "description_with_bboxes": {"PATTERN": pattern},
            "bboxes": {},
            "polygons": {},
            "pure_text": {},
        },
    )
    torch.manual_seed(seed)
    config = Florence2Config(
        vision_config={
            "embed_dim": [8, 16, 16, 32],
            "num_heads": [1, 2, 2, 4],
            "num_groups": [1, 2, 2, 4],
            "depths": [1, 1, 1, 1],
            "window_size": 4,
            "projection_dim": 32,
        },
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            "d_model": 32,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
            "max_position_embeddings": 1024,
            "bos_token_id": 0,
            "pad_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 2,
            "forced_eos_token_id": None,
        },
        image_token_id=tokenizer.image_token_id,
    )
    model = Florence2ForConditionalGeneration(config).eval()
    # Random weights write no places: what is neither a place nor the end is left out of what they may write.
    ids = set(tokenizer.convert_tokens_to_ids(places)) | {tokenizer.eos_token_id}
    model.generation_config.suppress_tokens = [k for k in range(len(tokenizer)) if k not in ids]
    model.generation_config.no_repeat_ngram_size = 1  # nor the same place twice
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, processor


def llmdet(seed: int = 0) -> tuple[Any, Any]:
    """LLMDet: its architecture is MM Grounding DINO's, its processor Grounding DINO's."""
    config = dino()[0].config.to_dict()
    config = {k: v for k, v in config.items() if k not in ("model_type", "architectures", "transformers_version")}
    torch.manual_seed(seed)
    return MMGroundingDinoForObjectDetection(MMGroundingDinoConfig(**config)).eval(), dino()[1]


def sam3(seed: int = 0) -> tuple[Any, Any]:
    """SAM 3, as a detector takes it."""
    model, said, tokenizer = tiny_percepts.sam3(seed)
    return model, Worded(said, tokenizer)


BUILDERS = {"dino": dino, "owlv2": owlv2, "florence": florence, "llmdet": llmdet, "sam3": sam3}
