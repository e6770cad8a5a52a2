"""Do large runs stay flat? Time and memory a sample, resuming, and the report, over runs of more and more samples.

    python benchmarks/scale.py [--samples 1000 10000 100000] [--scenes 1000] [--inspect values] [--browser] [--cluster]

Scenes and questions are made: each scene has up to ten objects of CLEVR's kinds, each question describes one of them
("Select the large red cube."), ten of them a scene up to `--scenes` scenes, more beyond; the oracle is `scene`. Each
run is one process of its own. Its CPU seconds are told with and without those of a run of ten samples, which is what
starting takes; memory is the most that the process ever had. Then the same command is given once more:
`resume_ready_s` is the CPU from the start of the process until the next sample could be answered, `resume_cpu_s` with
figures and report made anew. With `--browser` the report is opened in a headless Chromium. With `--cluster` each run is
made on a Ray cluster of this machine too: what a sample takes more there (CPU of all its processes, again without what
starting takes) is the cluster's overhead.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FEW = 10
"""Samples of the run by which starting is known."""


def made_scene(name: str, n: int, seed: int) -> dict[str, Any]:
    """Return a scene of `n` objects in CLEVR's format."""
    from neptune.scene import Scene

    truth = Scene.synthetic(n, seed).annotation
    assert truth is not None
    objects = [
        {attribute: values[k] for attribute, values in truth.attributes.items()}
        | {"bbox": [round(float(v), 2) for v in truth.boxes[k]]}
        for k in range(n)
    ]
    relations = {
        relation: [np.flatnonzero(holds[:, k]).tolist() for k in range(n)]
        for relation, holds in truth.relations.items()
    }
    return {"image_filename": name, "objects": objects, "relationships": relations}


def make(folder: Path, samples: int, scenes: int, seed: int = 0) -> None:
    """Write a dataset of referring expressions: scenes, questions with programs, and a plain picture a scene."""
    rng = np.random.default_rng(seed)
    names = [f"made_{k:06d}.png" for k in range(min(scenes, samples))]
    made = [made_scene(name, int(rng.integers(3, 11)), seed + k) for k, name in enumerate(names)]
    (folder / "images").mkdir(parents=True)
    first = folder / "images" / names[0]
    Image.new("RGB", (480, 320), (120, 120, 120)).save(first)
    for name in names[1:]:
        os.link(first, folder / "images" / name)
    (folder / "scenes.json").write_text(json.dumps({"scenes": made}))
    asked = []
    for k in range(samples):
        at = k * len(names) // samples  # all questions about a scene follow each other, as in CLEVR
        index = int(rng.integers(len(made[at]["objects"])))
        words = [made[at]["objects"][index][attribute] for attribute in ("size", "color", "shape")]
        asked.append(
            {
                "image_filename": names[at],
                "question": f"Select the {' '.join(words)}, please ({k}).",
                "program": "point(Object, lambda x: " + " and ".join(f"{word}(x)" for word in words) + ")",
                "answer": index,
            }
        )
    (folder / "refexps.json").write_text(json.dumps({"refexps": asked}))


@contextmanager
def counted_children() -> Iterator[dict[tuple[int, float], float]]:
    """Yield the CPU seconds of all processes below this one, as last seen: a cluster's are killed, not waited for."""
    import psutil

    used: dict[tuple[int, float], float] = {}
    over = threading.Event()

    def look() -> None:
        me = psutil.Process()
        while not over.wait(1.0):
            for process in me.children(recursive=True):
                with suppress(psutil.Error):
                    took = process.cpu_times()
                    used[process.pid, process.create_time()] = took.user + took.system

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield used
    finally:
        over.set()
        looking.join()


def child(words: list[str]) -> None:
    """Run in this process, and say last what it took."""
    from neptune.cli import main as neptune
    from neptune.runs.runner import run

    answer, ready = run.answer_samples, [0.0]

    def answer_samples(*arguments: Any) -> Any:
        ready[0] = time.process_time()
        return answer(*arguments)

    run.answer_samples = answer_samples
    begun = time.perf_counter()
    with counted_children() as used:
        code = neptune(words)
    figures = {
        "cpu_s": time.process_time(),
        "children_cpu_s": sum(used.values()),
        "ready_s": ready[0],
        "wall_s": time.perf_counter() - begun,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "code": code,
    }
    print("\nFIGURES", json.dumps(figures))


