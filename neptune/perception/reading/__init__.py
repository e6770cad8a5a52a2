"""Readers of the words in pictures. One file each, one protocol.

The protocol is :class:`neptune.scene.types.TextReader`; names are looked up in `neptune.perception.registry`.
"""
