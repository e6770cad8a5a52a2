"""A run on a Ray cluster has the records of one on this machine, whatever dies, and asks no cell twice."""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.cluster_runs import DATA, ROOT, TASKS, WORDS, counting, lines, settled
from helpers.fault_oracle_server import answers, fingerprint
from helpers.fault_server import fails, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neptune import tasks
from neptune.cli import main
from neptune.config import Config
from neptune.errors import ConfigError
from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.perception.oracle.caching.replay import RecordingOracle, ReplayOracle
from neptune.perception.oracle.caching.store import OracleStore
from neptune.perception.oracle.random import RandomOracle
from neptune.runs.runner.cluster.connect import Places
from neptune.runs.runner.cluster.keeper import Keeper
from neptune.runs.runner.cluster.models import OracleActor
from neptune.runs.runner.cluster.run import WINDOW, ClusterFlight, cut
from neptune.runs.runner.cluster.worker import Answerer, Home
from neptune.runs.runner.processes.shards import record_of
from neptune.scene import Scene
from neptune.scene.identity import identity, scene_digest
from neptune.scene.picture import Picture
from neptune.scene.types import Question, ScoreRequest


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))


# --- what needs no cluster -----------------------------------------------------------------------


class _Told:
    """A task of which only names of pictures are known."""

    def __init__(self, pictures: list[str | None]) -> None:
        self._pictures = pictures

    def sample_ids(self) -> Iterator[str]:
        return (f"s{k}" for k in range(len(self._pictures)))

    def picture_of(self, index: int) -> str | None:
        return self._pictures[index]


