"""Tuning: temperatures and the strictness of "and", fitted through the programs on cached logits (docs/tuning.md).

One idea a file: `shifts` (pictures made unlike those of the training), `samples` (questions by picture), `logits` (what
the oracle said, kept in a file), `kinds` (which predicates share a temperature), `fit` (the gradient descent),
`measure` (likelihood, Brier score, calibration, accuracy), `figures` (the diagrams) and `task` (all of it in a run).
"""
