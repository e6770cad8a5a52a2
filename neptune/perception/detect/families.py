"""How each architecture is asked for labels and what it says: raw boxes in pixels, scores, and a label for each.

Sources: Grounding DINO (Liu et al. 2023), OWLv2 (Minderer et al. 2023), Florence-2 (Xiao et al. 2023), LLMDet (Fu et
al. 2025; the architecture is MM Grounding DINO's), SAM 3 (Carion et al. 2025), as implemented in transformers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from neptune.perception import sam3
from neptune.perception.device_failures import free_memory, is_out_of_memory
from neptune.scene.types import FloatArray

if TYPE_CHECKING:
    from PIL import Image

Raw = tuple[FloatArray, FloatArray, list[str]]
"""Boxes ``(N, 4)`` in pixels, scores ``(N,)``, N labels."""


@dataclass
class Family:
    """One architecture: a loaded model, its processor, and the options of the detector.

    Parameters
    ----------
    model, processor
        Of transformers; the model in evaluation mode on its device.
    threshold
        Boxes of a lower score are left out.
    text_threshold
        Grounding DINO: words of a lower score are left out of a box's label.
    prompt
        What is asked of a label, e.g. ``"a photo of a {label}"``.
    """

    auto: ClassVar[str]
    """The class of transformers that loads a checkpoint."""
    prompts: ClassVar[str] = "{label}"
    thresholds: ClassVar[float] = 0.25
    scored: ClassVar[bool] = True
    """Whether the model says how sure it is of a box."""

    model: Any
    processor: Any
    threshold: float
    text_threshold: float
    prompt: str

    def find(self, image: Image.Image, labels: Sequence[str]) -> Raw:
        """Return all that is found in a picture, in any order."""
        raise NotImplementedError

    def _tensors(self, inputs: Any) -> dict[str, Any]:
        """Move the processor's output to the model; pictures in the model's own precision."""
        device, dtype = self.model.device, self.model.dtype
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
        }

    def _asked(self, labels: Sequence[str]) -> list[str]:
        return [self.prompt.format(label=label) for label in labels]


class GroundingDino(Family):
    """All labels in one caption; each box is scored by the words that it answers to."""

    auto: ClassVar[str] = "AutoModelForZeroShotObjectDetection"

    def find(self, image: Image.Image, labels: Sequence[str]) -> Raw:
        """Return the boxes of all labels; those that the text encoder has no room for are asked in a further pass."""
        inputs = self.processor(images=image, text=[self._caption(labels)], return_tensors="pt")
        room = int(getattr(self.model.config, "max_text_len", 256))
        if inputs["input_ids"].shape[1] > room and len(labels) > 1:
            half = len(labels) // 2
            return _join(self.find(image, labels[:half]), self.find(image, labels[half:]))
        outputs = self.model(**self._tensors(inputs))
        (found,) = self.processor.post_process_grounded_object_detection(
            outputs,
            inputs["input_ids"],
            threshold=self.threshold,
            text_threshold=self.text_threshold,
            target_sizes=[image.size[::-1]],
        )
        probabilities = outputs.logits[0].sigmoid()
        sure = _numpy(probabilities[probabilities.max(dim=-1).values > self.threshold])
        tokenizer = self.processor.tokenizer
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # an unknown word is one of the label's
        places = segments(inputs["input_ids"][0].tolist(), tokenizer.convert_tokens_to_ids("."), special)
        said = labels_of(sure, places, list(labels)[: len(places)], self.text_threshold)
        return _numpy(found["boxes"]), _numpy(found["scores"]), said

    def _caption(self, labels: Sequence[str]) -> str:
        # A full stop separates labels: one inside a label would cut it in two.
        return ". ".join(text.replace(".", " ").strip().lower() for text in self._asked(labels)) + "."


class Owl(Family):
    """Each label is a query of its own; a box goes to the label that fits it best."""

    auto: ClassVar[str] = "AutoModelForZeroShotObjectDetection"
    prompts: ClassVar[str] = "a photo of a {label}"
    thresholds: ClassVar[float] = 0.2

    def find(self, image: Image.Image, labels: Sequence[str]) -> Raw:
        """Return the boxes of all labels, in one pass."""
        inputs = self.processor(images=image, text=[self._asked(labels)], return_tensors="pt", truncation=True)
        outputs = self.model(**self._tensors(inputs))
        (found,) = self.processor.post_process_grounded_object_detection(
            outputs, threshold=self.threshold, target_sizes=[image.size[::-1]], text_labels=[list(labels)]
        )
        return _numpy(found["boxes"]), _numpy(found["scores"]), list(found["text_labels"])


class Florence(Family):
    """Each label is located by a generated list of boxes; as many labels are generated together as memory holds.

    The model gives no scores: every box has score 1, and no threshold applies.
    """

    auto: ClassVar[str] = "AutoModelForImageTextToText"
    thresholds: ClassVar[float] = 0.0
    scored: ClassVar[bool] = False
    task: ClassVar[str] = "<OPEN_VOCABULARY_DETECTION>"
    new_tokens: ClassVar[int] = 512
    """Room for about a hundred boxes a label: each takes four tokens, and some for its name."""
    most: int | None = None
    """Labels at once at most: what memory has been found to hold; ``None``: it has never run out."""

    def find(self, image: Image.Image, labels: Sequence[str]) -> Raw:
        """Return the boxes of all labels, in batches that fit; a label's own do not depend on the others."""
        if self.most is None or len(labels) <= self.most:
            try:
                return self._written(image, labels)
            except Exception as error:
                if len(labels) == 1 or not is_out_of_memory(error):
                    raise
            self.most = len(labels) // 2
            free_memory()  # outside of the handler, which would keep the failed tensors alive
        half = len(labels) // 2
        return _join(self.find(image, labels[:half]), self.find(image, labels[half:]))

    def _written(self, image: Image.Image, labels: Sequence[str]) -> Raw:
        """Return the boxes of labels, generated in one batch."""
        inputs = self.processor(
            images=[image] * len(labels),
            text=[self.task + text for text in self._asked(labels)],
            return_tensors="pt",
            padding=True,
        )
        written = self.model.generate(
            **self._tensors(inputs), max_new_tokens=self.new_tokens, num_beams=3, do_sample=False
        )
        boxes: list[list[float]] = []
        said: list[str] = []
        for text, label in zip(self.processor.batch_decode(written, skip_special_tokens=False), labels):
            text = text.replace(self.processor.tokenizer.pad_token or "<pad>", "")
            parsed = self.processor.post_process_generation(text=text, task=self.task, image_size=image.size)
            found = parsed[self.task]["bboxes"]
            boxes += found
            said += [label] * len(found)
        return (np.array(boxes, dtype=np.float32).reshape(-1, 4), np.ones(len(boxes), dtype=np.float32), said)


