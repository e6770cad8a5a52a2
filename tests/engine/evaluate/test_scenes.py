"""Scenes that threads share: each picture is detected once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neptune.engine.scenes import Scenes
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Detections

IMAGES = sorted((Path(__file__).resolve().parents[3] / "examples" / "clevr" / "images").rglob("*.*"))[:10]


class Slow:
    """Takes a moment for one box, and counts."""

    name, open_vocabulary = "slow", False

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        self.asked += 1
        time.sleep(0.005)
        return Detections(np.array([[0, 0, 5, 5]], np.float32), np.ones(1, np.float32), ("",))


class Late:
    """A lock that is taken a random moment later, as on a busy machine: what it does not guard shows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        time.sleep(random.random() * 0.002)
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def test_threads_that_want_one_picture_get_one_scene() -> None:
    for _ in range(3):
        detector, pictures = Slow(), [Picture(path) for path in IMAGES]
        scenes = Scenes(detector, detector.name)
        scenes._lock = Late()  # type: ignore[assignment]
        got: list[Scene] = []

        def work(scenes: Scenes = scenes, pictures: list[Picture] = pictures, got: list[Scene] = got) -> None:
            got.extend(scenes.scene(picture) for picture in pictures)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert detector.asked == len(pictures)
        assert len({id(scene) for scene in got}) == len(pictures)
        assert len(got) == 8 * len(pictures)
