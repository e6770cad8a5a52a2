"""What a record says of how an answer came about: the program's writing, the answer, the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neptune.answer import Answer
    from neptune.scene import Scene
    from neptune.writer.chat import Spent
    from neptune.writer.writer import Written


def describe_writing(written: Written | None) -> dict[str, Any]:
    """Return the fields of a record that say where its program comes from."""
    if written is None or written.source == "gold":
        return {}
    fields: dict[str, Any] = {"program_source": written.source, "program_notes": written.notes}
    if written.prompt_hash:
        fields["prompt_hash"] = written.prompt_hash
    if len(written.candidates) > 1:
        fields["programs"] = [{"program": c.program, "weight": c.weight} for c in written.candidates]
    if written.dispute:
        fields["dispute"] = dict(written.dispute)
    return fields


def describe_answer(answer: Answer | None, spent: Spent | None = None) -> dict[str, Any]:
    """Return the fields of a record that say how sure an answer is, how it came about and what it cost."""
    writing = spent.as_dict() if spent is not None and spent.calls else {}
    if answer is None:
        return {"kind": None, "probability": None, "bounds": None, "abstained": False, "tie": False, "usage": writing}
    return {
        "kind": answer.kind,
        "probability": _rounded(answer.probability),
        "bounds": _rounded(answer.bounds),
        "abstained": answer.abstained,
        "tie": answer.tie,
        "settled": answer.settled,
        "guarantee": answer.guarantee,
        "objects": answer.objects,
        "witness": answer.witness,
        "scores": _rounded(answer.scores),
        "presuppositions": answer.presuppositions,
        **({"ambiguous": answer.ambiguous} if answer.ambiguous else {}),
        **({"out_of_domain": answer.out_of_domain} if answer.out_of_domain else {}),
        "notes": answer.notes,
        "trace": [
            {"line": s.line, "source": s.source, "value": s.value, "scores": _rounded(s.scores)} for s in answer.trace
        ],
        **_regions(answer),
        "usage": {k: round(v, 8 if k == "oracle_cost" else 3) for k, v in answer.usage.as_dict().items()} | writing,
        **({"oracle_failures": dict(answer.usage.failures)} if answer.usage.failures else {}),
        **({"oracle_remarks": list(answer.usage.remarks)} if answer.usage.remarks else {}),
    }


def _regions(answer: Answer) -> dict[str, Any]:
    """Return what a record says of a program over regions: where the answer came from, and its variables by line."""
    found: dict[str, Any] = {}
    if answer.regions:
        found["regions"] = [_box(b) for b in answer.regions]
    if answer.variables:
        found["variables"] = [
            {"line": v.line, "name": v.name, "value": v.value, "boxes": [_box(b) for b in v.boxes]}
            for v in answer.variables
        ]
    return found


def _box(box: Sequence[float]) -> list[float]:
    return [round(float(v), 1) for v in box]


def describe_scene(scene: Scene | None) -> dict[str, Any]:
    """Return the boxes of a scene, in tenths of a pixel, and the picture's ``[width, height]``."""
    if scene is None:
        return {"boxes": None, "size": None}
    return {"boxes": [_box(box) for box in scene.boxes], "size": list(scene.size)}


def _rounded(value: Any) -> Any:
    """Six digits are more than a record needs; the same run gives the same text."""
    if value is None:
        return None
    if isinstance(value, Sequence):
        return [_rounded(v) for v in value]
    return round(float(value), 6)
