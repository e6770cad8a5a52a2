"""Checks of a program that cost nothing: names, arities, scopes and limits, before anything is asked."""
