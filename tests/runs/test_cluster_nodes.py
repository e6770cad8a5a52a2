"""A run on three nodes of a Ray cluster: the records of one machine, whatever dies, and no cell asked twice."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.cluster_runs import DATA, ROOT, TASKS, WORDS, counting, lines, settled
from helpers.fault_oracle_server import answers
from helpers.fault_server import fails, serving

from neptune.cli import main
from neptune.config import Config
from neptune.errors import NeptuneError
from neptune.perception.oracle.caching.store import OracleStore

STORE = 80 * 2**20


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))


PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]


class Nodes:
    """Three nodes on this machine, a CPU each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster()
        try:
            for _ in range(3):
                self._add()
        except BaseException:
            self.cluster.shutdown()
            raise
        self.address: str = self.cluster.address

    def _add(self, tries: int = 12) -> None:
        """Add a node. It gives its helpers a quarter of a minute to start: not enough on a busy machine."""
        more = {} if self.cluster.head_node else {"include_dashboard": False}
        for left in reversed(range(tries)):
            ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))  # else it waits for more of them
            try:
                self.cluster.add_node(num_cpus=1, object_store_memory=STORE, **ports, **more)
                return
            except Exception as error:
                if "timed out during startup" not in str(error) or not left:
                    raise

    def workers(self, kind: str = "ray::MapWorker") -> list[int]:
        """Return the processes of actors of a kind, children of these nodes alone."""
        import psutil

        found = []
        for node in (self.cluster.head_node, *self.cluster.worker_nodes):
            for info in node.all_processes.get("raylet", []):
                try:
                    children = psutil.Process(info.process.pid).children(recursive=True)
                    found += [child.pid for child in children if (child.cmdline() or [""])[0].startswith(kind)]
                except psutil.Error:
                    continue
        return found


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray's processes start slowly: the machine may be busy."""
    pytest.importorskip("ray.data", reason="ray is not installed: pip install neptune-reasoner[ray]")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # no further back in the queue than the tests themselves
    for name in ("agent_register_timeout_ms", "worker_register_timeout_seconds"):
        monkeypatch.setenv(f"RAY_{name}", "600000" if name.endswith("ms") else "600")


@pytest.fixture
def nodes(patience: None) -> Iterator[Nodes]:
    import ray

    made = Nodes()
    try:
        yield made
    finally:
        ray.shutdown()
        made.cluster.shutdown()


@pytest.mark.full
def test_the_four_tasks_equal_local_runs(nodes: Nodes, tmp_path: Path, capsys: Any) -> None:
    words = [*WORDS, "--dataset", *TASKS, "--num_samples", "8"]
    assert main([*words, "--output_dir", str(tmp_path / "local")]) == 0
    there = [*words, "--output_dir", str(tmp_path / "there"), "--cluster", nodes.address]
    assert main([*there, "--cluster_options", json.dumps({"shard": 2})]) == 0
    one, other = lines(tmp_path / "local"), lines(tmp_path / "there")
    assert len(one) == 32
    assert [settled(r) for r in other] == [settled(r) for r in one]
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("local", "there")]
    for name in ("n", "answered", "errors", "correct", "accuracy", "complete", "by_family", "by_dataset"):
        assert results[0][name] == results[1][name]
    assert results[1]["cluster"] == {"nodes": 3, "engines": 3}
    assert results[1]["oracle_batches"]["samples"] == 32
    config = json.loads((tmp_path / "there" / "config.json").read_text())
    assert "cluster" not in config  # whoever runs it again did not ask for that
    # What was seen and said is in the folder: a bundle of it is replayed, bit for bit, without a cluster.
    assert main([*there, "--bundle", str(tmp_path / "b.zip")]) == 0
    capsys.readouterr()
    assert main(["--config", str(tmp_path / "b.zip"), "--output_dir", str(tmp_path / "again")]) == 0


def _slow(request: dict[str, Any], number: int) -> Any:
    time.sleep(0.01)
    return answers(request)


