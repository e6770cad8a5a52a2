"""Other pictures that a scene leads to: frames of its film, and what picture tools make; each with its own objects."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from cachetools import LRUCache

from neptune.engine.scenes import Scenes
from neptune.films import Film
from neptune.scene import Scene
from neptune.scene.boxes import View, is_view
from neptune.scene.picture import Picture
from neptune.tools import Made, Toolbox, ToolError

VIEWS_KEPT = 1024
"""Scenes of views that are kept: boxes, and pictures of tools; a frame holds no pixels."""


class PictureViews:
    """Makes such pictures, and looks for objects in them.

    Parameters
    ----------
    scenes
        The detector that finds their objects; one that takes words is asked for each noun later, and where boxes are
        annotated there are none in a picture that was made.
    film
        The film of the scene, or ``None``.
    """

    def __init__(self, scenes: Scenes, film: Film | None = None, tools: Toolbox | None = None) -> None:
        self._scenes, self._film = scenes, film
        self._tools = tools or Toolbox()
        self._kept: LRUCache[tuple[int, View], tuple[Scene, Scene]] = LRUCache(VIEWS_KEPT)
        self._lock = threading.Lock()

    def of_film(self, film: Film) -> Scene:
        """Return the scene of a film: it has no objects, its frames are views."""
        views = PictureViews(self._scenes, film, self._tools)
        return Scene(np.zeros((0, 4), dtype=np.float32), film.size, name=film.name, views=views)

    @property
    def times(self) -> tuple[float, ...]:
        """When each frame of the film that is looked at is shown, in seconds; none where there is no film."""
        return self._film.times if self._film is not None else ()

    def scene(self, scene: Scene, view: View) -> Scene:
        """Return the scene of a picture, by the steps that make it: the same object as long as it is kept.

        Raises
        ------
        ToolError
            If there is no picture to begin with, or a tool can not do what it is asked.
        FilmError, DetectorError
            If a frame can not be decoded, or the detector fails.
        """
        with self._lock:
            found = self._kept.get((id(scene), view))
        if found is None or found[0] is not scene:
            found = scene, self._made(self._picture(scene, view))
            with self._lock:
                found = self._kept.setdefault((id(scene), view), found)
        return found[1]

    def value(self, scene: Scene, view: View) -> Any:
        """Return what the steps make, where it is no picture; errors as of :meth:`scene`."""
        return self._result(scene, view).value

    def _made(self, picture: Picture) -> Scene:
        if self._scenes.detector is not None and not self._scenes.open_vocabulary:
            return self._scenes.scene(picture)
        return Scene(np.zeros((0, 4), dtype=np.float32), picture.size, picture, name=picture.name)

    def _picture(self, scene: Scene, view: View) -> Picture:
        value = self._result(scene, view).value
        assert isinstance(value, Picture)
        return value

    def _result(self, scene: Scene, view: View) -> Made:
        made: Made | None = None
        for name, given in view:
            if name == "frame":
                assert self._film is not None
                made = Made(self._film.frame(given[0]))
                continue
            if made is None:
                if scene.picture is None:
                    raise ToolError("The scene has no picture that a tool could work on", where=f"{name}: {scene.name}")
                made = Made(scene.picture)
            others = [self._result(scene, v[1]) if is_view(v) else v for v in given]
            made = self._tools.apply(name, made, *others)
        if made is None:
            assert scene.picture is not None
            made = Made(scene.picture)
        return made
