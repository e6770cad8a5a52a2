"""One question on a small scene: `Engine.run` beside dense executors as others write them, NumPy by hand, and KLay.

    python benchmarks/small.py                                  # the table, and benchmarks/results/small.json
    python benchmarks/small.py --sizes 6 --programs exists      # a part of it
    python benchmarks/small.py --quick                          # fewer repeats
    python benchmarks/small.py --least                          # on a busy machine: the least of many short blocks

Everything is warm: plans cached, scores known, each picture seen before. Microseconds of CPU time on one thread, the
median of blocks that take turns, so that a busy machine slows all columns alike: read the ratios.

run        `Engine.run`: the answer with its probability.
read       the same, and the trace and usage of the answer are looked at.
many       `Engine.run_many` on 64 pictures, for each question.
torch      a dense executor in the manner of LEFT (Hsu, Mao, Tenenbaum, Wu 2023): one table over all named variables,
           min and max on logits, softmax for the object meant, einsum for what is said of it. Written here, in torch.
numpy      the same executor on NumPy arrays.
by hand    the program written out in NumPy, quantifiers pushed inward.
klay       the same circuit, quantifiers pushed inward, as a KLay layer (Maene, Derkinderen, Zuidberg Dos Martires 2024)
           of the gödel semiring in torch; where `klaycircuits` is installed (`pip install klaycircuits`).

Each column's answer is compared with the engine's: a column that computes something else is an error.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from neptune.engine import Engine
from neptune.scene import ATTRIBUTES, RELATIONS, Scene

SIZES = (6, 10, 20)
BATCH = 64
COLUMNS = ("run", "read", "many", "torch", "numpy", "by hand", "klay")
SURE = 8.0
"""The logit of what the annotation says is true."""


# --- a dense executor, as others write it ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Table:
    """A tensor with one named axis for each variable."""

    vars: tuple[str, ...]
    cells: Any


class Dense:
    """Runs programs one operation after the other on dense tables of logits.

    Parameters
    ----------
    library
        ``torch`` or ``numpy``.
    scores
        Name of an attribute's value or of a relation → logits, shape ``(N,)`` or ``(N, N)``; a pair of one object
        with itself is false.
    """

    def __init__(self, library: Any, scores: Mapping[str, Any]) -> None:
        self.library, self.scores = library, scores

    def said(self, name: str, *vars: str) -> Table:
        """Return what is said by a name of its variables."""
        return Table(vars, self.scores[name])

    def both(self, *tables: Table) -> Table:
        """Join tables by name: each is spread over the variables that it lacks."""
        out = tables[0]
        for table in tables[1:]:
            vars = (*out.vars, *(v for v in table.vars if v not in out.vars))
            out = Table(vars, self.library.minimum(self._spread(out, vars), self._spread(table, vars)))
        return out

    def exists(self, var: str, table: Table) -> Table:
        """Return the largest over a variable."""
        rest = tuple(v for v in table.vars if v != var)
        return Table(rest, self.library.amax(table.cells, table.vars.index(var)))

    def iota(self, table: Table) -> Table:
        """Return how likely each object is the one meant."""
        fits = table.cells - table.cells.max()
        weights = self.library.exp(fits)
        return Table(table.vars, weights / weights.sum())

    def about(self, table: Table, meant: Table) -> Table:
        """Return what is said of the object meant: its expectation."""
        (var,) = meant.vars
        rest = tuple(v for v in table.vars if v != var)
        letters = {v: chr(ord("a") + i) for i, v in enumerate(table.vars)}
        form = f"{''.join(letters.values())},{letters[var]}->{''.join(letters[v] for v in rest)}"
        return Table(rest, self.library.einsum(form, table.cells, meant.cells))

    def describe(self, names: Sequence[str], meant: Table) -> str:
        """Return the likeliest of the values of an attribute, of the object meant."""
        return names[int((self.scores["/".join(names)] @ meant.cells).argmax())]

    def decide(self, table: Table) -> bool:
        """Tell whether a closed table is true."""
        return bool(table.cells > 0)

    def count(self, table: Table) -> int:
        """Return how many objects fit."""
        return int((table.cells > 0).sum())

    def point(self, table: Table) -> int:
        """Return the object that fits best."""
        return int(table.cells.argmax())

    def _spread(self, table: Table, vars: tuple[str, ...]) -> Any:
        have = [v for v in vars if v in table.vars]
        cells = table.cells
        if list(table.vars) != have:
            cells = cells.swapaxes(0, 1)  # tables of more than two variables are made in the order of the program
        return cells[tuple(slice(None) if v in table.vars else None for v in vars)]


# --- programs, three times -------------------------------------------------------------------------

COLORS = ATTRIBUTES["color"]
RELATED = "count(Object, lambda x: cube(x) and exists(Object, lambda y: red(y) and left(x, y)))"
MEANT = "lambda x: cube(x) and left(x, iota(Object, lambda y: metal(y) and sphere(y)))"
PUZZLE = (
    "exists(Object, lambda w: exists(Object, lambda x: exists(Object, lambda y: exists(Object, lambda z: "
    "red(w) and cube(w) and blue(x) and sphere(x) and green(y) and cube(y) and gray(z) and cylinder(z) "
    "and left(w, x) and behind(x, y) and right(y, z)))))"
)
Scores = Mapping[str, Any]


def dense_puzzle(d: Dense) -> bool:
    of_one = [
        d.said(name, var)
        for var, names in zip("wxyz", (("red", "cube"), ("blue", "sphere"), ("green", "cube"), ("gray", "cylinder")))
        for name in names
    ]
    table = d.both(*of_one, d.said("left", "w", "x"), d.said("behind", "x", "y"), d.said("right", "y", "z"))
    for var in "zyxw":
        table = d.exists(var, table)
    return d.decide(table)


def dense_meant(d: Dense) -> Table:
    other = d.iota(d.both(d.said("metal", "y"), d.said("sphere", "y")))
    return d.both(d.said("cube", "x"), d.about(d.said("left", "x", "y"), other))


def hand_puzzle(s: Scores) -> bool:
    low = np.minimum
    z = low(s["right"], low(s["gray"], s["cylinder"])).max(1)
    y = low(s["behind"], low(low(s["green"], s["cube"]), z)).max(1)
    x = low(s["left"], low(low(s["blue"], s["sphere"]), y)).max(1)
    return bool(low(low(s["red"], s["cube"]), x).max() > 0)


def hand_meant(s: Scores) -> Any:
    weights = np.exp(np.minimum(s["metal"], s["sphere"]))
    return np.minimum(s["cube"], s["left"] @ weights / weights.sum())


def one_meant(s: Scores) -> bool:
    """Whether one object fits each description."""
    others = np.minimum(s["metal"], s["sphere"]) > 0
    return int(others.sum()) == 1 and int((np.minimum(s["cube"], s["left"][:, others.argmax()]) > 0).sum()) == 1


def hand_color(s: Scores) -> str:
    fits = hand_meant(s)
    weights = np.exp(fits - fits.max())
    return COLORS[int((s["/".join(COLORS)] @ weights).argmax())]


@dataclass(frozen=True, slots=True)
class Program:
    """A program in the engine's language, for the dense executor, and by hand."""

    text: str
    dense: Callable[[Dense], Any]
    hand: Callable[[Scores], Any]
    clear: Callable[[Scores], bool] = lambda s: True
    """Whether a scene has one answer however descriptions are read: each fits one object."""


