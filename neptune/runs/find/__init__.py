"""Search over folders of pictures: filter, count and the best ones, lazily, with bounds at any time."""

from neptune.runs.find.search import Found, Hit, Search

__all__ = ["Found", "Hit", "Search"]
