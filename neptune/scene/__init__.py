"""Pictures, boxes, scenes and annotations, and the types that every room shares."""

from neptune.scene.boxes import iou
from neptune.scene.scene import ATTRIBUTES, RELATIONS, Annotation, Scene

__all__ = ["ATTRIBUTES", "RELATIONS", "Annotation", "Scene", "iou"]
