"""What students start from: a small Qwen2-VL that has a name for what stands at each place of a picture, and no more.

A model that was never shown a picture learns, from some thousand answers, only what is usually answered. Those that are
distilled elsewhere have seen millions of pictures with words. So all arms start from the same eyes: from the boxes and
attributes of the labelled half's pictures, the picture part learns to give each token of a picture the sum of the words
for the object there (and the words learn to be told apart by it). The part that reads questions and writes answers
starts from random weights, by seed.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = 234, 156
"""Width and height of a picture that a student sees. The engine sees the whole one, twice as wide."""
PATCH, MERGED = 13, 2
"""Side of a patch in pixels; so many by so many patches are a token."""
CELL = PATCH * MERGED
SCALE = SHOWN[0] / 480
COLUMNS, ROWS = SHOWN[0] // CELL, SHOWN[1] // CELL
PIXELS = SHOWN[0] * SHOWN[1]
WIDTH, LAYERS = 96, 3
LOOKING, DEPTH = 64, 2
"""Width and layers of the part that reads and writes, and of the one that looks."""
WORDS = {
    "large": "large big",
    "small": "small tiny",
    "metal": "metal metallic shiny",
    "rubber": "rubber matte",
    "cube": "cube cubes block blocks",
    "sphere": "sphere spheres ball balls",
    "cylinder": "cylinder cylinders",
}
"""Value of an attribute → the words for it in questions, where it is not its own only one."""
CENTRE, NOTHING = "object objects thing things", "picture"
"""Words for the token in which an object has its middle, and for one where no object is."""
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def processor(texts: list[str]) -> Any:
    """Return a processor with a tokenizer of the lessons' words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil, Qwen2VLProcessor

    from neptune.perception.oracle.vlm.processors.image_only import image_only

    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *marks]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1024, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator([*texts, "Yes No yes no"], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>", extra_special_tokens={}
    )
    pictures = Qwen2VLImageProcessorPil(
        min_pixels=CELL * CELL, max_pixels=PIXELS, patch_size=PATCH, merge_size=MERGED, temporal_patch_size=1
    )
    return image_only(Qwen2VLProcessor)(pictures, tokenizer, chat_template=TEMPLATE)


def network(tokenizer: Any, seed: int) -> Any:
    """Return a Qwen2-VL with random weights."""
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    ids = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    known = {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in ids.items()}
    text = {"vocab_size": len(tokenizer), "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH}
    text |= {"num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 4}
    text |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 4, 4]}}
    text |= {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "initializer_range": WIDTH**-0.5}
    text |= {"tie_word_embeddings": True}
    vision = {"depth": DEPTH, "num_heads": 4, "embed_dim": LOOKING, "mlp_ratio": 2, "hidden_size": WIDTH}
    vision |= {"patch_size": PATCH, "spatial_merge_size": MERGED, "temporal_patch_size": 1}
    vision |= {"initializer_range": LOOKING**-0.5}
    torch.manual_seed(seed)
    config = Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **known)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.bos_token_id = None
    return model


def shares(tokenizer: Any, words: list[str]) -> dict[int, float]:
    """Return the tokens of words, with and without a space before them, and equal shares of 1."""
    spelt = [tokenizer.encode(form, add_special_tokens=False) for w in words for form in (" " + w, w)]
    single = [ids[0] for ids in spelt if len(ids) == 1]
    return dict.fromkeys(single, 1 / len(single)) if single else {}


