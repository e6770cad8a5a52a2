"""Image processors of transformers that need no torchvision: one class an architecture, made from its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Processed = Callable[["list[Image.Image]", Any], "dict[str, Any]"]
"""RGB pictures, and what has the fields → the model's inputs."""


def image_processor(
    name: str, fields: Mapping[str, Any], inputs: Sequence[str], processed: Processed, *flags: str
) -> Any:
    """Return the class of an image processor of transformers.

    Parameters
    ----------
    name
        The class's name.
    fields
        The fields of its ``preprocessor_config.json``, as transformers takes them where it says nothing.
    inputs
        The names of the model's inputs that are pictures.
    processed
        Makes them.
    flags
        Further arguments that its processor passes on.
    """
    base: Any = import_module("transformers.image_processing_utils").BaseImageProcessor
    feature: Any = import_module("transformers").BatchFeature
    usual: Any = import_module("transformers.processing_utils").ImagesKwargs

    def built(self: Any, **given: Any) -> None:
        base.__init__(self, **{k: v for k, v in given.items() if k not in fields})
        for field, value in fields.items():
            setattr(self, field, given.get(field, value))

    def called(self: Any, images: Any, return_tensors: Any = None, **_: Any) -> Any:
        pictures = [one for group in images for one in (group if isinstance(group, list) else [group])]
        return self._preprocess(pictures)

    def preprocess(self: Any, images: list[Image.Image]) -> Any:
        return feature(data=processed(images, self))

    known = {**usual.__annotations__, **{field: type(value) for field, value in fields.items()}}
    valid = TypedDict("Fields", known | dict.fromkeys(flags, bool), total=False)  # type: ignore[misc]
    body = {"__module__": __name__, "__init__": built, "__call__": called, "_preprocess": preprocess}
    return type(name, (base,), {**body, "valid_kwargs": valid, "model_input_names": list(inputs)})


def normalised(pixels: Any, said: Any) -> Any:
    """Return pixels ``(…, 3)`` of 0 to 255 as a model is shown them, float32.

    `said` has the fields `rescale_factor`, `image_mean` and `image_std`.
    """
    mean, deviation = (np.asarray(value, dtype=np.float32) for value in (said.image_mean, said.image_std))
    return (np.asarray(pixels, dtype=np.float32) * np.float32(said.rescale_factor) - mean) / deviation


def patched(pixels: Any, side: int) -> tuple[Any, tuple[int, int]]:
    """Return a picture ``(h, w, 3)`` as patches in rows ``(rows · columns, side² · 3)``, and ``(rows, columns)``."""
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    patches = pixels.reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(patches.reshape(rows * columns, -1)), (rows, columns)
