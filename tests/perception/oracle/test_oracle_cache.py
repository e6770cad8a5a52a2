"""The cache of oracle answers: what makes a cell the same, several processes at once, kills, damaged files."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.cache_writer import COLOR, LEFT, QUESTIONS, Sum, logits, pairs, scene

from neptune.errors import ConfigError, OracleError, OracleFailedError
from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.perception.oracle.caching.store import Asked, OracleStore
from neptune.perception.oracle.random import RandomOracle
from neptune.scene import Scene
from neptune.scene.identity import cell_keys, identity
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, Question, ScoreRequest, Scores

ROOT = Path(__file__).resolve().parents[3]
ONE = Question("is the object in the red box red?", 1)


class Counting:
    """A real oracle (seeded random scores), with an identity, that counts and can fail."""

    name = "counting"

    def __init__(self, who: str = "a", missing: bool = False) -> None:
        self.identity, self.cells, self.missing = identity("counting", who=who), 0, missing
        self.inner = RandomOracle(seed=len(who))

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        self.cells += sum(len(r.objects) for r in requests)
        found = self.inner.score(requests)
        if self.missing:
            for scores in found:
                scores.logits[::2] = np.nan
        return found

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        self.cells += sum(len(r.objects) for r in requests)
        found = self.inner.query(requests)
        return [[None] * len(texts) for texts in found] if self.missing else found


def ask(oracle, seen: Scene, question: Question = ONE, objects=None) -> Scores:
    objects = np.arange(len(seen))[:, None] if objects is None else np.asarray(objects)
    return oracle.score([ScoreRequest(seen, question, objects)])[0]


def test_a_known_cell_is_not_asked(tmp_path):
    seen, inner = scene(), Counting()
    oracle = CachedOracle(inner, tmp_path / "new" / "cache.sqlite")
    first = ask(oracle, seen)
    assert (inner.cells, first.cost.stored) == (20, 0)
    again = ask(CachedOracle(inner, tmp_path / "new" / "cache.sqlite"), seen)
    assert (inner.cells, again.cost.stored) == (20, 20)
    assert first.logits.tobytes() == again.logits.tobytes()
    assert first.mass.tobytes() == again.mass.tobytes()
    assert again.logits.dtype == np.float32


def test_what_makes_a_cell_the_same(tmp_path):
    seen = scene()
    path = tmp_path / "cache.sqlite"

    def fresh(changed: Scene, question=ONE, objects=((0,), (1,)), who="a") -> int:
        inner = Counting(who)
        ask(CachedOracle(inner, path), changed, question, objects)
        return inner.cells

    pixels = seen.picture.pixels
    assert fresh(seen) == 2
    assert fresh(seen) == 0
    renamed = Scene(seen.boxes, seen.size, Picture(pixels.copy()), name="another name")
    assert fresh(renamed) == 0  # the same pixels under another name
    shuffled = Scene(seen.boxes[::-1], seen.size, seen.picture)
    assert fresh(shuffled, objects=((19,), (18,))) == 0  # the same boxes in another place of the list
    assert fresh(seen, Question(ONE.text, 1, "red")) == 0  # the predicate is a hint
    other = pixels.copy()
    other[0, 0, 0] ^= 1
    assert fresh(Scene(seen.boxes, seen.size, Picture(other))) == 2
    moved = seen.boxes.copy()
    moved[0, 0] = np.nextafter(moved[0, 0], np.float32(99))
    assert fresh(Scene(moved, seen.size, seen.picture)) == 1
    assert fresh(seen, Question("is the object in the red box blue?", 1)) == 2
    assert fresh(seen, who="bb") == 2
    two = Question(ONE.text, 2)
    assert fresh(seen, two, ((0, 1), (1, 0))) == 2  # the order of a pair matters
    assert fresh(seen, Question(ONE.text, 0), np.zeros((1, 0), dtype=np.int64)) == 1
    assert fresh(seen, Question(ONE.text, 0), np.zeros((1, 0), dtype=np.int64)) == 0


def test_a_cell_that_comes_twice_is_asked_once(tmp_path):
    inner, seen = Counting(), scene()
    oracle = CachedOracle(inner, tmp_path / "c.sqlite")
    one, two = oracle.score(
        [ScoreRequest(seen, ONE, np.array([[0], [1], [0]])), ScoreRequest(seen, ONE, np.array([[1], [2]]))]
    )
    assert inner.cells == 3
    assert one.logits[0] == one.logits[2]
    assert one.logits[1] == two.logits[0]
    expected = RandomOracle(seed=1).score([ScoreRequest(seen, ONE, np.arange(3)[:, None])])[0].logits
    assert (one.logits[:2].tolist(), two.logits[1]) == (expected[:2].tolist(), expected[2])
    assert ask(oracle, seen, objects=[[0], [1], [0]]).cost.stored == 3  # rows that were answered from the file


def test_missing_evidence_is_not_kept(tmp_path):
    inner, seen = Counting(missing=True), scene()
    oracle = CachedOracle(inner, tmp_path / "c.sqlite")
    assert np.isnan(ask(oracle, seen).logits).sum() == 10
    inner.missing = False
    again = ask(oracle, seen)
    assert inner.cells == 30
    assert np.isfinite(again.logits).all()
    inner.missing = True
    request = QueryRequest(seen, COLOR, np.array([[0], [1]]), ("red", "blue"))
    assert oracle.query([request]) == [[None, None]]
    inner.missing = False
    (texts,) = oracle.query([request])
    assert set(texts) <= {"red", "blue"}
    before = inner.cells
    (known,) = oracle.query([request])
    assert known == texts
    assert known.cost.stored == 2
    assert inner.cells == before
    oracle.query([QueryRequest(seen, COLOR, np.array([[0]]), ("red", "green"))])  # other choices: another question
    assert inner.cells == before + 1


def test_what_a_failing_oracle_said_is_kept(tmp_path):
    class Failing(Counting):
        def score_each(self, requests, done):
            for k, request in enumerate(requests):
                for row in range(len(request.objects)):
                    if row == 7:
                        raise OracleFailedError("gone")
                    done(k, row, (float(row), 1.0))
            raise AssertionError

        def query_each(self, requests, done):
            raise OracleFailedError("gone")

    seen = scene()
    with pytest.raises(OracleFailedError, match="gone"):
        ask(CachedOracle(Failing(), tmp_path / "c.sqlite"), seen)
    inner = Counting()
    assert ask(CachedOracle(inner, tmp_path / "c.sqlite"), seen).logits[:7].tolist() == list(range(7))
    assert inner.cells == 13


def test_an_oracle_without_identity(tmp_path):
    with pytest.raises(ConfigError, match="'random' can not be cached"):
        CachedOracle(RandomOracle(), tmp_path / "c.sqlite")


def test_identities_are_canonical():
    assert identity("x", b=1, a={"d": 1, "c": [None]}) == '{"a":{"c":[null],"d":1},"adapter":"x","b":1}'


def test_keys_are_the_boxes():
    seen = scene()
    keys = cell_keys(seen, np.array([[1, 0], [0, 1]]))
    assert keys[0] == seen.boxes[[1, 0]].astype("<f4").tobytes()
    assert keys[0] != keys[1]
    assert cell_keys(Scene(np.array([[-0.0, 0, 1, 1], [0, 0, 1, 1]]), (9, 9)), np.array([[0]])) == cell_keys(
        Scene(np.array([[0.0, 0, 1, 1]]), (9, 9)), np.array([[0]])
    )


def test_25_600_pairs_take_no_time_to_look_up(tmp_path):
    many = scene(160)
    cells = np.indices((160, 160)).reshape(2, -1).T
    oracle = CachedOracle(Sum(), tmp_path / "c.sqlite")
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        scores = ask(oracle, many, LEFT[0], cells)
        times.append(time.perf_counter() - begin)
    assert oracle.inner.cells == len(cells)
    assert np.array_equal(scores.logits, logits(ScoreRequest(many, LEFT[0], cells)))
    assert times[1] < 2.0, times


# --- several processes, and kills ---


def start(path: Path, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "tests/helpers/cache_writer.py", str(path), str(seed)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()


def check(path: Path) -> int:
    """The file is sound, every row is complete and right, none is there twice; return how many there are."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    keys = dict(zip(cell_keys(scene(), pairs()), range(len(pairs()))))
    rows = db.execute("SELECT question, cell, logit, mass FROM score JOIN asked ON asked.id = score.asked").fetchall()
    assert len({(question, cell) for question, cell, *_ in rows}) == len(rows)
    right = {q.text: logits(ScoreRequest(scene(), q, pairs())) for q in LEFT}
    for question, cell, logit, mass in rows:
        assert logit == right[question][keys[cell]]
        assert mass == 1.0
    assert db.execute("SELECT count(*) FROM asked").fetchone()[0] <= QUESTIONS + 1
    oracles = db.execute("SELECT count(*) FROM oracle").fetchone()[0]
    assert oracles == 1 or (oracles == 0 and not rows)  # a writer may be killed before its first row
    db.close()
    return len(rows)


