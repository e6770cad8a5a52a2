"""What an oracle replies, checked where it comes in: whatever an oracle of one's own raises or returns by mistake is an
error that names the oracle and the question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsl.errors import ProgramError
from neptune.errors import NeptuneError, OracleError
from neptune.scene import Scene
from neptune.scene.domain import Domain
from neptune.scene.types import FloatArray, Oracle, QueryRequest, ScoreRequest, Scores, domain_of

MAX_LOGIT = 50.0
"""Infinite logits are clamped to ± this."""
_ADAPTER = "This is a mistake in the oracle's adapter"


def scores_of(oracle: Oracle, requests: Sequence[ScoreRequest]) -> list[Scores]:
    """Ask yes/no questions; return for each request the scores of its M tuples, logits float32 in [-50, 50] or NaN.

    Raises
    ------
    OracleError
        If the oracle fails, or its answer is not of the form that its protocol says.
    """
    with _Failures(oracle, requests):
        answers = oracle.score(requests)
    if not isinstance(answers, list | tuple):
        raise _wrong(oracle, "", "a list of Scores", _kind(answers))
    if len(answers) != len(requests):
        raise OracleError(
            f"The oracle '{name_of(oracle)}' returned {len(answers)} answers to {len(requests)} requests", hint=_ADAPTER
        )
    return [_scores(oracle, request, answer) for request, answer in zip(requests, answers, strict=True)]


def _scores(oracle: Oracle, request: ScoreRequest, answer: Scores) -> Scores:
    text, shape = request.question.text, (len(request.objects),)
    if not isinstance(answer, Scores):
        raise _wrong(oracle, text, "Scores, as Scores.of(logits) makes them", _kind(answer))
    logits = _numbers(oracle, text, answer.logits, "logits")
    if logits.shape != shape:
        raise _wrong(oracle, text, f"logits of shape {shape}", f"shape {logits.shape}")
    bounds = answer.bounds
    if bounds is not None:
        bounds = _numbers(oracle, text, bounds, "bounds")
        if bounds.shape != (*shape, 2):
            raise _wrong(oracle, text, f"bounds of shape {(*shape, 2)}", f"shape {bounds.shape}")
    return Scores(logits.clip(-MAX_LOGIT, MAX_LOGIT), answer.mass, answer.cost, bounds)


def _numbers(oracle: Oracle, text: str, given: object, what: str) -> FloatArray:
    try:
        found = np.asarray(given)
        if found.dtype.kind in "fiub":
            return found.astype(np.float32, copy=False)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise _wrong(oracle, text, f"{what}: an array of numbers", _kind(given))


def texts_of(oracle: Oracle, request: QueryRequest) -> list[str | None]:
    """Ask an open question; return its answer as the oracle gave it, a list of M texts (``None`` where there is none).

    Raises
    ------
    OracleError
        If the oracle fails, or its answer is not of the form that its protocol says.
    """
    text, count = request.question.text, len(request.objects)
    with _Failures(oracle, [request]):
        answers = oracle.query([request])
    if not isinstance(answers, list | tuple):
        raise _wrong(oracle, text, "a list of lists of texts", _kind(answers))
    if len(answers) != 1 or not isinstance(answers[0], list | tuple) or len(answers[0]) != count:
        found = [len(a) if isinstance(a, list | tuple) else _kind(a) for a in answers]
        raise _wrong(oracle, text, f"{count} texts", f"{found}")
    for answer in answers[0]:
        if answer is not None and not isinstance(answer, str):
            raise _wrong(oracle, text, "texts, or None", _kind(answer))
    return answers[0]


def domain_said(oracle: Oracle, scene: Scene) -> Domain | None:
    """Return what an oracle says of a scene's picture: :func:`~neptune.scene.types.domain_of`.

    Raises
    ------
    OracleError
        If the oracle fails, or says something else.
    """
    with _Failures(oracle, []):
        found = domain_of(oracle, scene)
    if found is not None and not isinstance(found, Domain):
        raise _wrong(oracle, "", "a Domain, or None", _kind(found))
    return found


def name_of(oracle: Oracle) -> str:
    """Return what errors call an oracle: its name, or that of its class."""
    return str(getattr(oracle, "name", type(oracle).__name__))


class _Failures:
    """Turns whatever an oracle raises by mistake into an error that names it; what is an error of ours passes."""

    def __init__(self, oracle: Oracle, requests: Sequence[ScoreRequest | QueryRequest]) -> None:
        self.oracle, self.requests = oracle, requests

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, NeptuneError | ProgramError | MemoryError):
            return
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        texts = {request.question.text for request in self.requests}
        raise OracleError(
            f"The oracle '{name_of(self.oracle)}' failed with {' '.join(said.split())[:300]}",
            where=f"question '{texts.pop()}'" if len(texts) == 1 else "",
            hint=_ADAPTER,
        ) from error


def _wrong(oracle: Oracle, text: str, expected: str, found: str) -> OracleError:
    return OracleError(
        f"The oracle '{name_of(oracle)}' returned an answer of the wrong form: {found}",
        where=f"question '{text}'" if text else "",
        expected=expected,
        hint=_ADAPTER,
    )


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return "None" if value is None else f"{type(value).__name__}"
