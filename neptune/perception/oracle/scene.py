"""The oracle that knows: it answers from a scene's annotation, crisply or with seeded noise.

For tests of everything that comes after the oracle, for scenes without pictures, and as the upper bound of
what a seeing oracle can reach.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neptune.errors import ConfigError, OracleError
from neptune.perception.oracle.declared import World
from neptune.perception.oracle.draws import key_of, normal
from neptune.perception.oracle.wording import Concept, attribute_of, concepts_of, vocabulary
from neptune.scene import Annotation, Scene
from neptune.scene.types import IntArray, QueryRequest, Question, ScoreRequest, Scores

CLAMP = 1e-6
"""Probabilities are kept in [CLAMP, 1 - CLAMP]."""

_SIDE = re.compile(
    r"\b(left|right|top|upper|bottom|lower)(?:most)?(?: hand)?(?: (?:side|half|part|edge))?"
    r" (?:of|in) (?:the |this )?(?:picture|image|photo|scene)\b"
)


class SceneOracle:
    """Answers questions about attributes, relations and equal attributes from ``scene.annotation``, in any world.

    A box that shows no annotated object (IoU < 0.5) is nothing: every question about it is answered no. So is
    a relation of an object to itself. "On the left (right, top, bottom) of the picture" compares the centres
    of box and picture. Several concepts in one question ("a red ball?") mean their conjunction.

    Parameters
    ----------
    noise
        Standard deviation of Gaussian noise on the truth: ``p = clip(truth + N(0, noise), 0, 1)``. The noise
        of a cell depends on the seed, the scene's name, the question's words and the annotated objects that the boxes
        show, and on nothing else: who found the boxes, and in which order, changes none. That of ``same_…`` is
        symmetric. A box that shows nothing has noise by its own index.
    seed
        Seed of the noise.
    confidence
        The probability of yes for what is true, in (0.5, 1]; what is false has ``1 - confidence``.
    vocabulary
        The :class:`dsl.Vocabulary` of the world whose words questions are asked in; ``None``: CLEVR's, in free words
        too. An engine gives its own.

    Raises
    ------
    ConfigError
        If `noise` is negative or `confidence` out of range.
    """

    name = "scene"

    def __init__(self, noise: float = 0.0, seed: int = 0, confidence: float = 1.0, vocabulary: Any = None) -> None:
        if not 0.0 <= noise < np.inf:
            raise ConfigError(f"noise is {noise}", where="oracle 'scene'", expected="a number ≥ 0")
        if not 0.5 < confidence <= 1.0:
            raise ConfigError(f"confidence is {confidence}", where="oracle 'scene'", expected="a number in (0.5, 1]")
        self.noise, self.seed, self.confidence = float(noise), seed, float(confidence)
        self._no, self._yes = _logits(np.array([1.0 - self.confidence, self.confidence])).astype(np.float32)
        declared = vocabulary is not None and vocabulary.sorts and vocabulary.name != "clevr"
        self.world = World(vocabulary) if vocabulary is not None and declared else None

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions; logits are finite, |logit| ≤ 13.8.

        Raises
        ------
        OracleError
            If a scene has no annotation, or a question asks for what CLEVR's annotations do not say.
        """
        return [self._score(request) for request in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer questions for an attribute; ``None`` for a box that shows nothing, or no admissible choice.

        Raises
        ------
        OracleError
            If a scene has no annotation, or a question does not ask for an attribute.
        """
        answers = []
        for request in requests:
            ask = self.world.attribute if self.world is not None else attribute_of
            values = _values(_annotation(request.scene), ask(request.question))
            shown = request.scene.true_object[request.objects[:, 0]]
            found = [values[k] or None if k >= 0 else None for k in shown.tolist()]
            answers.append([None if value is None else _choose(value, request.choices) for value in found])
        return answers

    def _score(self, request: ScoreRequest) -> Scores:
        scene, question = request.scene, request.question
        truth, symmetric = _truth(scene, question, request.objects, self.world)
        if not self.noise:
            return Scores.of(np.where(truth, self._yes, self._no))
        shown = scene.true_object[request.objects]
        objects = np.where(shown >= 0, shown, len(_annotation(scene)) + request.objects)
        objects = np.sort(objects, axis=1) if symmetric else objects
        key = key_of("scene", self.seed, scene.name, question.text)
        probability = np.where(truth, self.confidence, 1.0 - self.confidence)
        return Scores.of(_logits(probability + self.noise * normal(key, objects)))


def _logits(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logits of probabilities, which are clamped."""
    clamped = np.clip(probability, CLAMP, 1.0 - CLAMP)
    return np.asarray(np.log(clamped / (1.0 - clamped)))


def _truth(scene: Scene, question: Question, objects: IntArray, world: World | None) -> tuple[NDArray[np.bool_], bool]:
    """Return the truth of each tuple, shape ``(M,)``, and whether the question is symmetric."""
    annotation = _annotation(scene)
    shown = scene.true_object[objects]
    seen = (shown >= 0).all(axis=1)
    if world is not None:
        true, symmetric = world.holds(annotation, question, np.where(shown < 0, 0, shown))
        if question.arity == 2:
            true &= objects[:, 0] != objects[:, 1]
        return seen & true, symmetric
    side = _side(question.text, question.predicate, question.arity)
    if side:
        return seen & _on_side(scene, side, objects[:, 0]), False
    concepts = concepts_of(question)
    truth = seen.copy()
    for concept in concepts:
        if len(annotation):
            truth &= _holds(annotation, concept, shown)
    if question.arity == 2:
        truth &= objects[:, 0] != objects[:, 1]
    return np.asarray(truth), all(concept.kind == "same" for concept in concepts)


def _holds(annotation: Annotation, concept: Concept, at: IntArray) -> NDArray[np.bool_]:
    """Return whether a concept holds of annotated objects `at` ``(M, arity)``: shape ``(M,)``. Of -1, which is none,
    it says anything."""
    if concept.kind == "object":
        return np.ones(len(at), dtype=np.bool_)
    if concept.kind == "relation":
        if concept.name not in annotation.relations:
            raise _unknown(concept.name, annotation.relations)
        return annotation.relations[concept.name][at[:, 0], at[:, 1]]
    values = _values(annotation, concept.attribute)
    if concept.kind == "same":
        told = np.array(values)
        return np.asarray(told[at[:, 0]] == told[at[:, 1]])
    return np.array([value == concept.name for value in values])[at[:, 0]]


def _values(annotation: Annotation, attribute: str) -> tuple[str, ...]:
    if attribute not in annotation.attributes:
        raise _unknown(attribute, annotation.attributes)
    return annotation.attributes[attribute]


def _unknown(name: str, known: object) -> OracleError:
    return OracleError(
        f"The annotation does not say '{name}'",
        expected=f"one of {', '.join(known)}",  # type: ignore[arg-type]
    )


def _annotation(scene: Scene) -> Annotation:
    if scene.annotation is None:
        raise OracleError(
            "The oracle 'scene' answers from annotations, and this scene has none",
            where=scene.name,
            expected="a scene of an annotated dataset, or Scene.synthetic(n)",
            hint="Use vlm_model_name 'embedded', or a real vision-language model, without annotation",
        )
    return scene.annotation


@lru_cache(maxsize=4096)
def _side(text: str, predicate: str, arity: int) -> str:
    """Return the side of the picture that a question about one object asks for, or ``""``."""
    if arity != 1:
        return ""
    if predicate in ("left", "right", "top", "bottom"):
        return predicate
    found = _SIDE.search(" ".join(re.sub(r"[^\w\s]", " ", text.lower()).split()))
    return {"upper": "top", "lower": "bottom"}.get(found[1], found[1]) if found else ""


def _on_side(scene: Scene, side: str, objects: NDArray[np.int64]) -> NDArray[np.bool_]:
    axis = 0 if side in ("left", "right") else 1
    boxes = scene.boxes[objects]
    centre = (boxes[:, axis] + boxes[:, axis + 2]) / 2
    middle = scene.size[axis] / 2
    return np.asarray(centre < middle if side in ("left", "top") else centre > middle)


def _choose(value: str, choices: tuple[str, ...]) -> str | None:
    """Return the choice that means the value, or the value itself where there are no choices."""
    if not choices or value in choices:
        return value
    words = vocabulary()
    return next((choice for choice in choices if words.get(choice.lower()) == value), None)
