"""Tests that a dataset's record brings: what a program has to say of small made scenes; no picture is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dsl
from dsl.limits import Limits
from dsl.vocabulary import Vocabulary
from neptune.engine.analysis.differing import TestResult, run_tests
from neptune.writer.vote import Candidate

MOST_FAILURES = 3
"""So many failures are kept in a record."""


def by_tests(
    candidates: Sequence[Candidate], tests: Sequence[Mapping[str, Any]], vocabulary: Vocabulary, limits: Limits
) -> tuple[list[Candidate], dict[str, Any]]:
    """Return the programs that pass the most tests, and what is recorded: ``tests``, with ``passed``, ``failed``, and
    ``failures`` of the best program.

    Parameters
    ----------
    candidates
        The programs of a question.
    tests, vocabulary, limits
        As of :func:`neptune.engine.analysis.differing.run_tests`.

    Raises
    ------
    ConfigError
        If a test is malformed.
    dsl.ProgramError
        If no program is one.
    """
    results: list[tuple[Candidate, TestResult]] = []
    fault: dsl.ProgramError | None = None
    for candidate in candidates:
        try:
            results.append((candidate, run_tests(candidate.program, tests, vocabulary, limits)))
        except dsl.ProgramError as error:
            fault = fault or error
    if not results:
        assert fault is not None
        raise fault
    best = max(result.passed for _, result in results)
    kept = [(candidate, result) for candidate, result in results if result.passed == best]
    first = kept[0][1]
    found: dict[str, Any] = {"passed": first.passed, "failed": len(first.failures)}
    if first.failures:
        found["failures"] = list(first.failures[:MOST_FAILURES])
    if len(kept) < len(candidates):
        found["left_out"] = len(candidates) - len(kept)
    return [candidate for candidate, _ in kept], {"tests": found}
