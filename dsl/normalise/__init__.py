"""Malformed input with one clear meaning is put into the language's own form, and each change is reported."""
