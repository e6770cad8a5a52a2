"""Questions by picture for tuning: their programs and answers, and the shifted picture, opened only if asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from neptune.errors import PictureError
from neptune.learn.finetune.training_examples import TrainingExample, read_by_picture
from neptune.learn.tune.shifts import Shift, generator, shifted, shifted_boxes
from neptune.scene import Annotation, Scene
from neptune.scene.picture import Picture


@dataclass(eq=False)
class Shown:
    """A picture, and the questions about it.

    Parameters
    ----------
    path
        The picture's file.
    scene
        Its boxes (after the shift) and annotation, without the pixels. Its name identifies picture, boxes and shift.
    given
        The annotated boxes, ``(N, 4)``, before the shift.
    shift, seed
        What is done to the picture, and the seed of what is random in it.
    examples
        The questions.
    """

    path: Path
    scene: Scene
    given: Annotation
    shift: Shift
    seed: int
    examples: list[TrainingExample] = field(default_factory=list)

    def open(self) -> Scene:
        """Return the scene with its shifted picture.

        Raises
        ------
        PictureError
            If the picture can not be read.
        """
        picture = Picture(self.path)
        image = picture.image
        if image.size != picture.size:  # of a large picture, a reduced copy; the boxes are the file's
            image = image.resize(picture.size)
        changed, boxes = shifted(image, self.given.boxes, self.shift, generator(self.seed, self.path.name))
        return Scene(boxes, changed.size, Picture(changed), self.scene.annotation, name=self.path.name)


def read_shown(
    datasets: Sequence[str],
    data_dir: str,
    shift: Shift,
    seed: int,
    limit: int | None = None,
    *,
    follow_links: bool = False,
) -> tuple[list[Shown], list[str]]:
    """Read questions with gold programs about annotated pictures.

    Parameters
    ----------
    datasets, data_dir, limit, follow_links
        As for :func:`neptune.learn.finetune.training_examples.read_training_examples`, as are results and errors.
    shift, seed
        What is done to the pictures.
    """

    def shown(picture: Picture, truth: Annotation) -> Shown:
        assert picture.path is not None  # a dataset's picture is a file
        return _shown(picture.path, truth, shift, seed)

    return read_by_picture(datasets, data_dir, shown, limit, follow_links=follow_links)


def _shown(path: Path, truth: Annotation, shift: Shift, seed: int) -> Shown:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"The picture can not be read: {error}", where=str(path)) from error
    size = Picture(path).size
    boxes = shifted_boxes(size, truth.boxes, shift, generator(seed, path.name))
    said = [path.name, shift.model_dump_json(), str(seed)]
    digest = hashlib.sha256("\0".join(said).encode() + content + truth.boxes.tobytes()).hexdigest()[:24]
    annotation = replace(truth, boxes=boxes)
    return Shown(path, Scene(boxes, size, None, annotation, name=digest), truth, shift, seed)
