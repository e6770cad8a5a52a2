"""Runs over a dataset: answering it, keeping what came of it, saying what it is worth, showing it."""
