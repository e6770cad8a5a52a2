"""A run: before it (is all there, what will it cost), its samples answered in order, and its replay."""
