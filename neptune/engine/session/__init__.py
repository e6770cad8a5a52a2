"""One run of a program, and many at once: from plan nodes to answers."""
