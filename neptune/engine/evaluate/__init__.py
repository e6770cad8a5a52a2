"""Evaluates plans on the scores of scenes."""
