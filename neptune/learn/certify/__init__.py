"""Certifies a cascade: how far a cheap proxy may stand in for the oracle, so that decisions seldom change."""