PROGRAMS = {
    "exists": Program(
        "exists(Object, lambda x: red(x) and cube(x))",
        lambda d: d.decide(d.exists("x", d.both(d.said("red", "x"), d.said("cube", "x")))),
        lambda s: bool(np.minimum(s["red"], s["cube"]).max() > 0),
    ),
    "count": Program(
        "count(Object, lambda x: red(x) and cube(x))",
        lambda d: d.count(d.both(d.said("red", "x"), d.said("cube", "x"))),
        lambda s: int((np.minimum(s["red"], s["cube"]) > 0).sum()),
    ),
    "comparison": Program(
        "greater_than(count(Object, lambda x: metal(x)), count(Object, lambda x: cube(x)))",
        lambda d: d.count(d.said("metal", "x")) > d.count(d.said("cube", "x")),
        lambda s: bool((s["metal"] > 0).sum() > (s["cube"] > 0).sum()),
    ),
    "count with a relation": Program(
        RELATED,
        lambda d: d.count(
            d.both(d.said("cube", "x"), d.exists("y", d.both(d.said("red", "y"), d.said("left", "x", "y"))))
        ),
        lambda s: int((np.minimum(s["cube"], np.minimum(s["left"], s["red"]).max(1)) > 0).sum()),
    ),
    "describe a colour": Program(
        f"describe(Color, iota(Object, {MEANT}))",
        lambda d: d.describe(COLORS, d.iota(dense_meant(d))),
        hand_color,
        one_meant,
    ),
    "referring expression": Program(
        f"point(Object, {MEANT})", lambda d: d.point(dense_meant(d)), lambda s: int(hand_meant(s).argmax()), one_meant
    ),
    "puzzle of 4": Program(PUZZLE, dense_puzzle, hand_puzzle),
}