class _Held:
    """A server that answers nothing while somebody is to be killed: the run can not be over before."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()

    def __call__(self, request: dict[str, Any], number: int) -> Any:
        self.free.wait()
        return _slow(request, number)


@pytest.mark.full
def test_five_workers_are_killed_and_no_cell_is_asked_twice(nodes: Nodes, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    seed = int(os.environ.get("NEPTUNE_SEED", time.time_ns() % 10_000))
    print("seed", seed)
    rng = random.Random(seed)
    n = 30
    words = [*WORDS, "--dataset", "clevr-refexps", "clevr", "--num_samples", str(n // 2), "--vlm_model_name", "openai"]
    held = _Held()
    with serving(_slow) as calm, serving(held) as server:
        options = {"model": "m", "concurrency": 4, "timeout": 1200}
        local = [*words, "--vlm_options", json.dumps(options | {"base_url": calm.url})]
        assert main([*local, "--output_dir", str(tmp_path / "local" / "run")]) == 0
        there = [*words, "--vlm_options", json.dumps(options | {"base_url": server.url}), "--cluster", nodes.address]
        folder = tmp_path / "there" / "run"
        there += ["--output_dir", str(folder), "--cluster_options", json.dumps({"engines": 2, "shard": 3})]
        targets, killed, over = sorted(rng.sample(range(1, n // 2), 5)), list[int](), threading.Event()

        def kill() -> None:
            for target in targets:
                while not over.is_set():
                    samples = folder / "samples.jsonl"
                    if samples.exists() and samples.read_bytes().count(b"\n") >= target:
                        held.free.clear()
                        there_now = [pid for pid in nodes.workers() if pid not in killed]
                        if there_now:
                            killed.append(rng.choice(there_now))
                            os.kill(killed[-1], signal.SIGKILL)
                            break
                    time.sleep(0.05)
                held.free.set()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            assert main(there) == 0
        finally:
            over.set()
            killer.join()
    assert len(killed) == 5, "the run was over before"
    assert [settled(r) for r in lines(folder)] == [settled(r) for r in lines(tmp_path / "local" / "run")]
    asked = counting(server)
    assert set(asked.values()) == {1}, f"{sum(v > 1 for v in asked.values())} of {len(asked)} cells were asked again"
    assert asked.keys() == counting(calm).keys()
    kept = [json.loads(line) for line in (folder / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(kept) == len(asked)  # what was said to the model is in the folder, wherever it was said
    cache = OracleStore(folder.parent / "oracle-cache.sqlite")
    assert sum(row["scores"] + row["texts"] for row in cache.contents()) == len(asked)


@pytest.mark.full
def test_a_head_that_dies_resumes_from_the_folder(
    patience: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
    folder = tmp_path / "there" / "run"

    def behave(request: dict[str, Any], number: int) -> Any:
        time.sleep(0.05)
        return answers(request)

    with serving(behave) as server:
        options = json.dumps({"model": "m", "concurrency": 2, "base_url": server.url})
        words = [*WORDS, "--dataset", "clevr-refexps", "--num_samples", "20", "--vlm_model_name", "openai"]
        words += ["--vlm_options", options, "--output_dir", str(folder)]
        nodes = Nodes()
        try:
            command = [
                sys.executable,
                "run.py",
                *words,
                "--cluster",
                nodes.address,
                "--cluster_options",
                '{"shard": 2}',
            ]
            driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
            samples, deadline = folder / "samples.jsonl", time.monotonic() + 600
            while driver.poll() is None and time.monotonic() < deadline:
                if samples.exists() and samples.read_bytes().count(b"\n") >= 4:
                    break
                time.sleep(0.05)
            nodes.cluster.head_node.kill_gcs_server(check_alive=False)
            nodes.cluster.head_node.kill_raylet(check_alive=False)
            try:
                said, _ = driver.communicate(timeout=180)
            except subprocess.TimeoutExpired:
                driver.kill()
                said, _ = driver.communicate()
                pytest.fail(f"the driver outlived its cluster: {said.decode()[-2000:]}")
        finally:
            nodes.cluster.shutdown()
        before = lines(folder)
        assert 4 <= len(before) < 20, said.decode()[-2000:]
        assert driver.returncode != 0
        assert main(words) == 0  # here, from what is in the folder
        after = lines(folder)
        assert after[: len(before)] == before
        assert len({r["id"] for r in after}) == len(after) == 20
        asked = counting(server)
        # The cache died with the head: what was asked and not yet kept is asked again, at most 4 cells that are sent
        # and not told of, and those told of within a tenth of a second.
        assert sum(v > 1 for v in asked.values()) <= 10
        assert max(asked.values()) <= 2


@pytest.mark.full
def test_a_model_that_fails_ends_the_run_and_the_same_command_resumes(
    nodes: Nodes, tmp_path: Path, capsys: Any
) -> None:
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    folder, broken = tmp_path / "run" / "run", threading.Event()

    def behave(request: dict[str, Any], number: int) -> Any:
        if number > 700 and not broken.is_set():  # of 1,012: some shard of the six is answered
            return fails(401)
        return answers(request)

    with serving(behave) as server:
        options = json.dumps({"model": "m", "base_url": server.url, "retries": 0})
        words = [*WORDS, "--dataset", "clevr-refexps", "--num_samples", "12", "--vlm_model_name", "openai"]
        words += ["--vlm_options", options, "--output_dir", str(folder), "--cluster", nodes.address]
        words += ["--cluster_options", '{"shard": 2}']
        assert main(words) == 2
        said = capsys.readouterr().err
        assert "have no answer yet" in said
        assert 0 < len(lines(folder)) < 12
        broken.set()
        assert main(words) == 0
        assert len(lines(folder)) == 12


@pytest.mark.full
def test_no_cluster_at_an_address(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("ray.data", reason="ray is not installed: pip install neptune-reasoner[ray]")
    from neptune.runs.runner.cluster.connect import connected

    config = Config(dataset="clevr", data_dir=DATA, cluster="nowhere")
    with pytest.raises(NeptuneError, match="can not be reached"), connected(config):
        pass
