"""Processors without video: torchvision is needed for video alone, and pictures are all that is asked about.

The processors of Qwen-VL, InternVL and SmolVLM insist on a video processor, which insists on torchvision. A subclass
that declares no such part is otherwise the real class: the same tokens, image processor and configuration.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def image_only(kind: Any) -> Any:
    """Return a processor class without its video processor; the class itself where it has none.

    Its constructor still has the parameter `video_processor`, which should be ``None``.

    Parameters
    ----------
    kind
        A subclass of ``transformers.ProcessorMixin``.
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