def scores(scene: Scene) -> dict[str, Any]:
    """Return sure logits of what a scene's annotation says: what a dense executor is handed."""
    truth = scene.annotation
    assert truth is not None
    out = {}
    for values in ATTRIBUTES.values():
        said = [[v == value for v in truth.attributes[_attribute(value)]] for value in values]
        table = np.where(np.array(said), SURE, -SURE).astype(np.float32)
        out |= dict(zip(values, table)) | {"/".join(values): table}
    for name in RELATIONS:
        out[name] = np.where(truth.relations[name], SURE, -SURE).astype(np.float32)
    return out


def _attribute(value: str) -> str:
    return next(name for name, values in ATTRIBUTES.items() if value in values)


# --- KLay ------------------------------------------------------------------------------------------


def klay_layer(program: str, s: Scores) -> Callable[[], bool] | None:
    """Return what evaluates a program as a layer of KLay's; ``None`` where it is no circuit of and, or and leaves."""
    klay = importlib.import_module("klay")
    circuit, leaves = klay.Circuit(), {}
    n = len(s["red"])

    def leaf(name: str, *at: int) -> Any:
        key = name, at
        if key not in leaves:
            leaves[key] = len(leaves) + 1, circuit.literal_node(len(leaves) + 1)
        return leaves[key][1]

    def exists(of: Callable[[int], list[Any]]) -> Any:
        return circuit.or_node([circuit.and_node(of(i)) for i in range(n)])

    if program == "exists":
        root = exists(lambda x: [leaf("red", x), leaf("cube", x)])
    elif program == "puzzle of 4":
        z = [exists(lambda k, i=i: [leaf("gray", k), leaf("cylinder", k), leaf("right", i, k)]) for i in range(n)]
        y = [exists(lambda k, i=i: [leaf("green", k), leaf("cube", k), z[k], leaf("behind", i, k)]) for i in range(n)]
        x = [exists(lambda k, i=i: [leaf("blue", k), leaf("sphere", k), y[k], leaf("left", i, k)]) for i in range(n)]
        root = exists(lambda k: [leaf("red", k), leaf("cube", k), x[k]])
    else:
        return None
    circuit.set_root(root)
    module = circuit.to_torch_module(semiring="godel", compile=False)
    given = torch.tensor([s[name][at] for name, at in leaves]).sigmoid()
    return lambda: bool(module(given)[0] > 0.5)


# --- measuring -------------------------------------------------------------------------------------


