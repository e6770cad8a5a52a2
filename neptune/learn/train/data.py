"""Folders in CLEVR's format: ``images/`` and ``scenes.json``, with a ``bbox`` for each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neptune.errors import DatasetError
from neptune.files import below, trusted
from neptune.perception.embedded.canvas import scaled, to_canvas
from neptune.perception.embedded.sizes import HEIGHT, WIDTH
from neptune.scene import ATTRIBUTES, Annotation
from neptune.scene.picture import Picture
from neptune.tasks.json_files import read_records
from neptune.tasks.listed import a_mapping
from neptune.tasks.reading import field

KEEP_BYTES = 2_000_000_000
"""Decoded pictures are kept in memory up to this many bytes; beyond, they are decoded again when needed."""


@dataclass(frozen=True)
class Example:
    """One annotated picture.

    Parameters
    ----------
    path
        The picture's file.
    boxes
        ``(N, 4)`` canvas pixels.
    attributes
        ``(N, 4)`` index of the value of each attribute, in the order of :data:`~neptune.scene.ATTRIBUTES`.
    order
        ``(N, N, 2)`` in {-1, 0, 1}: is x right (1) or left (-1) of y; in front (1) or behind (-1); 0 neither.
    places
        ``(N, 2)`` on the ground, to the right and towards the camera; NaN where the file has no coordinates.
    """

    path: Path
    boxes: Tensor
    attributes: Tensor
    order: Tensor
    places: Tensor


class ClevrFolder:
    """The annotated pictures of a folder.

    Parameters
    ----------
    folder
        Holds ``scenes.json`` and ``images/``.
    limit
        Read at most so many scenes; ``None``: all.
    follow_links
        Whether links below `folder` may lead out of it.

    Raises
    ------
    DatasetError
        If a file is missing or a scene is malformed.
    """

    def __init__(self, folder: str | Path, limit: int | None = None, follow_links: bool = False) -> None:
        self.folder, self._follow_links = Path(folder), follow_links
        file = trusted(self.folder / "scenes.json", [self.folder], follow_links=follow_links)
        try:
            file.open("rb").close()
        except OSError as error:
            raise DatasetError(
                f"The scenes can not be read: {type(error).__name__} {error}",
                where=str(file),
                expected="JSON in CLEVR's format, {'scenes': [...]}",
                hint="Set data_dir to a folder with scenes.json and images/",
            ) from error
        records = read_records(file, "scenes")[:limit]
        self.examples = [self._example(a_mapping(r, f"{file.name}, scene {k}")) for k, r in enumerate(records)]
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def pixels(self, index: int) -> Tensor:
        """Return picture `index` on the canvas, uint8 ``(3, HEIGHT, WIDTH)``.

        Raises
        ------
        PictureError
            If it can not be read.
        """
        if index not in self._kept:
            found, _ = to_canvas(Picture(self.examples[index].path))
            if (len(self._kept) + 1) * 3 * WIDTH * HEIGHT > KEEP_BYTES:
                return found
            self._kept[index] = found
        return self._kept[index]

    def boxes(self, indices: Sequence[int]) -> list[NDArray[np.float32]]:
        """Return the true boxes of some pictures, each ``(N, 4)`` canvas pixels."""
        return [self.examples[i].boxes.numpy() for i in indices]

    def _example(self, record: Mapping[str, Any]) -> Example:
        truth = Annotation.from_clevr(record)
        name = field(record, "image_filename", str, "scenes.json")
        path = below(self.folder / "images", name, "scenes.json", what="picture", follow_links=True)
        trusted(path, [self.folder], follow_links=self._follow_links)
        if not path.is_file():
            raise DatasetError("A picture of scenes.json is missing", where=str(path), hint="Complete images/")
        size = Picture(path).size
        try:
            attributes = [
                [values.index(truth.attributes[name][i]) for name, values in ATTRIBUTES.items()]
                for i in range(len(truth))
            ]
        except ValueError as error:
            raise DatasetError(
                f"An attribute has an unknown value: {error}", where=path.name, expected=str(dict(ATTRIBUTES))
            ) from error
        order = np.stack(
            [
                truth.relations["right"].astype(np.int64) - truth.relations["left"],
                truth.relations["front"].astype(np.int64) - truth.relations["behind"],
            ],
            axis=-1,
        )
        return Example(
            path,
            scaled(truth.boxes, (WIDTH / size[0], HEIGHT / size[1])),
            torch.tensor(attributes, dtype=torch.int64).reshape(-1, len(ATTRIBUTES)),
            torch.from_numpy(order).float(),
            _places(record),
        )


def _places(record: Mapping[str, Any]) -> Tensor:
    """Return the objects' places along the camera's own axes, or NaN."""
    try:
        places = np.array([o["3d_coords"] for o in record["objects"]], dtype=np.float64).reshape(-1, 3)
        axes = np.array([record["directions"][name] for name in ("right", "front")], dtype=np.float64)
        return torch.from_numpy(places @ axes.T).float()
    except (KeyError, ValueError, TypeError):
        return torch.full((len(record["objects"]), 2), float("nan"))
