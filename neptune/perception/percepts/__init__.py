"""Masks, depths and texts as an engine has them: made late, kept by content, asked through the oracle's protocol."""
