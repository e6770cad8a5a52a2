"""How long plans take: objects × variables × logic, the optimised plan against the naive dense one in the same run.

    python benchmarks/execution.py                     # the table, and benchmarks/results/execution.json
    python benchmarks/execution.py --quick             # small sizes only

Times are medians of CPU time in milliseconds on one thread, tables and plan at hand (scenes change, shapes do not):
other processes count little. Memory is what the process grows by, measured in a fresh process each. "product" is one
N×N min-max product by itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from dsl import plan
from dsl.plan import Atom, Exists, Node, Predicate, make
from dsl.plan.guards import insert_guards
from neptune.algebra import LogicParameters, logic
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.kernels import contract
from neptune.engine.compile.program import ExecutionContext
from neptune.engine.evaluate.executor import Executor

CELL_LIMIT = 10**10


def atom(name: str, *places: int) -> Node:
    return make(Atom, Predicate(name, len(places)), tuple(f"@{i}" for i in places))


def closed(k: int, *factors: Node) -> Node:
    body = plan.conjunction(factors)
    for i in reversed(range(k)):
        body = make(Exists, f"@{i}", body)
    return insert_guards(body)


def puzzle(k: int = 4) -> Node:
    """A puzzle of k objects: two attributes each, and relations along a path with one more pair."""
    kinds = ["left", "behind", "right"]
    edges = [atom(kinds[i % 3], i, i + 1) for i in range(k - 1)]
    unary = [atom(a, i) for i in range(k) for a in (f"color{i}", f"shape{i}")]
    return closed(k, *unary, *edges)


def distinct_puzzle(k: int = 4) -> Node:
    """The puzzle with ``distinct`` of all its objects."""
    kinds = ["left", "behind", "right"]
    edges = [atom(kinds[i % 3], i, i + 1) for i in range(k - 1)]
    unary = [atom(a, i) for i in range(k) for a in (f"color{i}", f"shape{i}")]
    return closed(k, plan.distinct(tuple(f"@{i}" for i in range(k))), *unary, *edges)


PROGRAMS: dict[str, Node] = {
    "puzzle of 2": puzzle(2),
    "puzzle of 3": puzzle(3),
    "puzzle of 4": puzzle(4),
    "chain of 6": closed(6, *(atom("red", i) for i in range(6)), *(atom("left", i, i + 1) for i in range(5))),
    "distinct 4": distinct_puzzle(4),
    "triangle": closed(3, atom("left", 0, 1), atom("behind", 1, 2), atom("near", 0, 2)),
}
VARIABLES = {"puzzle of 2": 2, "puzzle of 3": 3, "puzzle of 4": 4, "chain of 6": 6, "distinct 4": 4, "triangle": 3}


class Bench:
    """One formula with random tables, ready to be run."""

    def __init__(self, optimised: bool, node: Node, n: int, name: str, grad: bool) -> None:
        self.optimised, self.node, self.n, self.grad = optimised, node, n, grad
        self.logic = logic.get(name)
        self.parameters = LogicParameters()
        generator = torch.Generator().manual_seed(0)
        self.tables: dict[Predicate, torch.Tensor] = {}
        for leaf in plan.walk(node):
            if isinstance(leaf, Atom):
                cells = (torch.randn([n] * len(leaf.terms), generator=generator) * 3).to(self.logic.dtype)
                self.tables[leaf.predicate] = self.logic.to_internal(cells).requires_grad_(grad)

    def run(self) -> torch.Tensor:
        """Evaluate once: value, and with `grad` the gradient."""
        with torch.set_grad_enabled(self.grad):
            out = self._planned() if self.optimised else self._naive()
            if self.grad:
                out.backward()
        return out.detach()

    def _planned(self) -> torch.Tensor:
        template = plans.template(self.node)
        program = plans.plan(template.node, "truth", _laws(self.logic))
        inputs = [self.tables[template.atom(atom).predicate].unsqueeze(0) for atom in program.atoms]
        given = torch.zeros(1, 0, dtype=torch.int64)
        context = ExecutionContext(self.logic, self.parameters, 1, self.n, None, given)
        return program.run(context, inputs)[0][0].squeeze(0)

    def _naive(self) -> torch.Tensor:
        def known(one: Atom) -> torch.Tensor:
            return self.tables[one.predicate].unsqueeze(0)

        return Executor(self.n, self.logic, self.parameters, known, CELL_LIMIT).truth(self.node).low.internal


def _laws(chosen: logic.Logic) -> Any:
    from dsl.rewrites import Laws

    return Laws(chosen.name, chosen.idempotent, True)


def median_ms(run: Callable[[], Any], least: int = 5, seconds: float = 0.6) -> float:
    """Return the median time of a run; long runs are measured once, after no warm-up."""
    started = time.process_time()
    run()
    first = time.process_time() - started
    if first > 1.0:
        return 1000 * first
    times = []
    until = time.process_time() + seconds
    while len(times) < least or (time.process_time() < until and len(times) < 400):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return 1000 * statistics.median(times)


def product_ms(n: int) -> float:
    """Return the time of one N×N min-max product: the kernel alone."""
    a, b = (torch.randn(1, n, n) for _ in range(2))
    return median_ms(lambda: contract(logic.godel, a, b, False))


def dense_cells(name: str, n: int) -> int:
    return int(n ** VARIABLES[name])


def added_mb(name: str, n: int, grad: bool) -> float:
    """Return by how much running a plan grows the peak memory of a fresh process, in MB."""
    code = [sys.executable, __file__, "--memory", name, str(n), str(int(grad))]
    return float(subprocess.run(code, capture_output=True, text=True, check=True).stdout.split()[-1])


def measure_memory(name: str, n: int, grad: bool) -> float:
    small = Bench(True, PROGRAMS[name], 4, "godel", grad)
    small.run()
    bench = Bench(True, PROGRAMS[name], n, "godel", grad)
    before = _reset_peak()
    bench.run()
    return (_kilobytes("VmHWM") - before) / 1024


def _reset_peak() -> float:
    """Forget the peak so far (it was reached by imports), and return what is held now, in kB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS")


