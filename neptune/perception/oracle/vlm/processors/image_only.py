"""Processors without video: torchvision is needed for video alone, and pictures are all that is asked about.

The processors of Qwen-VL, InternVL and SmolVLM insist on a video processor, which insists on torchvision. A subclass
that declares no such part is otherwise the real class: the same tokens, image processor and configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from neptune.perception.oracle.vlm.processors import lfm2, molmo2

VIDEO = "video_processor"
PILLOW: dict[str, Callable[[], Any]] = {"lfm2_vl": lfm2.image_processor, "molmo2": molmo2.image_processor}
"""Architectures whose image processor needs torchvision too → the class of one that does without."""


def image_only(kind: Any, images: Any = None) -> Any:
    """Return a subclass of ``transformers.ProcessorMixin`` without its video processor, or itself if it has none.

    Its constructor still has the parameter `video_processor`, which should be ``None``. With the class `images` it
    loads an image processor of that class.
    """
    parts = list(kind.get_attributes())
    if VIDEO not in parts and images is None:
        return kind
    kept = [part for part in parts if part != VIDEO]
    base: Any = import_module("transformers").ProcessorMixin

    def attributes(cls: type) -> list[str]:
        return list(kept)

    def arguments(cls: type, *args: Any, **kwargs: Any) -> list[Any]:
        if images is None:
            found = list(kind._get_arguments_from_pretrained.__func__(cls, *args, **kwargs))
        else:
            source = args[0]
            hub = {name: value for name, value in kwargs.items() if name not in ("backend", "processor_dict")}
            classes = {"image_processor": images, "tokenizer": import_module("transformers").AutoTokenizer}
            found = [classes[part].from_pretrained(source, **hub) for part in kept]
        if VIDEO in parts:
            found.insert(parts.index(VIDEO), None)
        return found

    def built(self: Any, *args: Any, **kwargs: Any) -> None:
        """Take the parts as the processor hands them to its base, in its own order, and leave video out."""
        given = {name: value for name, value in {**dict(zip(parts, args)), **kwargs}.items() if name != VIDEO}
        base.__init__(self, **given)

    without_video = type("WithoutVideo", (base,), {"__module__": __name__, "__init__": built})
    body = {
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "get_attributes": classmethod(attributes),
        "_get_arguments_from_pretrained": classmethod(arguments),
    }
    return type(kind.__name__, (kind, without_video), body)


def load_processor(model: str, model_type: str, **hub: Any) -> Any:
    """Return the processor of a model id or folder, without video where torchvision is not installed.

    `model_type` is that of its config; `hub` is ``revision``, ``local_files_only``, … Errors as transformers raises.
    """
    transformers: Any = import_module("transformers")
    names: Any = import_module("transformers.models.auto.processing_auto").PROCESSOR_MAPPING_NAMES
    name = names.get(model_type)
    if transformers.utils.is_torchvision_available() or name is None:
        return transformers.AutoProcessor.from_pretrained(model, **hub)
    images = PILLOW[model_type]() if model_type in PILLOW else None
    return image_only(getattr(transformers, name), images).from_pretrained(model, **hub)
