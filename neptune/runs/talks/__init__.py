"""Conversations about samples of datasets: answered in several ways, and shown."""
