"""The evidence of scenes: one object a scene, shared by all programs on it, for the latest scenes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from neptune.engine.evidence.store import Evidence
from neptune.scene import Scene

SCENES_KEPT = 64
PLAIN_SCENES_KEPT = 1024
"""Of scenes without a picture, which hold boxes and scores only."""


class EvidenceKept:
    """What the oracle has said about each of the latest scenes. Threads may share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Evidence] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def only(cls, evidence: Evidence) -> EvidenceKept:
        """Return the evidence of one scene alone, which is held as long as what this returns."""
        kept = cls()
        kept._kept[id(evidence.scene)] = evidence
        return kept

    def of(self, scene: Scene) -> Evidence:
        """Return the evidence of a scene: the same object as long as it is kept."""
        with self._lock:
            found = self._kept.get(id(scene))
            if found is None or found.scene is not scene:
                found = self._kept[id(scene)] = Evidence(scene)
                while len(self._kept) > (SCENES_KEPT if scene.picture else PLAIN_SCENES_KEPT):
                    self._kept.popitem(last=False)
            return found
