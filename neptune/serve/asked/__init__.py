"""Beside one answer: what is taken along of it, and conversations."""
