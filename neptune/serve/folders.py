"""Searches in the folders that the user allowed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neptune.errors import PictureError
from neptune.runs.find import Search
from neptune.runs.find.pictures import ENDS, pictures_in
from neptune.runs.find.results import described
from neptune.scene.picture import Picture
from neptune.serve import requests as r
from neptune.serve.pictures import small
from neptune.serve.service import Service, Tell

EVERY = 0.5
"""Seconds between two messages of a search that goes on."""
SMALL = (320, 240)
MOST_LISTED = 200


class Folders:
    """The allowed folders: what is in them, and searches there.

    Parameters
    ----------
    service
        Who answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def listed(self) -> list[dict[str, Any]]:
        """Return the allowed folders, and those in them that hold pictures, each with their number."""
        found: list[dict[str, Any]] = []
        for root in self._service.pictures.roots:
            for top, folders, files in os.walk(root):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                number = sum(name.lower().endswith(ENDS) for name in files)
                if number and len(found) < MOST_LISTED:
                    found.append(
                        {"folder": Path(top).relative_to(root).as_posix(), "of": root.name, "pictures": number}
                    )
        return found

    def begin(self, body: r.Find) -> Callable[[Tell], dict[str, Any]]:
        """Return a search that tells what it knows as it goes on, and in the end what it found.

        Raises
        ------
        dsl.ProgramError, NeptuneError
            If there is no such folder, no program, or the program is wrong.
        """
        service = self._service
        folder = service.pictures.folder(body.folder)
        program, notes = service.program_of(body.query, body.program)
        pictures = [p for p in pictures_in([str(folder)]) if service.pictures.file(p) is not None]
        limits = {"want": body.want, "top": body.top, "max_oracle_calls": body.max_oracle_calls}
        search = Search(service.engine, program, pictures, **limits)  # type: ignore[arg-type]

        def run(tell: Tell) -> dict[str, Any]:
            tell("program", {"program": program, "notes": notes})
            told = 0.0
            while search.step():
                if time.monotonic() - told > EVERY:
                    tell("found", self._shown(search))
                    told = time.monotonic()
            return {"done": self._shown(search)}

        return run

    def _shown(self, search: Search) -> dict[str, Any]:
        found = described(search.found())
        for row in (*found["hits"], *found["left_out"]):
            row["picture"] = self._service.pictures.shown(Path(row["picture"]))
        found["left_out"] = [{"picture": row["picture"], "why": row["why"]} for row in found["left_out"][:50]]
        return found

    def small(self, path: str) -> bytes:
        """Return a small copy of a picture as JPEG.

        Raises
        ------
        PictureError
            If there is none, or it can not be read.
        """
        picture = self._service.pictures.of(path)
        if picture.path is None:
            raise PictureError("This is no file", where=path[:60])
        return small(Picture(picture.path), SMALL)
