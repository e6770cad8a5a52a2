"""Evidence: each cell asked once, mirrored where symmetric, nothing changed by a bad answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from neptune.answer import Usage
from neptune.engine.evidence.indexing import off_diagonal
from neptune.engine.evidence.store import Evidence, Want, ask_many
from neptune.engine.evidence.tables import Table
from neptune.errors import OracleError
from neptune.scene import Scene
from neptune.scene.types import Oracle, QueryRequest, Question, ScoreRequest, Scores

RED = Question("is the object in the red box red?", 1)
LEFT = Question("is the object in the red box left of the object in the green box?", 2)
SAME = Question("does the object in the red box have the same color as the object in the green box?", 2)
DARK = Question("is the picture dark?", 0)


def everything(evidence: Evidence, oracle: Oracle, question: Question, usage: Usage, symmetric: bool = False) -> Table:
    evidence.ask(oracle, [(question, symmetric, None)], usage)
    return evidence.table(question, symmetric)


class Counter:
    """Answers 10 i + j, and remembers what it was asked."""

    name = "counter"

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, list[list[int]]]]] = []
        self.queries = 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.batches.append([(r.question.text, r.objects.tolist()) for r in requests])
        return [Scores.of(np.array([self.value(o) for o in r.objects.tolist()])) for r in requests]

    @staticmethod
    def value(objects: list[int]) -> float:
        return float(sum(o * 10.0**k for k, o in enumerate(reversed(objects))))

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        self.queries += sum(len(r.objects) for r in requests)
        return [[f"text {o}" for o in r.objects.tolist()] for r in requests]


@pytest.mark.parametrize(
    ("n", "k", "count"), [(5, 0, 1), (0, 1, 0), (5, 1, 5), (5, 2, 20), (1, 2, 0), (5, 3, 60), (0, 2, 0)]
)
def test_off_diagonal(n: int, k: int, count: int) -> None:
    cells = off_diagonal(n, k)
    assert cells.shape == (count, k)
    assert all(len(set(row)) == k for row in cells.tolist())
    assert len({tuple(row) for row in cells.tolist()}) == count


def unasked(table: Table, tuples: np.ndarray | None = None) -> np.ndarray:
    """Return those of the tuples that must still be asked, each once."""
    flat = table.normalised(tuples)
    return table.tuples(flat[~table.known(flat)])


def test_each_cell_is_asked_once() -> None:
    evidence, oracle, usage = Evidence(Scene.synthetic(4)), Counter(), Usage()
    cells = np.array([[2, 1], [1, 1], [2, 1], [0, 3]])
    assert unasked(evidence.table(LEFT), cells).tolist() == [[2, 1], [0, 3]]
    evidence.ask(oracle, [(LEFT, False, cells)], usage)
    assert (usage.oracle_calls, usage.oracle_rounds, usage.cache_hits) == (2, 1, 0)
    table = evidence.table(LEFT)
    assert table.logits[2, 1] == 21
    assert table.logits[0, 3] == 3
    assert table.asked.sum() == 2
    assert np.isnan(table.logits[~table.asked]).all()
    evidence.ask(oracle, [(LEFT, False, cells)], usage)
    assert (usage.oracle_calls, usage.oracle_rounds, usage.cache_hits) == (2, 1, 2)
    assert len(oracle.batches) == 1


def test_one_batch_for_many_wants_and_equal_questions() -> None:
    evidence, oracle, usage = Evidence(Scene.synthetic(3)), Counter(), Usage()
    again = Question(RED.text, 1, predicate="red")
    evidence.ask(oracle, [(RED, False, np.array([[0]])), (again, False, None), (DARK, False, None)], usage)
    assert oracle.batches == [[(RED.text, [[0], [1], [2]]), (DARK.text, [[]])]]
    assert (usage.oracle_calls, usage.oracle_rounds, usage.cache_hits) == (4, 1, 1)
    assert evidence.table(DARK).logits.shape == ()


def test_symmetric_questions_are_asked_once_a_pair() -> None:
    evidence, oracle, usage = Evidence(Scene.synthetic(3)), Counter(), Usage()
    evidence.ask(oracle, [(SAME, True, np.array([[2, 0], [0, 2], [1, 1]]))], usage)
    assert oracle.batches == [[(SAME.text, [[0, 2]])]]
    table = evidence.table(SAME, symmetric=True)
    assert table.logits[2, 0] == table.logits[0, 2] == 2
    assert table.asked.sum() == 2
    # The same words as a plain question: what was said is shared, what was mirrored is not.
    plain = everything(evidence, oracle, SAME, usage)
    assert plain.logits[2, 0] == 20
    assert plain.logits[0, 2] == 2
    assert usage.oracle_calls == 6
    assert everything(evidence, oracle, SAME, usage, symmetric=True).logits[2, 1] == 12
    assert usage.oracle_calls == 6


def test_plain_answers_serve_a_symmetric_question_asked_later() -> None:
    evidence, oracle, usage = Evidence(Scene.synthetic(3)), Counter(), Usage()
    everything(evidence, oracle, SAME, usage)
    table = everything(evidence, oracle, SAME, usage, symmetric=True)
    assert usage.oracle_calls == 6
    assert np.array_equal(table.logits, table.logits.T, equal_nan=True)


def test_many_objects_at_once() -> None:
    evidence, usage = Evidence(Scene.synthetic(160)), Usage()

    class Fast(Counter):
        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
            return [Scores.of(r.objects[:, 0] - r.objects[:, 1]) for r in requests]

    table = everything(evidence, Fast(), LEFT, usage)
    assert usage.oracle_calls == 160 * 159
    assert table.logits[159, 0] == 50  # 159, clamped
    assert not len(unasked(table))


def test_missing_evidence_is_asked_and_not_asked_again() -> None:
    class Silent(Counter):
        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
            self.batches.append([])
            return [Scores.of(np.array([np.nan, np.inf])) for _ in requests]

    evidence, oracle, usage = Evidence(Scene.synthetic(2)), Silent(), Usage()
    table = everything(evidence, oracle, RED, usage)
    assert (table.asked & np.isnan(table.logits)).tolist() == [True, False]
    assert table.logits[1] == 50
    everything(evidence, oracle, RED, usage)
    assert len(oracle.batches) == 1


@pytest.mark.parametrize("answer", [[], [Scores.of(np.zeros(3))], [Scores.of(np.zeros((2, 1)))]])
def test_an_answer_of_the_wrong_shape_changes_nothing(answer: list[Scores]) -> None:
    class Wrong(Counter):
        def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
            return answer

    evidence, usage = Evidence(Scene.synthetic(2)), Usage()
    with pytest.raises(OracleError, match="'counter'"):
        everything(evidence, Wrong(), RED, usage)
    assert not evidence.table(RED).asked.any()
    assert usage.oracle_calls == 0


def test_many_scenes_in_one_batch() -> None:
    first, second, oracle = Evidence(Scene.synthetic(2)), Evidence(Scene.synthetic(3)), Counter()
    usages = [Usage(), Usage(), Usage()]
    ask_many(
        oracle, [(first, [(RED, False, None)]), (second, [(RED, False, None)]), (first, [(RED, False, None)])], usages
    )
    assert len(oracle.batches) == 1
    assert [len(cells) for _, cells in oracle.batches[0]] == [2, 3]
    assert [(u.oracle_calls, u.oracle_rounds, u.cache_hits) for u in usages] == [(2, 1, 0), (3, 1, 0), (0, 0, 2)]


def test_objects_that_the_scene_does_not_have() -> None:
    evidence = Evidence(Scene.synthetic(2))
    with pytest.raises(IndexError, match="outside"):
        evidence.table(RED).normalised(np.array([[2]]))
    with pytest.raises(IndexError, match="expected"):
        evidence.table(LEFT).normalised(np.array([[1]]))
    with pytest.raises(OracleError, match="tuples"):
        Evidence(Scene.synthetic(160)).table(Question("is it so?", 4))


def test_queries_are_asked_once() -> None:
    evidence, oracle, usage = Evidence(Scene.synthetic(3)), Counter(), Usage()
    what = Question("what color is the object in the red box?", 1)
    for _ in range(2):
        texts = evidence.query(oracle, what, np.array([[2], [0], [2]]), usage)
        assert texts == ["text [2]", "text [0]", "text [2]"]
    assert oracle.queries == usage.oracle_calls == 2


def test_threads_share_evidence() -> None:
    evidence, oracle = Evidence(Scene.synthetic(20)), Counter()
    usages = [Usage() for _ in range(8)]
    threads = [threading.Thread(target=evidence.ask, args=(oracle, [(LEFT, False, None)], u)) for u in usages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(u.oracle_calls for u in usages) == 380
    assert sum(u.cache_hits for u in usages) == 7 * 380


class Slow(Counter):
    """Waits for `together` calls at once before it answers any; the calls of `failing` numbers raise."""

    def __init__(self, together: int, failing: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.barrier, self.failing, self.calls = threading.Barrier(together), failing, 0
        self.lock = threading.Lock()

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        with self.lock:
            self.calls += 1
            number = self.calls
        if number <= self.barrier.parties:  # the first calls have to come together
            self.barrier.wait(timeout=20)
        if number in self.failing:
            raise OracleError("no answer")
        return super().score(requests)


def test_programs_on_one_scene_ask_at_the_same_time() -> None:
    evidence, oracle = Evidence(Scene.synthetic(6)), Slow(together=2)
    wants = [(RED, False, None), (LEFT, False, None)]
    with ThreadPoolExecutor(2) as pool:
        # Neither is answered before both have asked: a lock held while an oracle works would break the barrier.
        done = [pool.submit(evidence.ask, oracle, [want], Usage()) for want in wants]
        for future in done:
            future.result(timeout=30)
    assert evidence.table(RED).asked.all()
    assert evidence.table(LEFT).asked.sum() == 30


def test_cells_of_a_thread_that_fails_are_asked_by_those_who_wait() -> None:
    evidence, oracle = Evidence(Scene.synthetic(6)), Slow(together=1, failing=(1,))
    usages = [Usage() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(evidence.ask, oracle, [(LEFT, False, None)], u) for u in usages]
        failed = [future.exception(timeout=30) for future in done]
    assert sum(isinstance(e, OracleError) for e in failed) == 1
    assert evidence.table(LEFT).asked.sum() == 30
    assert sum(u.oracle_calls for u, e in zip(usages, failed, strict=True) if e is None) == 30


class Failing(Counter):
    """Takes its time; the calls of some numbers fail."""

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        time.sleep(0.001)
        if len(self.batches) in (3, 7):
            self.batches.append([])
            raise OracleError("no answer")
        return super().score(requests)


@pytest.mark.parametrize("seed", range(4))
def test_threads_that_ask_about_the_same_scenes_in_any_order_ask_each_cell_once(seed: int) -> None:
    scenes, oracle, rng = [Evidence(Scene.synthetic(n)) for n in (5, 6, 7)], Failing(), np.random.default_rng(seed)

    def batch() -> list[tuple[Evidence, list[Want]]]:
        found = []
        for k in rng.permutation(3):
            rows = rng.integers(0, len(scenes[k].scene), (8, 2))  # some of them twice, some of one object twice
            wants = [(LEFT, False, rows), (SAME, True, rows), (SAME, False, rows[:3]), (RED, False, rows[:, :1])]
            found.append((scenes[k], wants))
        return found

    usages = [Usage() for _ in range(24)]
    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(ask_many, oracle, batch(), usage) for usage in usages]
        failed = [future.exception(timeout=30) for future in done]
    assert all(error is None or isinstance(error, OracleError) for error in failed)
    asked = sum(int(e.table(q).asked.sum()) for e in scenes for q in (LEFT, SAME, RED))
    assert sum(len(cells) for sent in oracle.batches for _, cells in sent) == asked
    assert sum(usage.oracle_calls for usage in usages) == asked
    assert not any(e._in_flight._parts for e in scenes)
