"""Answers with guarantees in a run: sets of answers, answers that are withheld, and how risk grows with coverage."""
