"""Processors without video: torchvision is needed for video alone, and pictures are all that is asked about.

The processors of Qwen-VL, InternVL and SmolVLM insist on a video processor, which insists on torchvision. A subclass
that declares no such part is otherwise the real class: the same tokens, image processor and configuration.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any


def image_only(kind: type) -> type:
    """Return a processor class without its video processor; the class itself where it has none.

    Parameters
    ----------
    kind
        A subclass of ``transformers.ProcessorMixin``.
    """
    parts = [part for part in kind.get_attributes() if part != "video_processor"]  # type: ignore[attr-defined]
    if len(parts) == len(kind.get_attributes()):  # type: ignore[attr-defined]
        return kind

    @functools.wraps(kind.__init__)  # type: ignore[misc]
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        named = dict(zip(parts, args)) | {"video_processor": None} | kwargs
        kind.__init__(self, **named)  # type: ignore[misc]

    def attributes(cls: type) -> list[str]:
        return parts

    body = {"__init__": init, "get_attributes": classmethod(attributes), "__module__": kind.__module__}
    return type(kind.__name__, (kind,), body)


def load_processor(model: str, model_type: str, **hub: Any) -> Any:
    """Return the processor of a checkpoint, without video where torchvision is not installed.

    Parameters
    ----------
    model
        A model id or folder.
    model_type
        ``config.model_type``.
    hub
        ``revision``, ``local_files_only``, …

    Raises
    ------
    OSError, ValueError, ImportError
        As transformers does.
    """
    transformers: Any = import_module("transformers")
    names: Any = import_module("transformers.models.auto.processing_auto").PROCESSOR_MAPPING_NAMES
    name = names.get(model_type)
    if transformers.utils.is_torchvision_available() or name is None:
        return transformers.AutoProcessor.from_pretrained(model, **hub)
    kind: Any = image_only(getattr(transformers, name))
    return kind.from_pretrained(model, **hub)