pictures = st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), max_size=60)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine says nothing of the cuts
@given(first=pictures, second=pictures, size=st.integers(1, 9))
def test_shards_hold_every_sample_once_and_pictures_whole(
    first: list[str | None], second: list[str | None], size: int
) -> None:
    loaded: Any = [_Told(first), _Told(second)]
    todo = [(task, k) for task in loaded for k in range(len(task._pictures))]
    shards = list(cut(loaded, todo, size))
    positions = [p for shard in shards for p in shard.positions]
    assert sorted(positions) == list(range(len(todo)))
    for shard in shards:
        assert [todo[p] for p in shard.positions] == [(loaded[shard.task], index) for index in shard.indices]
        assert shard.ids == tuple(f"s{index}" for index in shard.indices)
        assert list(shard.positions) == sorted(shard.positions)
        assert len(shard.positions) <= 2 * size
    windows = [{p // (WINDOW * size) for p in shard.positions} for shard in shards]
    assert all(len(window) == 1 for window in windows)
    assert windows == sorted(windows, key=min)  # so no more than a window waits for its first sample
    homes: dict[Any, set[int]] = {}
    for number, shard in enumerate(shards):
        for position, index in zip(shard.positions, shard.indices, strict=True):
            picture = loaded[shard.task].picture_of(index)
            if picture is not None:
                homes.setdefault((shard.task, picture, position // (WINDOW * size)), set()).add(number)
    for (task, picture, window), found in homes.items():
        n = sum(
            todo[p][0] is loaded[task] and loaded[task].picture_of(todo[p][1]) == picture
            for p in range(window * WINDOW * size, min((window + 1) * WINDOW * size, len(todo)))
        )
        assert len(found) == -(-n // (2 * size)) or len(found) == 1


@pytest.mark.parametrize("name", TASKS)
def test_the_picture_of_a_record_is_known_without_its_sample(name: str) -> None:
    task = tasks.load(name, DATA)
    told = [task.picture_of(k) for k in range(len(task.samples))]
    seen = [sample.picture and sample.picture.name for sample in task.samples]
    assert [Path(str(name)).name for name in told] == seen


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cluster": "ray://head:10001"}, "ray job submit"),
        ({"cluster": "http://head:8265"}, "ray job submit"),
        ({"cluster": ""}, "HOST:PORT"),
        ({"cluster": "auto", "max_run_calls": 5}, "'max_run_calls' does not go with 'cluster'"),
        ({"cluster": "auto", "certificate": "c.json"}, "'certificate' does not go with 'cluster'"),
        ({"cluster": "auto", "gpus": [0]}, "'gpus' does not go with 'cluster'"),
        ({"cluster": "auto", "fetch_pictures": True}, "'fetch_pictures' does not go with 'cluster'"),
        ({"cluster": "auto", "task": "direct"}, "'cluster' does not go with task direct"),
        ({"cluster": "auto", "cluster_options": {"engine": 2}}, "did you mean 'engines'"),
        ({"cluster": "auto", "cluster_options": {"engines": 0}}, "'cluster_options.engines' is 0"),
        ({"cluster": "auto", "cluster_options": {"shard": 1.5}}, "expected an integer"),
        ({"cluster": "auto", "cluster_options": {"oracle_gpus": -1}}, "expected a number"),
        ({"cluster_options": {"engines": 2}}, "'cluster_options' does nothing without 'cluster'"),
    ],
)
def test_what_does_not_go_with_a_cluster_is_said(fields: dict[str, Any], said: str) -> None:
    from neptune.config.semantic import semantic_problems

    problems = semantic_problems(Config(**{"dataset": "clevr", "data_dir": DATA} | fields))
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("fields", "resources", "expected"),
    [
        ({"vlm_model_name": "scene", "od_model": "scene"}, {"CPU": 3}, {"engines": 3}),
        ({"vlm_model_name": "openai", "od_model": "scene"}, {"CPU": 3}, {"engines": 3, "oracles": 1}),
        ({"vlm_model_name": "qwen2", "od_model": "scene"}, {"CPU": 8}, {"engines": 7, "oracles": 1}),
        (
            {"vlm_model_name": "qwen2", "od_model": "scene"},
            {"CPU": 32, "GPU": 4},
            {"engines": 28, "oracles": 4, "oracle_gpus": 1.0},
        ),
        (
            {"vlm_model_name": "qwen2", "od_model": "dino"},
            {"CPU": 32, "GPU": 4},
            {"engines": 28, "oracles": 3, "oracle_gpus": 1.0, "detectors": 1, "detector_gpus": 1.0},
        ),
        (
            {"vlm_model_name": "qwen2", "od_model": "dino"},
            {"CPU": 8, "GPU": 1},
            {"engines": 6, "oracles": 1, "oracle_gpus": 0.5, "detectors": 1, "detector_gpus": 0.5},
        ),
        (
            {"vlm_model_name": "openai", "od_model": "dino", "cluster_options": {"engines": 5, "detectors": 2}},
            {"CPU": 8, "GPU": 2},
            {"engines": 5, "oracles": 1, "detectors": 2, "detector_gpus": 1.0},
        ),
        ({"vlm_model_name": "qwen2", "od_model": "dino"}, {"CPU": 1}, {"engines": 1, "oracles": 1, "detectors": 1}),
    ],
)
def test_places_fit_the_cluster(fields: dict[str, Any], resources: dict[str, float], expected: dict[str, Any]) -> None:
    config = Config(**{"dataset": "clevr", "cluster": "auto"} | fields)
    places = Places.of(config, resources, 1)
    assert places.as_dict() == {"nodes": 1} | expected
    gpus = places.oracles * places.oracle_gpus + places.detectors * places.detector_gpus
    assert gpus <= resources.get("GPU", 0)


def test_scenes_and_pictures_travel(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Picture(pixels).image.save(path)
    for picture in (Picture(path), Picture(pixels)):
        boxes = np.array([[1.0, 2, 30, 20], [3, 4, 50, 30]], dtype=np.float32)
        scene = Scene(boxes, (60, 40), picture, kinds=("Object", "Object"))
        region = scene.region((1.0, 2.0, 9.0, 9.0))
        digests = [scene_digest(scene), scene_digest(region)]
        there = [pickle.loads(pickle.dumps(s)) for s in (scene, region)]
        assert [scene_digest(s) for s in there] == digests
        assert np.array_equal(there[0].picture.pixels, pixels)
        assert there[0].picture.size == (60, 40)
    assert len(pickle.dumps(Picture(path))) < 500  # a file's pixels stay where they are


def test_another_store_stands_for_the_file_of_a_cache(tmp_path: Path) -> None:
    class Elsewhere:
        def __init__(self) -> None:
            self.file, self.asked = OracleStore(tmp_path / "c.sqlite"), 0

        def get(self, *given: Any) -> Any:
            self.asked += 1
            return self.file.get(*given)

        def put(self, rows: Any) -> None:
            self.file.put(list(rows))

    class Kept(RandomOracle):
        identity = identity("random", seed=0)
        calls = 0

        def score(self, requests: Any) -> Any:
            Kept.calls += sum(len(r.objects) for r in requests)
            return super().score(requests)

    store = Elsewhere()
    request = ScoreRequest(Scene.synthetic(4, 0), Question("red", 1, "red"), np.arange(4)[:, None])
    first = CachedOracle(Kept(), store).score([request])[0]
    second = CachedOracle(Kept(), store).score([request])[0]
    assert np.array_equal(first.logits, second.logits)
    assert second.cost is not None
    assert (Kept.calls, store.asked, second.cost.stored) == (4, 2, 4)


def test_a_record_is_handed_over_and_taken(tmp_path: Path) -> None:
    there = RecordingOracle(RandomOracle(), tmp_path / "there.jsonl")
    here = RecordingOracle(RandomOracle(), tmp_path / "here.jsonl")
    said = {}
    for seed in range(3):  # a shard each
        scene = Scene.synthetic(3, seed)
        there.keep(scene)
        request = ScoreRequest(scene, Question("red", 1, "red"), np.arange(3)[:, None])
        said[seed] = there.score([request])[0].logits
        shared = Scene.synthetic(1, 0)
        assert there.number(shared) == "0.0"  # nothing of the shard before is remembered
        here.take_over(there.handed_over())
    assert (tmp_path / "there.jsonl").read_bytes() == b""
    replay = ReplayOracle(tmp_path / "here.jsonl")
    for seed in range(3):
        scene = Scene.synthetic(3, seed)
        request = ScoreRequest(scene, Question("red", 1, "red"), np.arange(3)[:, None])
        assert np.array_equal(replay.score([request])[0].logits, said[seed])
        assert len(replay.scene(scene_digest(scene))) == 3
    assert (tmp_path / "here.jsonl").read_text().count('"session"') == 1


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*WORDS, "--num_samples", "2", "--output_dir", str(tmp_path / "run"), "--cluster", "auto"]) == 2
    said = capsys.readouterr().err
    assert "neptune-reasoner[ray]" in said
    assert not (tmp_path / "run").exists()


# --- engines in this process, in Ray's place -----------------------------------------------------


class _Here:
    """An actor's handle whose object is in this process; what goes to it, and what comes back, is pickled."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        def remote(*given: Any) -> Any:
            return pickle.loads(pickle.dumps(getattr(self._actor, name)(*pickle.loads(pickle.dumps(given)))))

        return SimpleNamespace(remote=remote)


@pytest.fixture
def two_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines that take shards in turn, with oracle, cache and writer as a cluster has them."""
    ray = SimpleNamespace(
        get=lambda value: value, exceptions=SimpleNamespace(RayError=ConnectionAbortedError), get_gpu_ids=list
    )
    for module in ("keeper", "run", "connect"):
        monkeypatch.setattr(f"neptune.runs.runner.cluster.{module}.ray_", lambda: ray)

    class Actors:
        def __init__(self, config: Config, places: Places, folder: Path, programs: Any) -> None:
            home = Home(os.getcwd())
            record = record_of(config, folder)
            exchanges = folder / "exchanges.jsonl" if record is not None else None
            keeper = _Here(Keeper(config.cache_path, config.detections_path, exchanges))
            made = [OracleActor(config, home, keeper, exchanges is not None) for _ in range(places.oracles)]
            self.given = {
                "config": config,
                "home": home,
                "folder": folder,
                "records": record is not None,
                "keeper": keeper,
                "oracles": [_Here(actor) for actor in made],
                "detectors": [],
                "writer": None,
                "named": (str(made[0].about()[0]) if made else "", ("", True)),
            }

        def wait(self) -> None:
            pass

        def end(self) -> None:
            pass

        def of_engines(self) -> dict[str, Any]:
            return self.given

    @contextmanager
    def connected(config: Config) -> Iterator[Places]:
        yield Places.of(config, {"CPU": 2}, 1)

    def results(flight: ClusterFlight) -> Iterator[Any]:
        engines = [Answerer(**flight._actors.of_engines()) for _ in range(2)]
        size = flight._config.cluster_options.get("shard", 8)
        for k, shard in enumerate(cut(flight._loaded, flight._todo, size)):
            yield pickle.loads(pickle.dumps(engines[k % 2]._result(pickle.loads(pickle.dumps(shard)))))

    monkeypatch.setattr("neptune.runs.runner.cluster.run._Actors", Actors)
    monkeypatch.setattr("neptune.runs.runner.cluster.run.connected", connected)
    monkeypatch.setattr(ClusterFlight, "_results", results)


def counted(record: dict[str, Any]) -> dict[str, Any]:
    """What must be the same where pictures are whole in their shards: counters too, but no time."""
    usage = {k: v for k, v in record["usage"].items() if not k.endswith("_ms")}
    return {k: v for k, v in record.items() if k != "seconds"} | {"usage": usage}


def test_shards_make_the_records_of_one_machine(two_engines: None, tmp_path: Path, capsys: Any) -> None:
    words = [*WORDS, "--dataset", *TASKS, "--num_samples", "12"]
    assert main([*words, "--output_dir", str(tmp_path / "local")]) == 0
    there = [*words, "--output_dir", str(tmp_path / "there"), "--cluster", "auto", "--cluster_options", '{"shard": 5}']
    assert main(there) == 0
    one, other = lines(tmp_path / "local"), lines(tmp_path / "there")
    assert len(one) == 48
    assert [counted(r) for r in other] == [counted(r) for r in one]
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("local", "there")]
    for name in ("n", "answered", "errors", "correct", "accuracy", "complete", "by_family", "by_dataset"):
        assert results[0][name] == results[1][name]
    assert results[1]["cluster"] == {"nodes": 1, "engines": 2}
    assert results[1]["oracle_batches"]["samples"] == 48
    assert "cluster" not in json.loads((tmp_path / "there" / "config.json").read_text())
    # What was seen and said is in the folder: a bundle of it is replayed, bit for bit.
    assert main([*there, "--bundle", str(tmp_path / "b.zip")]) == 0
    capsys.readouterr()
    assert main(["--config", str(tmp_path / "b.zip"), "--output_dir", str(tmp_path / "again")]) == 0


