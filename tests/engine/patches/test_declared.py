"""Everything that the dialect declares is there: no name passes the checker that the engine does not know."""

from __future__ import annotations

import pytest

from dsl.patches.declared import (
    ATTRIBUTES,
    FILM,
    FUNCTIONS,
    METHODS,
    MODULES,
    PICTURE,
    PLAIN_BUILTINS,
    REGION,
    Function,
)
from neptune.engine.interpret import builtins
from neptune.engine.patches import calls, modules, plain
from neptune.engine.patches.geometry import Edges
from neptune.engine.patches.pictured import films

BY_HAND = {"cropped_image", "shape", "size"}
"""Attributes that are not edges."""


def test_functions_and_built_ins() -> None:
    assert set(FUNCTIONS) == set(calls._FUNCTIONS)
    assert set(plain._BUILTINS) | set(builtins.FUNCTIONS) >= PLAIN_BUILTINS


@pytest.mark.parametrize("sort", sorted(METHODS))
def test_methods(sort: str) -> None:
    other = {REGION: calls._OF_REGIONS, PICTURE: calls._OF_REGIONS, FILM: films.OF_FILMS}
    done = other[sort] if sort in other else plain._METHODS[sort]
    assert set(METHODS[sort]) <= {*done, "format"}


def test_attributes() -> None:
    for name in {*ATTRIBUTES[REGION], *ATTRIBUTES[PICTURE]} - BY_HAND:
        assert isinstance(getattr(Edges(1, 2, 3, 5), name), int | float)


@pytest.mark.parametrize(
    "name", [f"{m}.{f}" for m, members in MODULES.items() for f, of in members.items() if isinstance(of, Function)]
)
def test_functions_of_modules(name: str) -> None:
    assert name.partition(".")[2] in {*modules._OF_LISTS, *modules._OF_NUMBERS}
