"""Conversations: a model looks, acts, looks again, until it answers or a limit ends it."""