def _kilobytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(text for text in lines if text.startswith(field)).split()[1])


def rows(names: list[str], sizes: list[int], logics: list[str], dense_limit: int) -> list[dict[str, Any]]:
    """Return one row for each program, size, logic and direction."""
    out = []
    for name in names:
        node = PROGRAMS[name]
        for n in sizes:
            reference = product_ms(n)
            for which in logics:
                for grad in (False, True):
                    row = {"program": name, "n": n, "logic": which, "backward": grad, "product_ms": reference}
                    row["optimised_ms"] = median_ms(Bench(True, node, n, which, grad).run)
                    cells = dense_cells(name, n) * (3 if grad else 1)
                    if cells <= dense_limit:
                        row["naive_ms"] = median_ms(Bench(False, node, n, which, grad).run)
                        row["speedup"] = row["naive_ms"] / row["optimised_ms"]
                    row["of_product"] = row["optimised_ms"] / reference
                    out.append(row)
                    print(line(row), flush=True)
    return out


def line(row: dict[str, Any]) -> str:
    naive = f"{row['naive_ms']:12.3f} {row['speedup']:10.1f}×" if "naive_ms" in row else f"{'–':>12} {'–':>11}"
    way = "backward" if row["backward"] else "forward"
    return (
        f"{row['program']:12} {row['n']:4} {row['logic']:11} {way:9} {row['optimised_ms']:10.3f} {naive}"
        f" {row['of_product']:9.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="N up to 20")
    parser.add_argument("--sizes", type=int, nargs="*")
    parser.add_argument("--programs", nargs="*", default=list(PROGRAMS), choices=list(PROGRAMS))
    parser.add_argument("--logics", nargs="*", default=["godel", "product"])
    parser.add_argument("--dense_limit", type=int, default=50_000_000, help="cells of the largest naive table")
    parser.add_argument("--output", default=str(Path(__file__).parent / "results" / "execution.json"))
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        name, n, grad = options.memory
        print(measure_memory(name, int(n), grad == "1"))
        return
    sizes = options.sizes or ([6, 10, 20] if options.quick else [6, 10, 20, 40, 80, 160])
    print(f"{'program':12} {'N':>4} {'logic':11} {'':9} {'ms':>10} {'naive ms':>12} {'speedup':>11} {'/product':>9}")
    table = rows(options.programs, sizes, options.logics, options.dense_limit)
    memory = []
    for name in [p for p in ("puzzle of 4", "chain of 6", "distinct 4", "triangle") if p in options.programs]:
        for grad in (False, True):
            mb = added_mb(name, max(sizes), grad)
            memory.append({"program": name, "n": max(sizes), "backward": grad, "added_mb": mb})
            print(f"{name:12} {max(sizes):4} {'backward' if grad else 'forward':9} adds {mb:8.1f} MB")
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rows": table, "memory": memory}, indent=1))
    print(path)


if __name__ == "__main__":
    main()
