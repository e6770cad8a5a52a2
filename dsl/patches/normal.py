"""The normal form of programs over regions: slips with one clear meaning are put right, and each is reported.

A program that is only a function becomes its body, with the task's inputs; a region's method that is called bare
speaks of the whole picture, as does ``image_patch`` where nothing gives it a value; imports are left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from dsl.errors import ProgramError
from dsl.normalise.tree import called, rebuild
from dsl.patches.declared import (
    FUNCTIONS,
    INPUTS,
    LIST,
    METHODS,
    PICTURE,
    REGION,
    REGIONS,
    SIGNATURE,
    TEXT,
    base,
    members,
)
from dsl.patches.sorts import Sorts
from dsl.syntax import ast
from dsl.syntax.ast import Expr, Stmt
from dsl.syntax.spelling import PATCHES, marks_regions

BARE = {**{name: name for name in METHODS[REGION] if name not in FUNCTIONS}, "find_in_image": "find"}
"""Methods of a region that programs call bare: the name called → the method."""

WHOLE = "image_patch"


def normal_form(program: ast.Program) -> tuple[ast.Program, tuple[str, ...]]:
    """Return the program in normal form, and a note for each kind of change. Idempotent.

    Raises
    ------
    ProgramError
        If a program that is one function has a parameter that the task does not give.
    """
    notes: dict[str, None] = {}
    body = _without_imports(program.body, notes)
    body = _inlined(body, notes)
    tree = replace(program, body=body, dialect=PATCHES)
    bound = Sorts(tree).bound
    tree = cast(ast.Program, _spelt(tree, bound, notes))
    if WHOLE not in bound and any(isinstance(n, ast.Name) and n.id == WHOLE for n in ast.walk(tree)):
        notes.setdefault(f"'{WHOLE}', which has no value, was read as the whole picture")
        first = ast.Assign((ast.Name(WHOLE, span=tree.body[0].span),), _whole(tree.body[0]), span=tree.body[0].span)
        tree = replace(tree, body=(first, *tree.body))
    for _ in range(2):  # what bare methods give is known once they have their regions
        tree = cast(ast.Program, _with_receivers(tree, Sorts(tree), notes))
    return tree, tuple(notes)


def _whole(at: ast.Node) -> Expr:
    """Return ``ImagePatch(image)``."""
    return ast.Call(ast.Name("ImagePatch", span=at.span), (ast.Name("image", span=at.span),), span=at.span)


# --- imports ---------------------------------------------------------------------------------------


def _without_imports(body: tuple[Stmt, ...], notes: dict[str, None]) -> tuple[Stmt, ...]:
    def change(node: ast.Node) -> ast.Node:
        if isinstance(node, ast.Import):
            written = f"import {node.module}" + (f" as {node.alias}" if node.alias else "")
            notes.setdefault(f"left out '{written}': what it would bring is built in")
            return ast.Pass(span=node.span)
        return rebuild(node, change) if _holds_statements(node) else node

    made = tuple(cast(Stmt, change(node)) for node in body)
    rest = tuple(new for new, old in zip(made, body, strict=True) if not isinstance(old, ast.Import))
    return rest or made


def _holds_statements(node: ast.Node) -> bool:
    return isinstance(node, ast.If | ast.For | ast.FunctionDef)


# --- a program that is only a function -------------------------------------------------------------


def _inlined(body: tuple[Stmt, ...], notes: dict[str, None]) -> tuple[Stmt, ...]:
    """Return the body of the function that is the program, after the other functions; else `body` as it is."""
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    if not functions or any(not isinstance(node, ast.FunctionDef) and not _says_nothing(node) for node in body):
        return body
    marked = [node for node in functions if marks_regions(node.name)]
    main = marked[-1] if marked else functions[0] if len(functions) == 1 else None
    if (
        main is None
        or main.name.startswith("__")
        or any(isinstance(n, ast.Name) and n.id == main.name for n in ast.walk(main))
    ):
        return body
    notes.setdefault(f"the function '{main.name}' is the program: it is called with the task's inputs")
    others = [node for node in functions if node is not main and node.name != main.name]
    return (*others, *_inputs(main), *main.body)


def _says_nothing(node: Stmt) -> bool:
    """Tell whether a statement is ``pass`` or a text alone (a docstring)."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.ExprStatement) and isinstance(node.value, ast.Text))


def _inputs(main: ast.FunctionDef) -> list[Stmt]:
    """Return assignments for parameters that are not called as the task's inputs are: by position, as in a call."""
    named = {param.name for param in main.params}
    out: list[Stmt] = []
    for place, param in enumerate(main.params):
        if param.name in INPUTS or param.name in FUNCTIONS:
            continue
        meant = SIGNATURE[place] if place < len(SIGNATURE) else ""
        if meant and meant not in named:
            value = _whole(param) if INPUTS[meant] == PICTURE else ast.Name(meant, span=param.span)
        elif param.default is not None:
            value = param.default
        else:
            raise ProgramError(
                f"the task gives '{main.name}' no '{param.name}'",
                param.span,
                expected=f"parameters such as {', '.join(SIGNATURE)}",
                hint=f"leave '{param.name}' out, or give it a default",
            )
        out.append(ast.Assign((ast.Name(param.name, span=param.span),), value, span=param.span))
    return out