def test_a_pool_asks_each_cell_once_and_a_failure_ends_the_run_in_order(
    two_engines: None, tmp_path: Path, capsys: Any
) -> None:
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    broken, answered = threading.Event(), Counter[str]()

    def behave(request: dict[str, Any], number: int) -> Any:
        if number > 40 and not broken.is_set():
            return fails(401)
        answered[fingerprint(request)] += 1
        return answers(request)

    words = [*WORDS, "--dataset", "clevr-refexps", "--num_samples", "4", "--vlm_model_name", "openai"]
    with serving(lambda request, number: answers(request)) as calm, serving(behave) as server:
        options = {"model": "m", "retries": 0, "concurrency": 2}
        local = [*words, "--vlm_options", json.dumps(options | {"base_url": calm.url})]
        assert main([*local, "--output_dir", str(tmp_path / "local" / "run")]) == 0
        there = [*words, "--vlm_options", json.dumps(options | {"base_url": server.url}), "--cluster", "auto"]
        folder = tmp_path / "there" / "run"
        there += ["--output_dir", str(folder), "--cluster_options", '{"shard": 1}']
        capsys.readouterr()
        assert main(there) == 2
        assert "have no answer yet" in capsys.readouterr().err
        before = lines(folder)
        assert len(before) < 4
        broken.set()
        assert main(there) == 0
    one, other = lines(tmp_path / "local" / "run"), lines(folder)
    assert other[: len(before)] == before
    assert [settled(r) for r in other] == [settled(r) for r in one]
    cells = counting(calm)
    assert answered.keys() == cells.keys()
    assert set(answered.values()) == {1}  # what was refused was asked again, and nothing else
    cache = OracleStore(folder.parent / "oracle-cache.sqlite")
    assert sum(row["scores"] + row["texts"] for row in cache.contents()) == len(cells)
    kept = (folder / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(kept) >= len(cells)


def test_a_bug_in_a_sample_is_logged_by_the_driver(
    two_engines: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def judge(self: Any, sample: Any, answer: Any, scene: Any = None) -> Any:
        raise ZeroDivisionError(sample.id)

    monkeypatch.setattr("neptune.tasks.clevr.clevr.Clevr.is_right", judge)
    words = [*WORDS, "--num_samples", "3", "--output_dir", str(tmp_path / "run"), "--cluster", "auto"]
    assert main(words) == 1
    assert [r["error_kind"] for r in lines(tmp_path / "run")] == ["bug"] * 3
    log = (tmp_path / "run" / "errors.log").read_text()
    assert log.count("ZeroDivisionError: clevr-00000") == 3


def test_a_machine_without_the_runs_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no folder"):
        Home(str(tmp_path / "nowhere"))()
