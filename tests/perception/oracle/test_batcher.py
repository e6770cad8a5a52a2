"""The micro-batcher: many threads, few batches, each cell in flight once, errors where they belong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from neptune.engine.evidence.indexing import off_diagonal
from neptune.errors import OracleError, OracleFailedError
from neptune.perception.oracle.caching.batcher import MicroBatcher
from neptune.perception.oracle.random import RandomOracle
from neptune.perception.oracle.scene import SceneOracle
from neptune.scene import Scene
from neptune.scene.types import Cost, Oracle, QueryRequest, Question, ScoreRequest, Scores, Texts

LEFT = Question("is the object in the red box left of the object in the green box?", 2, "left")
RED = Question("is the object in the red box red?", 1, "red")
KIND = Question("what shape is the object in the red box?", 1, "shape")


class Watched:
    """Passes on to a real oracle, remembers the batches, and can be held: what arrives meanwhile must wait."""

    def __init__(self, inner: Oracle, together: int = 1) -> None:
        self.inner, self.name = inner, inner.name
        self.batches: list[list[tuple[str, int]]] = []
        self.cells: list[tuple[str, str, tuple[int, ...]]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.meet = threading.Barrier(together)
        self._lock = threading.Lock()

    def _see(self, requests: Sequence[ScoreRequest] | Sequence[QueryRequest]) -> None:
        with self._lock:
            self.batches.append([(r.question.text, len(r.objects)) for r in requests])
            self.cells += [(r.scene.name, r.question.text, tuple(o)) for r in requests for o in r.objects.tolist()]
        self.entered.set()
        assert self.open.wait(30)
        self.meet.wait(30)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self._see(requests)
        answers = self.inner.score(requests)
        return [Scores(s.logits, s.mass, Cost(stored=len(s.logits))) for s in answers]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        self._see(requests)
        return [Texts(t, Cost(money=float(len(t)))) for t in self.inner.query(requests)]


def request(scene: Scene, question: Question, objects: np.ndarray | None = None) -> ScoreRequest:
    return ScoreRequest(scene, question, off_diagonal(len(scene), question.arity) if objects is None else objects)


def together(*calls: Callable[[], object]) -> list[object]:
    """Run the calls in a thread each; return results and exceptions, in order."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return [f.exception(timeout=60) or f.result() for f in futures]


def test_threads_get_what_they_would_get_alone_in_few_batches() -> None:
    scenes = [Scene.synthetic(n, seed=n) for n in range(2, 10)]
    plain, watched = RandomOracle(3), Watched(RandomOracle(3))
    batcher = MicroBatcher(watched, max_batch=10_000, wait_ms=10_000, callers=len(scenes))
    found = together(*[lambda s=s: batcher.score([request(s, RED), request(s, LEFT)]) for s in scenes])
    for scene, answers in zip(scenes, found, strict=True):
        for mine, alone in zip(answers, plain.score([request(scene, RED), request(scene, LEFT)]), strict=True):  # type: ignore[call-overload]
            assert mine.logits.tobytes() == alone.logits.tobytes()
            assert mine.mass.tobytes() == alone.mass.tobytes()
    # All eight callers waited for each other, not for ten seconds.
    assert len(watched.batches) == 1
    assert len(watched.cells) == len(set(watched.cells)) == sum(len(s) ** 2 for s in scenes)
    batcher.close()


def test_a_cell_in_flight_is_not_asked_again_and_paid_once() -> None:
    scene, watched = Scene.synthetic(9), Watched(RandomOracle(0))
    batcher = MicroBatcher(watched, wait_ms=0)
    watched.open.clear()
    rows = [np.arange(6)[:, None], np.arange(3, 9)[::-1][:, None], np.array([[8], [0], [8]])]
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher.score, [request(scene, RED, rows[0])])
        assert watched.entered.wait(30)
        others = [pool.submit(batcher.score, [request(scene, RED, r)]) for r in rows[1:]]
        while batcher._waiting < 3:
            threading.Event().wait(0.001)
        watched.open.set()
        answers = [f.result(30)[0] for f in [first, *others]]
    direct = RandomOracle(0).score([request(scene, RED)])[0]
    for answer, asked in zip(answers, rows, strict=True):
        assert answer.logits.tolist() == direct.logits[asked[:, 0]].tolist()
    assert sorted(c for _, _, c in watched.cells) == [(i,) for i in range(9)]
    assert sum(a.cost.stored for a in answers if a.cost) == 9
    batcher.close()


def test_a_request_for_an_object_that_is_not_there_shares_no_answer() -> None:
    """Of three objects, the pair (0, 3) has the place of (1, 0) in a table of all pairs, which is in flight."""
    scene, watched = Scene.synthetic(3), Watched(RandomOracle(0))
    batcher = MicroBatcher(watched, wait_ms=0)
    watched.open.clear()
    with ThreadPoolExecutor(2) as pool:
        good = pool.submit(batcher.score, [request(scene, LEFT, np.array([[1, 0]]))])
        assert watched.entered.wait(30)
        bad = pool.submit(batcher.score, [request(scene, LEFT, np.array([[0, 3]]))])
        while batcher._waiting < 2:
            threading.Event().wait(0.001)
        watched.open.set()
        good.result(30)
        bad.exception(30)
    assert [cell for _, _, cell in watched.cells] == [(1, 0), (0, 3)]
    batcher.close()


