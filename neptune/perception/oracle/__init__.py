"""Oracles: give soft scores to objects, tuples of objects and pictures. One file each, one protocol.

The protocol is :class:`neptune.scene.types.Oracle`; names are looked up in `neptune.perception.registry`.
Nothing here imports `dsl` or the algebra, and nothing is loaded before it is asked for.
"""
