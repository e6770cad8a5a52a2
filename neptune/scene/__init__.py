"""Pictures, boxes, scenes and annotations, and the types that every room shares."""

from neptune.scene.scene import ATTRIBUTES, RELATIONS, Annotation, Scene, iou

__all__ = ["ATTRIBUTES", "RELATIONS", "Annotation", "Scene", "iou"]
