"""SAM 3 as a segmenter and a detector use it: it is told words, and finds every thing that they name.

It is told no boxes: transformers reads those with torchvision, which is not needed here. Which of the things found is
meant by a box, is told afterwards, by how far their boxes overlap it.
Source: SAM 3 (Carion et al. 2025), as implemented in transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from neptune.errors import PerceptionError
from neptune.perception.checkpoints import normalised, said_of_loading, side_lengths
from neptune.scene.boxes import FloatArray

if TYPE_CHECKING:
    from PIL import Image

SIDES = (1008, 1008)
"""Pixels of height and width of what it is shown, where its preprocessing says nothing."""
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation of the pixels, where its preprocessing says nothing."""
ANYTHING = "object"
"""What it is told where no words are given."""
TOKENS = 32
"""Tokens of words; more are cut off."""
THRESHOLD = 0.3
"""Things of a lower score are not found, by default."""


def tokenizer_of(source: str, hub: Mapping[str, Any]) -> Any:
    """Return the tokenizer of a checkpoint; `hub` as :func:`~neptune.perception.checkpoints.hub_options` gives it.

    Raises
    ------
    PerceptionError
        If there is none.
    """
    try:
        made = import_module("transformers").AutoTokenizer.from_pretrained(source, **hub)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise _without_words(source, f"can not be loaded: {said_of_loading(error)}") from error
    # Where the files are missing, transformers makes one of the model's kind that knows no words.
    if len(made.get_vocab()) <= len(made.all_special_tokens):
        raise _without_words(source, "knows no words: its files are missing")
    return made


def _without_words(source: str, why: str) -> PerceptionError:
    return PerceptionError(
        f"The tokenizer of '{source}' {why}", expected="a checkpoint of SAM 3 with its tokenizer: it is told words"
    )


def pixels(image: Image.Image, said: Mapping[str, Any]) -> FloatArray:
    """Return an RGB picture as the model is shown it, ``(3, H, W)``: scaled to its sides, whatever their ratio was."""
    from PIL import Image

    height, width = side_lengths(said, SIDES, "segmenter")
    return normalised(image.resize((width, height), Image.Resampling.BILINEAR), said, HALF, HALF)


@dataclass(frozen=True)
class Worded:
    """What a model of SAM 3 needs besides itself: the content of its ``preprocessor_config.json``, and a tokenizer."""

    said: Mapping[str, Any]
    tokenizer: Any


class Sam3:
    """A loaded model, its preprocessing and its tokenizer.

    Parameters
    ----------
    model
        A ``Sam3Model`` of transformers, in evaluation mode.
    said
        The content of its ``preprocessor_config.json``.
    tokenizer
        Of its words.
    """

    def __init__(self, model: Any, said: Mapping[str, Any], tokenizer: Any) -> None:
        self.model, self.said, self.tokenizer = model, said, tokenizer

    def look(self, image: Image.Image) -> Any:
        """Return what the model sees in a picture, before it is told any words."""
        import torch

        shown = torch.from_numpy(pixels(image, self.said))[None]
        return self.model.get_vision_features(shown.to(self.model.device, self.model.dtype))

    def find(self, seen: Any, words: Sequence[str]) -> Any:
        """Return the model's outputs for one picture and as many rows as there are words."""
        told = self.tokenizer(
            list(words), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        )
        rows = len(words)
        layers = {
            name: tuple(layer.expand(rows, *layer.shape[1:]) for layer in getattr(seen, name))
            for name in ("fpn_hidden_states", "fpn_position_encoding")
        }
        device = self.model.device
        return self.model(
            vision_embeds=type(seen)(**layers),
            input_ids=told["input_ids"].to(device),
            attention_mask=told["attention_mask"].to(device),
        )


def scores(outputs: Any) -> Any:
    """Return how sure it is of each thing, ``(rows, N)`` in [0, 1]: that the words name it, and are of the picture."""
    sure = outputs.pred_logits.float().sigmoid()
    present = getattr(outputs, "presence_logits", None)
    return sure if present is None else sure * present.float().sigmoid()
