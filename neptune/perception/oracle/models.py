"""NePTune's short names of vision-language models: name → id, revision and what was verified, from ``models.json``.

>>> short_names()["qwen2"].id
'Qwen/Qwen2-VL-7B-Instruct'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ShortName:
    """A model that the `transformers` oracle loads.

    Parameters
    ----------
    id
        At the model hub.
    revision
        Branch, tag or commit.
    architecture
        ``config.model_type``.
    verified
        What of it has been tried, in words.
    confirmed
        Whether the id was found in public use.
    """

    id: str
    revision: str
    architecture: str
    verified: str
    confirmed: bool = True


@cache
def short_names() -> Mapping[str, ShortName]:
    """Return the models by their short names."""
    data = json.loads((Path(__file__).parent / "models.json").read_text(encoding="utf-8"))
    words = data["verified"]
    return {
        name: ShortName(m["id"], m["revision"], m["architecture"], words[m["verified"]], m["verified"] != "unconfirmed")
        for name, m in data["models"].items()
    }
