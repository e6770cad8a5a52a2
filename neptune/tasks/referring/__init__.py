"""Referring expressions: datasets whose answer is a place in the picture."""
