"""Which programs are over regions."""

from __future__ import annotations

from dsl.syntax import ast
from dsl.syntax.spelling import PATCHES, marks_regions

FORMULAS = "formulas"
"""The two dialects of formulas, which mix in one program."""


def dialect_of(program: ast.Program, said: str | None = None) -> str:
    """Return ``"patches"`` of a program over regions, else ``"formulas"``.

    Parameters
    ----------
    program
        Its tree.
    said
        ``"patches"`` or ``"formulas"`` if it is known; else a program is over regions if it defines ``execute_command``
        or calls ``ImagePatch`` or ``VideoSegment``.
    """
    if said in (PATCHES, FORMULAS):
        return str(said)
    if said not in (None, "auto"):
        raise ValueError(f"dialect is 'patches', 'formulas' or 'auto', not {said!r}")
    if program.dialect == PATCHES:
        return PATCHES
    for node in ast.walk(program):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("ImagePatch", "VideoSegment")
        ):
            return PATCHES
        if isinstance(node, ast.FunctionDef) and node.name != "ImagePatch" and marks_regions(node.name):
            return PATCHES
    return FORMULAS
