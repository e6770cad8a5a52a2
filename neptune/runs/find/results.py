"""What a search found, as JSON holds it."""

from __future__ import annotations

from typing import Any

from neptune.foreign import printable
from neptune.runs.find.search import Found, Hit
from neptune.scene.addresses import shown
from neptune.scene.picture import Picture


def place(picture: Picture) -> str:
    """Return where a picture lies: its path, or its address without what may be secret."""
    if picture.path is not None:
        return str(picture.path)
    return shown(picture.address) if picture.address is not None else picture.name


def described(found: Found) -> dict[str, Any]:
    """Return what is known at one moment of a search: see :class:`~neptune.runs.find.search.Found`."""
    return {
        "want": found.want,
        "ranked_by": found.kind,
        "said": found.said,
        "pictures": found.pictures,
        "opened": found.opened,
        "matching": list(found.matching),
        "total": None if found.total is None else list(found.total),
        "hits": [hit(h) for h in found.hits],
        "left_out": [{"picture": place(picture), "why": printable(why)} for picture, why in found.left_out],
        "oracle_calls": found.calls,
        "oracle_calls_of_everything": found.everything,
        "settled": found.settled,
        "budget_spent": found.spent,
    }


def hit(found: Hit) -> dict[str, Any]:
    """Return one picture of the result; ``high`` is ``None`` where it has no bound yet."""
    high = None if found.high == float("inf") else round(found.high, 6)
    return {
        "picture": place(found.picture),
        "index": found.index,
        "match": found.match,
        "low": round(found.low, 6),
        "high": high,
        "objects": found.objects,
    }
