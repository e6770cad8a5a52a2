"""Oracles behind an OpenAI-compatible address."""
