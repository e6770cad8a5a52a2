"""``clevr-puzzle``: find four objects that fit a list of descriptions and relations (CLEVR-Transfer)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from neptune.answer import Answer
from neptune.errors import DatasetError, did_you_mean
from neptune.scene import ATTRIBUTES, RELATIONS, Annotation, Scene
from neptune.tasks.base import Sample, plain
from neptune.tasks.clevr.clevr import ClevrTask
from neptune.tasks.listed import Draft
from neptune.tasks.reading import field

ATTRIBUTE_OF = {value: name for name, values in ATTRIBUTES.items() for value in values}
NOUNS = ("object", "thing")
"""Words of a description that say nothing."""


class ClevrPuzzle(ClevrTask):
    """Right if yes or no is right and, for yes, the objects named (the answer's witness) fit the puzzle.

    The witness's first k pairs, outermost first, are objects 1 … k. Any assignment that fits counts, not only
    the dataset's ``solution``; as in the programs, two of the objects may be one unless a relation forbids
    it. Families: ``"yes"`` and ``"no"``.
    """

    name = "clevr-puzzle"
    points = True
    file = "puzzles"
    key = "puzzles"
    needs_annotation = True

    def read_more(self, record: Mapping[str, Any], draft: Draft, where: str) -> None:
        """Read the answer, the descriptions and the relations."""
        self.read_program(record, draft, where)
        self.read_truth(record, draft, where)
        draft.family = "other" if draft.expected is None else "yes" if draft.expected else "no"
        descriptions, relations = read_slots(field(record, "slot_dict", dict, where), where)
        draft.extra = {
            "descriptions": descriptions,
            "relations": relations,
            "solution": _solution(record.get("solution"), len(descriptions)),
        }

    def is_right(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> bool:
        """Tell whether yes or no is right and, for yes, the witness fits."""
        if answer.abstained or answer.kind != "truth" or bool(answer.value) != sample.expected:
            return False
        if not sample.expected:
            return True
        truth = sample.truth()
        if scene is None:
            raise DatasetError("Judging objects needs the scene they were found in", where=sample.id)
        descriptions, relations = sample.extra["descriptions"], sample.extra["relations"]
        boxes = [box for _, box in answer.witness[: len(descriptions)]]
        if len(boxes) < len(descriptions) or not all(0 <= box < len(scene) for box in boxes):
            return False
        # The truth is the sample's, whatever the scene knew: a detector's scene may know nothing.
        shown = Scene(scene.boxes, scene.size, annotation=truth).true_object
        return satisfies([int(shown[box]) for box in boxes], descriptions, relations, truth)

    def show_answer(self, sample: Sample, answer: Answer, scene: Scene | None = None) -> Any:
        """Return ``{"answer": "yes", "objects": [box indices]}``; the objects are empty for no."""
        if answer.kind != "truth":
            return plain(answer)
        named = [int(box) for _, box in answer.witness[: len(sample.extra.get("descriptions", ()))]]
        return {"answer": plain(answer), "objects": named if answer.value else []}

    def show_expected(self, sample: Sample) -> Any:
        """Return ``{"answer": "yes", "objects": [the dataset's solution, indices in the annotation]}``."""
        if sample.expected is None:
            return None
        return {"answer": "yes" if sample.expected else "no", "objects": list(sample.extra.get("solution", ()))}


def read_slots(slots: Mapping[str, Any], where: str) -> tuple[list[list[str]], list[tuple[int, int, str]]]:
    """Read ``slot_dict``: ``OBJ1``: ``"large cyan metal object"``, …, and ``R0``: ``[a, b, "left"]``, ….

    Returns the value words of each object, and ``(a, b, relation)`` with a and b from 1: object a is left of b.

    Raises
    ------
    DatasetError
        If there is no object, a word or relation is unknown, or a relation names an object that is not there.
    """
    numbered = {int(m[1]): text for slot, text in slots.items() if (m := re.fullmatch(r"OBJ([0-9]{1,3})", slot))}
    if not numbered or sorted(numbered) != list(range(1, len(numbered) + 1)):
        raise DatasetError("slot_dict does not describe its objects", where=where, expected="OBJ1, OBJ2, …")
    descriptions = [[w for w in str(numbered[i]).lower().split() if w not in NOUNS] for i in sorted(numbered)]
    for word in (word for description in descriptions for word in description):
        if word not in ATTRIBUTE_OF:
            raise DatasetError(
                f"slot_dict has the unknown word {word[:60]!r}",
                where=where,
                expected="CLEVR's sizes, colors, materials and shapes",
                hint=did_you_mean(word[:60], [*ATTRIBUTE_OF, *NOUNS]),
            )
    relations = []
    for slot, given in slots.items():
        if not re.fullmatch(r"R\d+", slot):
            continue
        good = isinstance(given, list) and len(given) == 3 and given[2] in RELATIONS
        if not good or not all(type(i) is int and 1 <= i <= len(descriptions) for i in given[:2]):
            raise DatasetError(
                f"slot_dict has the relation {given!r}"[:200], where=where, expected='[1, 4, "left"] and the like'
            )
        relations.append((given[0], given[1], given[2]))
    return descriptions, relations


def satisfies(
    objects: Sequence[int],
    descriptions: Sequence[Sequence[str]],
    relations: Sequence[tuple[int, int, str]],
    truth: Annotation,
) -> bool:
    """Tell whether objects (annotated indices, -1 for none) fit the descriptions and relations."""
    if any(not 0 <= o < len(truth) for o in objects):
        return False
    described = all(
        truth.attributes[ATTRIBUTE_OF[word]][o] == word
        for o, words in zip(objects, descriptions, strict=True)
        for word in words
    )
    return described and all(truth.relations[name][objects[a - 1], objects[b - 1]] for a, b, name in relations)


def _solution(given: Any, n: int) -> list[int]:
    """Return the dataset's solution as object indices in order, or ``[]`` (it is only shown)."""
    if not isinstance(given, Mapping):
        return []
    found = [given.get(str(i)) for i in range(1, n + 1)]
    return [i for i in found if isinstance(i, int)] if all(isinstance(i, int) for i in found) else []