def test_an_error_reaches_those_alone_whose_request_fails() -> None:
    scene = Scene.synthetic(5)
    unknown = Question("is the object in the red box a wombat?", 1)
    outside = np.array([[7]])
    batcher = MicroBatcher(Watched(SceneOracle()), wait_ms=10_000, callers=6)
    found = together(
        lambda: batcher.score([request(scene, RED)]),
        lambda: batcher.score([request(scene, unknown)]),
        lambda: batcher.score([request(scene, LEFT)]),
        lambda: batcher.score([request(scene, RED), request(scene, unknown)]),
        lambda: batcher.score([request(scene, RED, outside)]),
        lambda: batcher.query([QueryRequest(scene, KIND, off_diagonal(5, 1))]),
    )
    failed = [k for k, answer in enumerate(found) if isinstance(answer, Exception)]
    assert failed == [1, 3, 4]
    assert isinstance(found[1], OracleError)
    assert "wombat" in found[1].one_line()
    direct = SceneOracle()
    assert found[0][0].logits.tolist() == direct.score([request(scene, RED)])[0].logits.tolist()  # type: ignore[index]
    assert found[5][0] == direct.query([QueryRequest(scene, KIND, off_diagonal(5, 1))])[0]  # type: ignore[index]
    batcher.close()


class Gone:
    """An oracle whose server is gone."""

    name = "gone"

    def __init__(self) -> None:
        self.calls = 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.calls += 1
        raise OracleFailedError("The server is gone")

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        raise AssertionError("nobody asks")


def test_an_oracle_that_fails_for_good_is_not_asked_again_for_each_half() -> None:
    gone = Gone()
    batcher = MicroBatcher(gone, wait_ms=10_000, callers=4)
    scenes = [Scene.synthetic(3, seed=k) for k in range(4)]
    found = together(*(lambda of=scene: batcher.score([request(of, RED)]) for scene in scenes))  # type: ignore[misc]
    assert [type(answer) for answer in found] == [OracleFailedError] * 4
    assert gone.calls == 1
    batcher.close()


def test_large_requests_go_in_parts_through_several_lanes() -> None:
    scene = Scene.synthetic(40)
    watched = Watched(RandomOracle(1), together=2)  # a batch is answered only while another one is, too
    batcher = MicroBatcher(watched, max_batch=390, wait_ms=0, lanes=2)
    (answer,) = batcher.score([request(scene, LEFT)])
    assert answer.logits.tobytes() == RandomOracle(1).score([request(scene, LEFT)])[0].logits.tobytes()
    assert [sum(n for _, n in batch) for batch in watched.batches] == [390] * 4
    assert answer.cost is not None
    assert answer.cost.stored == 40 * 39
    batcher.close()


def test_open_questions_and_their_choices_are_told_apart() -> None:
    scene, watched = Scene.synthetic(6), Watched(RandomOracle(2))
    batcher = MicroBatcher(watched, wait_ms=10_000, callers=3)
    rows = off_diagonal(6, 1)
    asked = [QueryRequest(scene, KIND, rows, choices) for choices in ((), ("cube", "ball"), ("cube", "ball"))]
    found = together(*[lambda q=q: batcher.query([q]) for q in asked])
    assert [f[0] for f in found] == RandomOracle(2).query(asked)  # type: ignore[index]
    assert len(watched.cells) == 12
    batcher.close()


def test_a_closed_batcher_lets_nobody_wait() -> None:
    scene, watched = Scene.synthetic(4), Watched(RandomOracle(0))
    batcher = MicroBatcher(watched, wait_ms=0)
    watched.open.clear()
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(batcher.score, [request(scene, RED)])
        assert watched.entered.wait(30)
        waiting = pool.submit(batcher.score, [request(scene, LEFT)])
        while batcher._waiting < 2:
            threading.Event().wait(0.001)
        batcher.close()
        with pytest.raises(OracleError, match="stopped"):
            waiting.result(30)
        watched.open.set()
        assert len(held.result(30)[0].logits) == 4  # what was with the oracle is finished
    with pytest.raises(OracleError, match="stopped"):
        batcher.score([request(scene, RED)])
    batcher.close()


def test_an_answer_of_the_wrong_size_is_the_adapters_mistake() -> None:
    class Short(RandomOracle):
        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
            return super().score(requests)[:-1]

    batcher = MicroBatcher(Short(0), wait_ms=0)
    with pytest.raises(OracleError, match="mistake in the oracle's adapter"):
        batcher.score([request(Scene.synthetic(3), RED)])
    assert batcher.score([]) == []
    assert len(batcher.score([request(Scene.synthetic(0), RED)])[0].logits) == 0
    batcher.close()
    with pytest.raises(ValueError, match="out of range"):
        MicroBatcher(RandomOracle(0), max_batch=0)


def test_many_threads_many_rounds() -> None:
    """Overlapping requests at random from ten threads: every answer is right, whatever was in flight."""
    scenes = [Scene.synthetic(n) for n in (3, 5, 8)]
    plain, batcher = RandomOracle(7), MicroBatcher(RandomOracle(7), max_batch=16, wait_ms=0.2, lanes=3)
    whole = {(s.name, q): plain.score([request(s, q)])[0].logits for s in scenes for q in (RED, LEFT)}

    def ask(seed: int) -> int:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            scene, question = scenes[rng.integers(3)], (RED, LEFT)[rng.integers(2)]
            cells = off_diagonal(len(scene), question.arity)
            picked = rng.integers(0, len(cells), rng.integers(0, 20))
            (answer,) = batcher.score([request(scene, question, cells[picked])])
            assert answer.logits.tolist() == whole[scene.name, question][picked].tolist()
        return seed

    assert together(*[lambda k=k: ask(k) for k in range(10)]) == list(range(10))
    assert not batcher._in_flight
    batcher.close()
