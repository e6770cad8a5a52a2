"""Bounds of formulas as arrays: what the schedule looks at between two rounds."""
