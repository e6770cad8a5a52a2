"""Runs programs on scenes: interpreter (program → plan), executor (plan → truth), evidence (what was asked)."""
