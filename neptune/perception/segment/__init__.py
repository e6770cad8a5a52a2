"""Segmenters: which pixels are a thing's. One file each, one protocol.

The protocol is :class:`neptune.scene.types.Segmenter`; names are looked up in `neptune.perception.registry`.
"""
