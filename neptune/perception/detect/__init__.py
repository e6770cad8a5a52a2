"""Detectors: find the objects of a picture. One file each, one protocol.

The protocol is :class:`neptune.scene.types.Detector`; names are looked up in `neptune.perception.registry`.
Nothing here imports `dsl` or the algebra, and nothing is loaded before it is asked for.
"""
