"""Distillation: what programs found out becomes samples from which a model learns to answer at once."""
