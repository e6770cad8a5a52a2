"""Licences of published checkpoints, as their pages state them: what a run may be used for is no matter of code."""

from __future__ import annotations

import re

NON_COMMERCIAL = "CC-BY-NC-4.0: not for commercial use"
_KNOWN: tuple[tuple[str, str], ...] = (
    (r"facebook/sam3", "SAM License; gated: ask for access at its page, and log in with hf auth login"),
    (r"facebook/sam", "Apache-2.0"),
    (r"depth-anything/Depth-Anything-V2-(Metric-\w+-)?Small", "Apache-2.0"),
    (r"depth-anything/Depth-Anything-V2-", NON_COMMERCIAL),
    (r"LiheYoung/depth-anything-", "Apache-2.0"),
    (r"Intel/zoedepth", "MIT"),
    (r"apple/DepthPro", "Apple's model licence: research only"),
    (r"IDEA-Research/grounding-dino", "Apache-2.0"),
    (r"iSEE-Laboratory/llmdet", "Apache-2.0"),
    (r"google/owl", "Apache-2.0"),
    (r"(florence-community|microsoft)/Florence-2", "MIT"),
)
"""How an id begins → its licence; the first that fits."""

PACKAGED = {
    "grabcut": "no weights; OpenCV is under Apache-2.0",
    "watershed": "no weights; OpenCV is under Apache-2.0",
    "rapidocr": "Apache-2.0",
    "tesseract": "Apache-2.0",
}
"""What comes with a package or a program, by name."""


def licence_of(model: str) -> str | None:
    """Return the licence of a checkpoint by its id, or of a packaged name; ``None`` where it is not known here.

    >>> licence_of("depth-anything/Depth-Anything-V2-Large-hf")
    'CC-BY-NC-4.0: not for commercial use'
    """
    if model in PACKAGED:
        return PACKAGED[model]
    return next((licence for start, licence in _KNOWN if re.match(start, model)), None)
