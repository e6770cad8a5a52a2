"""CLEVR and its kin."""