class Concepts(Family):
    """SAM 3: each label is a concept, all instances of which are found; as many go together as memory holds."""

    auto: ClassVar[str] = "Sam3Model"
    thresholds: ClassVar[float] = sam3.THRESHOLD
    most: int = 8
    """Labels at once at most; fewer where memory runs out."""

    def find(self, image: Image.Image, labels: Sequence[str]) -> Raw:
        """Return the boxes of all labels; the picture is looked at once."""
        model = sam3.Sam3(self.model, self.processor.said, self.processor.tokenizer)
        seen = model.look(image)
        boxes, found, said = [np.zeros((0, 4), dtype=np.float32)], [np.zeros(0, dtype=np.float32)], []
        start = 0
        while start < len(labels):
            part = list(labels[start : start + self.most])
            try:
                outputs = model.find(seen, self._asked(part))
            except Exception as error:
                if len(part) == 1 or not is_out_of_memory(error):
                    raise
                outputs = None
            if outputs is None:  # outside of the handler, which would keep the failed tensors alive
                self.most = len(part) // 2
                free_memory()
                continue
            sure, places = _numpy(sam3.scores(outputs)), _numpy(outputs.pred_boxes)
            for k, label in enumerate(part):
                kept = sure[k] > self.threshold
                boxes.append(places[k][kept] * np.array([*image.size] * 2, dtype=np.float32))
                found.append(sure[k][kept])
                said += [label] * int(kept.sum())
            start += len(part)
        return np.concatenate(boxes), np.concatenate(found), said


FAMILIES: dict[str, type[Family]] = {
    "grounding-dino": GroundingDino,
    "mm-grounding-dino": GroundingDino,
    "owlv2": Owl,
    "owlvit": Owl,
    "florence2": Florence,
    "sam3": Concepts,
    "sam3_video": Concepts,
}
"""``model_type`` of a checkpoint's config → how it is asked."""


def _numpy(tensor: Any) -> FloatArray:
    found: FloatArray = tensor.detach().float().cpu().numpy()
    return found


def _join(one: Raw, other: Raw) -> Raw:
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]]), [*one[2], *other[2]]


def segments(ids: Sequence[int], stop: int, special: Collection[int]) -> list[list[int]]:
    """Return for each label of a caption, ``"a t-shirt. a café."``, the places of its tokens.

    Parameters
    ----------
    ids
        The tokens of the caption.
    stop
        The token of the full stop that ends each label.
    special
        Tokens that stand for no text.
    """
    found: list[list[int]] = [[]]
    for place, token in enumerate(ids):
        if token == stop:
            found.append([])
        elif token not in special:
            found[-1].append(place)
    return found[:-1]


def labels_of(
    probabilities: FloatArray, places: Sequence[Sequence[int]], labels: Sequence[str], threshold: float
) -> list[str]:
    """Return the label that each box answers to: the one with the largest share of tokens above the threshold.

    It goes by places in the caption, not by words: a tokenizer cuts ``t-shirt`` at its hyphen and drops accents, and
    one word may stand in several labels. Among equals the one with the surest tokens is taken, then the first.

    Parameters
    ----------
    probabilities
        Of each token for each box, ``(N, T)``, in [0, 1].
    places
        For each label the places of its tokens, see :func:`segments`.
    labels
        As many.
    threshold
        Below it a token says nothing, in [0, 1].

    Returns
    -------
    list
        N labels; ``""`` where no token is above the threshold.
    """
    said = []
    for row in probabilities:
        fits = [(float((row[p] > threshold).mean()), float(row[p].mean())) if len(p) else (0.0, 0.0) for p in places]
        best = max(range(len(fits)), key=lambda k: (fits[k], -k), default=-1)
        said.append(labels[best] if best >= 0 and fits[best][0] > 0 else "")
    return said
