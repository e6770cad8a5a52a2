"""Many cells asked side by side: in order, one error ends all, and no more is asked than can be kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from neptune.perception.oracle.server.together import side_by_side


def requests(*sizes: int) -> list[Any]:
    return [SimpleNamespace(objects=range(n)) for n in sizes]


@pytest.mark.parametrize("ahead", [1, 2, 7, 100])
@pytest.mark.parametrize("sizes", [(), (0,), (1,), (3, 0, 5), (40,)])
def test_every_cell_is_answered_in_its_place_and_told_once(sizes: tuple[int, ...], ahead: int) -> None:
    asked, told = requests(*sizes), list[tuple[int, int, str]]()
    places = {id(request): k for k, request in enumerate(asked)}
    with ThreadPoolExecutor(3) as pool:
        found = side_by_side(
            pool, asked, lambda r, row, stop: f"{places[id(r)]}.{row}", lambda *said: told.append(said), ahead
        )
    assert found == [[f"{k}.{row}" for row in range(n)] for k, n in enumerate(sizes)]
    assert sorted(told) == [(k, row, f"{k}.{row}") for k, n in enumerate(sizes) for row in range(n)]


@pytest.mark.parametrize("ahead", [1, 4])
def test_no_more_is_asked_than_was_told_of_and_so_many(ahead: int) -> None:
    """Where a cache can not take answers, each further one would be paid for and lost."""
    asked, lock, kept, most = 0, threading.Lock(), 0, 0

    def ask(request: Any, row: int, stop: threading.Event) -> int:
        nonlocal asked, most
        with lock:
            asked += 1
            most = max(most, asked - kept)
        return row

    def tell(k: int, row: int, said: int) -> None:
        nonlocal kept
        threading.Event().wait(0.002)  # the pool has time to run away
        with lock:
            kept += 1

    with ThreadPoolExecutor(2) as pool:
        side_by_side(pool, requests(30, 30), ask, tell, ahead)
    assert kept == asked == 60
    assert most <= ahead


def test_one_error_ends_all_and_what_was_under_way_is_told() -> None:
    begun, told = list[int](), list[int]()
    both = threading.Barrier(2)

    def ask(request: Any, row: int, stop: threading.Event) -> int:
        begun.append(row)
        both.wait(timeout=60)
        if row == 0:
            raise ValueError("gone")
        assert stop.wait(60)
        return row

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="gone"):
        side_by_side(pool, requests(50), ask, lambda k, row, said: told.append(said), ahead=4)
    assert sorted(begun) == [0, 1]
    assert told == [1]


def test_an_answer_that_can_not_be_kept_ends_all() -> None:
    begun = list[int]()

    def ask(request: Any, row: int, stop: threading.Event) -> int:
        begun.append(row)
        return row

    def tell(k: int, row: int, said: int) -> None:
        raise OSError("the disk is full")

    with ThreadPoolExecutor(2) as pool, pytest.raises(OSError, match="full"):
        side_by_side(pool, requests(50), ask, tell, ahead=4)
    assert len(begun) <= 4