def measured(words: list[str]) -> dict[str, float]:
    """Return what a run takes in a process of its own."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).resolve()), "--child", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)
    said = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    if done.returncode or not said or json.loads(said[-1].removeprefix("FIGURES "))["code"]:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(said[-1].removeprefix("FIGURES "))
    return found


def size_mb(path: Path) -> float:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return round(sum(p.stat().st_size for p in files) / 1e6, 2)


def opened(page: Path, times: int) -> dict[str, float]:
    """Return in how many seconds the page can be used (also as CPU of its own process), and has all its rows."""
    import statistics

    from report import tabs

    took: list[tuple[float, float, float]] = []
    for tab in tabs(times):
        tools = tab.context.browser.new_browser_cdp_session()

        def cpu(tools: Any = tools) -> float:
            known = tools.send("SystemInfo.getProcessInfo")["processInfo"]
            return sum(process["cpuTime"] for process in known if process["type"] == "renderer")

        begun, before = time.perf_counter(), cpu()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]")
        ready, used = time.perf_counter() - begun, cpu() - before
        if tab.evaluate("(facts.blocks || 0) > 1"):
            tab.wait_for_selector("html[data-whole]", timeout=120_000)
        took.append((ready, used, time.perf_counter() - begun))
    names = ("open_s", "open_cpu_s", "whole_s")
    return {name: statistics.median(values) for name, values in zip(names, zip(*took, strict=True), strict=True)}


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--scenes", type=int, default=1_000, help="ten questions each, up to so many scenes")
    parser.add_argument("--inspect", default="values", choices=("values", "none"))
    parser.add_argument("--browser", action="store_true", help="open the reports in a headless Chromium")
    parser.add_argument("--cluster", action="store_true", help="the same runs on a Ray cluster started here")
    parser.add_argument("--times", type=int, default=3, help="so often each report is opened")
    parser.add_argument("--keep", type=Path, help="a folder for datasets and runs, which stay there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = given.keep or Path(temporary)
        rows = []
        for n in sorted({FEW, *given.samples}):
            data, out = place / f"data-{n}", place / f"run-{n}" / "run"
            if not data.is_dir():
                make(data, n, min(given.scenes, max(n // 10, 1)))
            words = ["--config", "configs/clevr-refexps.json", "--data_dir", str(data), "--od_model", "scene"]
            words += ["--vlm_model_name", "scene", "--inspect", given.inspect]
            words += ["--processes", "1", "--output_dir", str(out)]
            run, again = measured(words), measured(words)
            rows.append({"samples": n, **run, "resume_cpu_s": again["cpu_s"], "resume_ready_s": again["ready_s"]})
            row = rows[-1]
            if n > FEW:
                row["ms_a_sample"] = 1000 * (row["cpu_s"] - rows[0]["cpu_s"]) / (n - FEW)
            if given.cluster:
                there = measured([*words[:-1], f"{out}-cluster", "--cluster", "auto"])
                row["cluster_cpu_s"] = there["cpu_s"] + there["children_cpu_s"]
                if n > FEW:
                    each = 1000 * (row["cluster_cpu_s"] - rows[0]["cluster_cpu_s"]) / (n - FEW)
                    row["cluster_overhead_ms_a_sample"] = each - row["ms_a_sample"]
            row |= {f"{name}_mb": size_mb(out / name) for name in ("samples.jsonl", "results.json", "report.html")}
            row["report_pages_mb"] = size_mb(out / "report-pages")
            if given.browser and n > FEW:
                row |= opened(out / "report.html", given.times)
            print(json.dumps({k: round(v, 3) for k, v in row.items()}), flush=True)
    least, most = rows[1], rows[-1]
    ratios = {
        "ms_a_sample": most["ms_a_sample"] / least["ms_a_sample"],
        "memory": most["memory_mb"] / least["memory_mb"],
    }
    print(json.dumps({"ratios of the largest to the smallest": {k: round(v, 3) for k, v in ratios.items()}}))


if __name__ == "__main__":
    main()
