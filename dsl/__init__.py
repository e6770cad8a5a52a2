"""The language: text to tree, checks that cost nothing, and errors that teach.

    tree = dsl.parse('count(Object, lambda x: cube(x) and red(x))')
    checked = dsl.check("exists(Object, lambda x: dog(x))")      # or a ProgramError, with a caret
    text = dsl.print_program(tree)

Program text is never handed to Python: nothing here evaluates or compiles it.
"""

from __future__ import annotations

from dsl.check.checker import Checked, check
from dsl.errors import LimitError, ProgramError
from dsl.limits import Limits
from dsl.syntax.parser import parse
from dsl.syntax.printer import print_program
from dsl.vocabulary import Vocabulary

__all__ = ["Checked", "LimitError", "Limits", "ProgramError", "Vocabulary", "check", "parse", "print_program"]