def named(objects: list[dict[str, Any]], move: tuple[int, int], flipped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each token of a picture, which object is there (-1: none), and whether its middle is."""
    there = np.full((ROWS, COLUMNS), -1)
    middle = np.zeros((ROWS, COLUMNS), dtype=bool)
    most = np.full((ROWS, COLUMNS), 0.3)
    x, y = np.arange(COLUMNS + 1) * CELL, np.arange(ROWS + 1) * CELL
    order = sorted(range(len(objects)), key=lambda k: -objects[k]["pixel_coords"][2])  # the nearest last
    for last in (False, True):
        for k in order:
            x0, y0, x1, y1 = (v * SCALE for v in objects[k]["bbox"])
            if flipped:
                x0, x1 = SHOWN[0] - x1, SHOWN[0] - x0
            x0, x1, y0, y1 = x0 + move[0], x1 + move[0], y0 + move[1], y1 + move[1]
            if last:
                row, column = int((y0 + y1) / 2 // CELL), int((x0 + x1) / 2 // CELL)
                if 0 <= row < ROWS and 0 <= column < COLUMNS:
                    there[row, column], middle[row, column] = k, True
                continue
            wide = (np.minimum(x[1:], x1) - np.maximum(x[:-1], x0)).clip(0)
            high = (np.minimum(y[1:], y1) - np.maximum(y[:-1], y0)).clip(0)
            share = high[:, None] * wide[None] / CELL**2
            better = share >= np.minimum(most, 0.8)
            there[better], most[better] = k, share[better]
    return there.reshape(-1), middle.reshape(-1)


def looked(model: Any, processor: Any, pictures: list[Any]) -> Any:
    """Return the tokens of pictures as the model sees them, ``(B, ROWS * COLUMNS, WIDTH)``."""
    made = processor.image_processor(images=pictures, return_tensors="pt")
    seen = model.model.visual(made["pixel_values"], grid_thw=made["image_grid_thw"]).pooler_output
    return seen.reshape(len(pictures), ROWS * COLUMNS, -1)


class Targets:
    """What the tokens of pictures are taught: for each the share of each word."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._rows: dict[str, Any] = {}
        self._nothing, self._centre = self._row(NOTHING), self._row(CENTRE)

    def _row(self, words: str) -> Any:
        import torch

        if words not in self._rows:
            row = torch.zeros(len(self._tokenizer))
            for token, share in shares(self._tokenizer, words.split()).items():
                row[token] += share
            self._rows[words] = row
        return self._rows[words]

    def of(self, objects: list[dict[str, Any]], move: tuple[int, int], flipped: bool) -> Any:
        """Return those of one picture, ``(ROWS * COLUMNS, V)``."""
        import torch

        there, middle = named(objects, move, flipped)
        things = [
            sum(self._row(WORDS.get(o[name], o[name])) for name in ("color", "size", "material", "shape"))
            for o in objects
        ]
        rows = [
            self._nothing if k < 0 else things[k] + self._centre if m else things[k]
            for k, m in zip(there, middle, strict=True)
        ]
        made = torch.stack(rows)
        return made / made.sum(1, keepdim=True)


def eyes(texts: list[str], scenes: list[dict[str, Any]], images: Path, folder: Path, steps: int) -> Path:
    """Teach the picture part what stands where in labelled pictures; write it with the processor, return the folder."""
    if (folder / "config.json").is_file():
        return folder
    import torch
    from PIL import Image

    made = processor(texts)
    model = network(made.tokenizer, 0)
    parameters = [*model.model.visual.parameters(), model.get_input_embeddings().weight]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.01)
    opened = []
    for scene in scenes:
        with Image.open(images / scene["image_filename"]) as whole:
            opened.append(whole.convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS))
    draw, wanted_of = random.Random(0), Targets(made.tokenizer)
    order: list[int] = []
    model.train()
    for step in range(steps):
        if len(order) < 16:
            order = draw.sample(range(len(scenes)), len(scenes))
        batch, order = order[:16], order[16:]
        pictures, wanted = [], []
        for k in batch:
            flipped, move = draw.random() < 0.5, (draw.randint(-12, 12), draw.randint(-12, 12))
            picture = opened[k].transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else opened[k]
            picture = picture.transform(
                SHOWN, Image.Transform.AFFINE, (1, 0, -move[0], 0, 1, -move[1]), fillcolor=(120,) * 3
            )
            pictures.append(picture)
            wanted.append(wanted_of.of(scenes[k]["objects"], move, flipped))
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / steps))
        seen = looked(model, made, pictures)
        scores = (seen @ model.get_input_embeddings().weight.T).log_softmax(-1)
        wanted_ = torch.stack(wanted)
        weight = 0.3 + 0.7 * (wanted_.max(-1).values < 0.45)  # less for tokens without an object
        loss = -((wanted_ * scores).sum(-1) * weight).sum() / weight.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % 20 == 19:
            print(f"start: step {step + 1} of {steps}, loss {loss.item():.3f}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    made.save_pretrained(str(folder))
    model.save_pretrained(str(folder))
    return folder


def begun(start: Path, seed: int, folder: Path) -> Path:
    """Write a model with the eyes and words of another, and the rest from random weights; return the folder."""
    if (folder / "config.json").is_file():
        return folder
    import torch
    from transformers import Qwen2VLForConditionalGeneration

    from neptune.perception.oracle.vlm.processors.image_only import load_processor

    made = load_processor(str(start), "qwen2_vl")
    model, seeing = network(made.tokenizer, seed), Qwen2VLForConditionalGeneration.from_pretrained(str(start))
    with torch.no_grad():
        model.model.visual.load_state_dict(seeing.model.visual.state_dict())
        model.get_input_embeddings().weight.copy_(seeing.get_input_embeddings().weight)
    folder.mkdir(parents=True, exist_ok=True)
    made.save_pretrained(str(folder))
    model.save_pretrained(str(folder))
    return folder
