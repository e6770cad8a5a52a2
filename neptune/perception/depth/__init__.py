"""Depth estimators: how far away all in a picture is. One file each, one protocol.

The protocol is :class:`neptune.scene.types.DepthEstimator`; names are looked up in `neptune.perception.registry`.
"""
