"""Which tests run by default: not those marked gpu, download or full; each says what would run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Scenes are small: torch's threads cost more than they give, and tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HOW = {
    "gpu": "needs a CUDA device: run with -m gpu",
    "download": "downloads more than 100 MB: run with -m download",
    "full": "a long profile: run with --run-full (make test-full)",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-full", action="store_true", help="run the tests marked full too")


def pytest_configure(config: pytest.Config) -> None:
    """Draw the same examples each time, so that a commit that passes once passes everywhere; others with --run-full."""
    settings.register_profile("same", derandomize=True)
    if not config.getoption("--run-full"):
        settings.load_profile("same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = config.getoption("-m") or ""
    for item in items:
        for mark, reason in HOW.items():
            wanted = mark in asked or (mark == "full" and config.getoption("--run-full"))
            if item.get_closest_marker(mark) and not wanted:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _accelerate_as_new() -> Iterator[None]:
    """accelerate keeps its precision for a whole process: no test leaves one to the tests after it, of any file."""
    yield
    state = sys.modules.get("accelerate.state")
    if state is not None:
        state.AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch on one thread while a file of tests that evaluate many small tables runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the long profile was asked for."""
    return bool(request.config.getoption("--run-full"))