def measured(runs: Mapping[str, Callable[[], Any]], blocks: int, least: bool = False) -> dict[str, float]:
    """Return microseconds of CPU time a call: medians of blocks of two milliseconds, taking turns; or the `least` of as
    many blocks of a third of one, which other work on the machine disturbs less."""
    block, middle = (3e-4, min) if least else (2e-3, statistics.median)
    calls = {}
    for name, run in runs.items():
        run()
        started, count = time.process_time(), 0
        while time.process_time() - started < block:
            run()
            count += 1
        calls[name] = count
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(blocks):
        for name, run in runs.items():
            started = time.process_time()
            for _ in range(calls[name]):
                run()
            times[name].append((time.process_time() - started) / calls[name])
    return {name: 1e6 * middle(found) for name, found in times.items()}


@torch.no_grad()
def row(name: str, n: int, blocks: int, with_klay: bool, least: bool = False) -> dict[str, Any]:
    """Return the figures of one program on scenes of N objects, all answers compared with the engine's."""
    program, engine = PROGRAMS[name], Engine(oracle="scene")
    made = ((scene, scores(scene)) for scene in (Scene.synthetic(n, seed=k) for k in itertools.count()))
    clear = itertools.islice((pair for pair in made if program.clear(pair[1])), BATCH)
    scenes, known = map(list, zip(*clear))
    expected = [engine.run(program.text, scene).value for scene in scenes]
    in_torch = [{key: torch.from_numpy(of) for key, of in s.items()} for s in known]
    answers = {
        "many": [a.value for a in engine.run_many([(program.text, scene) for scene in scenes])],
        "torch": [program.dense(Dense(torch, s)) for s in in_torch],
        "numpy": [program.dense(Dense(np, s)) for s in known],
        "by hand": [program.hand(s) for s in known],
    }
    batch = [(program.text, scene) for scene in scenes]
    first, dense_torch, dense_numpy = scenes[0], Dense(torch, in_torch[0]), Dense(np, known[0])
    runs: dict[str, Callable[[], Any]] = {
        "run": lambda: engine.run(program.text, first),
        "read": lambda: _read(engine.run(program.text, first)),
        "many": lambda: engine.run_many(batch),
        "torch": lambda: program.dense(dense_torch),
        "numpy": lambda: program.dense(dense_numpy),
        "by hand": lambda: program.hand(known[0]),
    }
    layers = [klay_layer(name, s) for s in known[:8]] if with_klay else []
    if layers and layers[0] is not None:
        answers["klay"] = [layer() for layer in layers if layer is not None]
        runs["klay"] = layers[0]
    wrong = {column: [k for k, value in enumerate(of) if value != expected[k]] for column, of in answers.items()}
    if any(wrong.values()):
        raise SystemExit(f"{name}, N = {n}: other answers than the engine's, at these scenes: {wrong}")
    found = measured(runs, blocks, least)
    found["many"] /= BATCH
    return {"program": name, "n": n, **found}


def _read(answer: Any) -> Any:
    return answer.trace, answer.usage, answer.probability


def line(found: Mapping[str, Any]) -> str:
    cells = "".join(f"{found[c]:10.1f}" if c in found else f"{'–':>10}" for c in COLUMNS)
    return f"{found['program']:22} {found['n']:3}{cells} {found['run'] / found['torch']:8.2f}×"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--programs", nargs="*", default=list(PROGRAMS), choices=list(PROGRAMS), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="5 blocks of each measure instead of 31")
    parser.add_argument("--least", action="store_true", help="the least of 300 short blocks instead of medians")
    parser.add_argument("--output", default=str(Path(__file__).parent / "results" / "small.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with_klay = importlib.util.find_spec("klay") is not None
    if not with_klay:
        print("KLay is not installed (pip install klaycircuits): its column stays empty")
    print(f"{'µs of CPU time':22} {'N':>3}{''.join(f'{c:>10}' for c in COLUMNS)} {'run/torch':>9}")
    rows = []
    for name in options.programs:
        for n in options.sizes:
            blocks = 300 if options.least else 5 if options.quick else 31
            rows.append(row(name, n, blocks, with_klay, options.least))
            print(line(rows[-1]), flush=True)
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
