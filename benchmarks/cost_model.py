"""What would a large run take? A simulation, fed by the rates of a small one.

    python benchmarks/cost_model.py --run experiments/pilot                   # 10⁴, 10⁶ and 10⁸ questions
    python benchmarks/cost_model.py --run experiments/pilot --questions 1e7 --engines 256 --oracles 16 \\
        --cells_per_second 900 --gpu_hour 2.5 --cpu_hour 0.04

The pilot's ``results.json`` says how long an engine computes for a sample, how many ground atoms the oracle is asked,
and how long each takes. Engines take shard after shard; each computes, and waits for an oracle of the pool, which
serves the requests in turn. Samples differ: their work is drawn from a log-normal distribution with the pilot's mean.
Nothing is measured here: no network, no start of machines, no failures, and a rate that holds for a batch of any size.
"""

from __future__ import annotations

import argparse
import heapq
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

SPREAD = 0.6
"""Standard deviation of the logarithm of a shard's work."""

MOST_SHARDS = 20_000
"""So many are simulated; a larger run is that many times longer."""


@dataclass(frozen=True)
class Rates:
    """What one sample takes.

    Parameters
    ----------
    engine_s
        Seconds that an engine computes.
    cells
        Ground atoms that the oracle is asked.
    cell_s
        Seconds of an oracle for each, alone on its device.
    deal_s
        Seconds to deal out one shard and to take its records back.
    money
        What providers ask for a sample, in the unit of the prices.
    """

    engine_s: float
    cells: float
    cell_s: float
    deal_s: float = 0.02
    money: float = 0.0

    @classmethod
    def of(cls, results: dict[str, Any]) -> Rates:
        """Return the rates of a finished run, from its ``results.json``."""
        n, usage = results["answered"] + results["abstained"] + results["errors"], results["usage"]
        asking, calls = usage.get("oracle_ms", 0.0) / 1000, usage.get("oracle_calls", 0)
        money = usage.get("oracle_cost", 0.0) + usage.get("code_gen_cost", 0.0)
        engine = max(results["seconds"] - asking, 0.0)
        return cls(engine / n, calls / n, asking / calls if calls else 0.0, money=money / n)


@dataclass(frozen=True)
class Taken:
    """What a run would take: hours by the clock, how busy engines and oracles are in [0, 1], money of providers."""

    hours: float
    engines_busy: float
    oracles_busy: float
    money: float


def simulate(
    rates: Rates, questions: int, engines: int, oracles: int, shard: int = 256, rounds: int = 4, seed: int = 0
) -> Taken:
    """Return what a run would take on engines that share a pool of oracles.

    Parameters
    ----------
    rates
        Of one sample.
    questions, engines, oracles
        How many; each at least 1.
    shard
        Samples that are dealt out together.
    rounds
        How often an engine asks the pool in a shard, and waits.
    """
    shards = -(-questions // shard)
    simulated = min(shards, MOST_SHARDS)
    rng = np.random.default_rng(seed)
    size = questions / shards
    work = rng.lognormal(-(SPREAD**2) / 2, SPREAD, simulated) * size
    free = [(0.0, k) for k in range(min(engines, simulated))]  # when an engine takes its next step
    heapq.heapify(free)
    pool = [0.0] * oracles
    left = [0] * engines
    load = [0.0] * engines
    taken = 0
    end = computing = asking = 0.0
    while free:
        now, engine = heapq.heappop(free)
        if left[engine] == 0:
            if taken == simulated:
                end = max(end, now)
                continue
            load[engine], left[engine], taken = work[taken], rounds, taken + 1
            now += rates.deal_s
        compute, ask = load[engine] * rates.engine_s / rounds, load[engine] * rates.cells * rates.cell_s / rounds
        now += compute
        computing += compute
        if ask:
            begin = max(now, heapq.heappop(pool))
            now = begin + ask
            asking += ask
            heapq.heappush(pool, now)
        left[engine] -= 1
        heapq.heappush(free, (now, engine))
    scale = shards / simulated
    return Taken(
        end * scale / 3600,
        computing / max(end * engines, 1e-12),
        asking / max(end * oracles, 1e-12),
        rates.money * questions,
    )


LAYOUTS = ((10**4, 1, 1), (10**6, 32, 4), (10**8, 1024, 128))
"""Questions, engines, oracles."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the run folder of a pilot")
    parser.add_argument("--questions", type=float)
    parser.add_argument("--engines", type=int, default=32)
    parser.add_argument("--oracles", type=int, default=4)
    parser.add_argument("--shard", type=int, default=256)
    parser.add_argument("--cells_per_second", type=float, help="of one oracle, measured (benchmarks/oracle.py)")
    parser.add_argument("--engine_ms", type=float, help="of an engine for a sample, in CPU time (benchmarks/scale.py)")
    parser.add_argument("--cpu_hour", type=float, default=0.0, help="money for an engine's hour")
    parser.add_argument("--gpu_hour", type=float, default=0.0, help="money for an oracle's hour")
    given = parser.parse_args()
    rates = Rates.of(json.loads((given.run / "results.json").read_text(encoding="utf-8")))
    if given.cells_per_second:
        rates = replace(rates, cell_s=1 / given.cells_per_second)
    if given.engine_ms:
        rates = replace(rates, engine_s=given.engine_ms / 1000)
    print("a simulation, fed by", rates)
    layouts = [(int(given.questions), given.engines, given.oracles)] if given.questions else LAYOUTS
    for questions, engines, oracles in layouts:
        found = simulate(rates, questions, engines, oracles, given.shard)
        money = found.money + found.hours * (engines * given.cpu_hour + oracles * given.gpu_hour)
        row = {"questions": questions, "engines": engines, "oracles": oracles, "hours": round(found.hours, 3)}
        row |= {"engines busy": round(found.engines_busy, 2), "oracles busy": round(found.oracles_busy, 2)}
        print(json.dumps(row | {"money": round(money, 2)}))


if __name__ == "__main__":
    main()