# --- the whole picture by its name -----------------------------------------------------------------


def _spelt(node: ast.Node, bound: frozenset[str], notes: dict[str, None]) -> ast.Node:
    """Spell ``image_patch`` and ``ImagePatch`` as they are: ``imagePatch.find(…)``, ``Imagepatch(image)``."""

    def meant(name: ast.Name, whole: bool) -> ast.Name:
        other = WHOLE if whole else "ImagePatch"
        if name.id == other or name.id in bound or name.id.replace("_", "").lower() != "imagepatch":
            return name
        notes.setdefault(f"'{name.id}' was read as '{other}'")
        return ast.Name(other, span=name.span)

    def change(inner: ast.Node) -> ast.Node:
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            inner = replace(inner, func=meant(inner.func, False))
            args = tuple([cast(Expr, change(a)) for a in inner.args])
            return replace(inner, args=args, keywords=tuple([cast(ast.Keyword, change(k)) for k in inner.keywords]))
        return meant(inner, True) if isinstance(inner, ast.Name) else rebuild(inner, change)

    return change(node)


# --- methods called bare ---------------------------------------------------------------------------


def _with_receivers(node: ast.Node, sorts: Sorts, notes: dict[str, None]) -> ast.Node:
    """Return the node with a region before what only regions have.

    Bare methods speak of their first argument, or of the whole picture; those of a picture, of all of it.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = _found_at_all(node, node.func, sorts, notes)
    made = rebuild(node, lambda child: _with_receivers(child, sorts, notes))
    if isinstance(made, ast.Attribute):
        return _of_one_region(made, sorts, notes)
    name = called(made)
    if name not in BARE or name in sorts.bound or not isinstance(made, ast.Call) or _of_quantifier(made):
        return made
    method, args = BARE[name], made.args
    receiver: Expr
    if args and _first_is_region(method, made, sorts):
        receiver, args = args[0], args[1:]
        if base(sorts.of(receiver)) != REGION:
            receiver = ast.Call(ast.Name("ImagePatch", span=receiver.span), (receiver,), span=receiver.span)
        notes.setdefault(f"'{name}(region, …)' was read as the region's .{method}(…)")
    else:
        receiver = _whole(made)
        notes.setdefault(f"'{name}(…)' of no region was read as .{method}(…) of the whole picture")
    function = ast.Attribute(receiver, method, span=made.func.span)
    return ast.Call(function, args, made.keywords, span=made.span)


def _of_one_region(node: ast.Attribute, sorts: Sorts, notes: dict[str, None]) -> Expr:
    """Return what only a region has as that of one: ``image.find`` of all of it, ``patches.left`` of the first."""
    name, value = node.name, node.value
    sort = sorts.of(value)
    if name not in members(REGION) or name in members(base(sort)):
        return node
    if base(sort) == PICTURE:
        notes.setdefault(f"'.{name}' of a picture was read as that of the region of all of it")
        value = ast.Call(ast.Name("ImagePatch", span=value.span), (value,), span=value.span)
    elif sort == REGIONS:
        notes.setdefault(f"'.{name}' of a list of regions was read as that of the first")
        value = ast.Subscript(value, ast.Number(0, span=value.span), span=value.span)
    return ast.Attribute(value, name, span=node.span)


def _found_at_all(node: ast.Call, function: ast.Attribute, sorts: Sorts, notes: dict[str, None]) -> Expr:
    """Return ``patches.exists()`` as ``len(patches) > 0``."""
    value = function.value
    if function.name != "exists" or node.args or node.keywords or sorts.of(value) != REGIONS:
        return node
    notes.setdefault("'.exists()' of a list of regions was read as len(…) > 0")
    number = ast.Call(ast.Name("len", span=value.span), (value,), span=node.span)
    return ast.Comparison(number, (">",), (ast.Number(0, span=node.span),), span=node.span)


def _first_is_region(method: str, node: ast.Call, sorts: Sorts) -> bool:
    """Tell whether the first argument is a region or a picture: by its sort, or since the others fill the places."""
    first = node.args[0]
    sort = base(sorts.of(first))
    if sort in (REGION, PICTURE):
        return True
    function = METHODS[REGION][method]
    if sort in (TEXT, LIST):
        return False
    second = base(sorts.of(node.args[1])) if len(node.args) > 1 else ""
    meant = [p.sorts for p in function.parameters[:2]]
    shifted = len(meant) > 1 and second in meant[0] and second not in meant[1]
    return shifted or len(node.args) + len(node.keywords) > function.most


def _of_quantifier(node: ast.Call) -> bool:
    """Tell whether a call is ``exists(Object, lambda x: …)``, of another dialect."""
    return any(isinstance(a, ast.Lambda) or a == ast.Name("Object") for a in node.args)
