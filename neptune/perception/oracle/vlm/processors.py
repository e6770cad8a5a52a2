"""Processors without video: torchvision is needed for video alone, and pictures are all that is asked about.

The processors of Qwen-VL, InternVL and SmolVLM insist on a video processor, which insists on torchvision. A subclass
that declares no such part is otherwise the real class: the same tokens, image processor and configuration.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def image_only(kind: Any) -> Any:
    """Return a subclass of ``transformers.ProcessorMixin`` without its video processor, or itself if it has none.

    Its constructor still has the parameter `video_processor`, which should be ``None``.
    """
    parts = kind.get_attributes()
    if parts[-1:] != ["video_processor"]:
        return kind
    pictures = parts[:-1]

    def attributes(cls: type) -> list[str]:
        return list(pictures)

    def arguments(cls: type, *args: Any, **kwargs: Any) -> list[Any]:
        return [*kind._get_arguments_from_pretrained.__func__(cls, *args, **kwargs), None]

    body = {
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "get_attributes": classmethod(attributes),
        "_get_arguments_from_pretrained": classmethod(arguments),
    }
    return type(kind.__name__, (kind,), body)


def load_processor(model: str, model_type: str, **hub: Any) -> Any:
    """Return the processor of a model id or folder, without video where torchvision is not installed.

    `model_type` is that of its config; `hub` is ``revision``, ``local_files_only``, … Errors as transformers raises.
    """
    transformers: Any = import_module("transformers")
    names: Any = import_module("transformers.models.auto.processing_auto").PROCESSOR_MAPPING_NAMES
    name = names.get(model_type)
    if transformers.utils.is_torchvision_available() or name is None:
        return transformers.AutoProcessor.from_pretrained(model, **hub)
    kind: Any = image_only(getattr(transformers, name))
    return kind.from_pretrained(model, **hub)