def test_four_processes_lose_and_double_nothing(tmp_path):
    path = tmp_path / "cache.sqlite"
    processes = [start(path, seed) for seed in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # all at once
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert out == "done\n"
        assert process.returncode == 0
    assert check(path) == QUESTIONS * len(pairs())
    inner = Sum()
    oracle = CachedOracle(inner, path)
    for question in LEFT:
        ask(oracle, scene(), question, pairs())
    (texts,) = oracle.query([QueryRequest(scene(), COLOR, np.arange(20)[:, None])])
    assert texts == [f"{COLOR.text} [{k}]" for k in range(20)]
    assert inner.cells == 0


def test_kill_9_leaves_whole_rows(tmp_path):
    path = tmp_path / "cache.sqlite"
    seed = int(os.environ.get("NEPTUNE_SEED", time.time_ns() % 10_000))
    print("seed", seed)
    rng, kept = random.Random(seed), 0
    for round_ in range(4):
        process = start(path, seed + round_)
        go(process)
        time.sleep(rng.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        if path.exists():
            OracleStore(path).contents()
            now = check(path)
            assert now >= kept  # what was there is still there
            kept = now
    process = start(path, seed)
    go(process)
    assert process.communicate(timeout=60)[0] == "done\n"
    assert check(path) == QUESTIONS * len(pairs())


def test_a_fork_opens_its_own_file(tmp_path):
    store = OracleStore(tmp_path / "c.sqlite")
    key = Asked("i", "p", "score", "q", 1)
    store.put([(key, b"a", (1.0, 1.0))])
    child = os.fork()
    if not child:
        store.put([(key, b"b", (2.0, 1.0))])
        os._exit(0 if store.get(key, [b"a", b"b"]) == {b"a": (1.0, 1.0), b"b": (2.0, 1.0)} else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.get(key, [b"b"]) == {b"b": (2.0, 1.0)}


# --- files that are none ---


def text(path: Path) -> None:
    path.write_text("this is a letter to my aunt, and no database at all " * 40)


def foreign(path: Path) -> None:
    sqlite3.connect(path).execute("CREATE TABLE recipes (cake TEXT)")


def newer(path: Path) -> None:
    sqlite3.connect(path).execute("PRAGMA user_version = 99")


def torn(path: Path) -> None:
    ask(CachedOracle(Sum(), path), scene(), LEFT[0], pairs())
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (text, "not a database"),
        (foreign, "another program's database"),
        (newer, "version 99"),
        (torn, "malformed|I/O error"),
        (Path.mkdir, "unable to open"),
    ],
)
def test_files_that_are_no_cache(tmp_path, make, says):
    path = tmp_path / "cache.sqlite"
    make(path)
    for leftover in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        leftover.unlink(missing_ok=True)
    with pytest.raises(OracleFailedError, match=says) as caught:
        ask(CachedOracle(Counting(), path), scene())
    line = caught.value.one_line()
    assert str(path) in line
    assert "oracle_cache" in line
    assert "\n" not in line


def test_a_file_that_another_process_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("neptune.sqlite.BUSY_SECONDS", 0.2)
    path = tmp_path / "c.sqlite"
    oracle = CachedOracle(Counting(), path)
    ask(oracle, scene())
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    late = CachedOracle(Counting(), path)
    assert ask(late, scene()).cost.stored == 20  # reading goes on
    with pytest.raises(OracleError, match="wait"):
        ask(late, scene(), Question("is it?", 1))
    holder.execute("ROLLBACK")
    ask(late, scene(), Question("is it?", 1))


def test_pruning(tmp_path):
    path = tmp_path / "c.sqlite"
    for who in ("a", "bb"):
        oracle = CachedOracle(Counting(who), path)
        ask(oracle, scene())
        oracle.query([QueryRequest(scene(), COLOR, np.array([[0]]))])
    store = OracleStore(path)
    rows = store.contents()
    assert [(r["pictures"], r["questions"], r["scores"], r["texts"]) for r in rows] == [(1, 2, 20, 1)] * 2
    store.remove([identity("counting", who="a")])
    assert [r["identity"] for r in store.contents()] == [identity("counting", who="bb")]
    ask(oracle, scene(), Question("is it new?", 1))  # a process that was there before goes on
    inner = Counting("bb")
    assert ask(CachedOracle(inner, path), scene()).cost.stored == 20
    assert inner.cells == 0
