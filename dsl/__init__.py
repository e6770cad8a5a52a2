"""The language: text to tree, checks that cost nothing, and errors that teach.

    tree = dsl.parse('count(Object, lambda x: cube(x) and red(x))')
"""

from __future__ import annotations

from .errors import LimitError, ProgramError
from .limits import Limits
from .parser import parse

__all__ = ["LimitError", "Limits", "ProgramError", "parse"]
