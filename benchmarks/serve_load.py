"""Load on the server: many clients at once on the loopback, each asking one question after the other.

    python benchmarks/serve_load.py [--clients 200] [--seconds 60]

The server runs as a program of its own (`neptune-reasoner serve`), as users start it. Printed as JSON: requests,
errors, p50 and p99 in seconds, the slowest client's median over the fastest's, and the server's memory at its peak.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

IMAGES = Path(__file__).resolve().parents[1] / "examples" / "clevr" / "images"
PROGRAMS = (
    "count(Object, lambda x: red(x) and cube(x))",
    "exists(Object, lambda x: red(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
    "describe(Color, iota(Object, lambda x: large(x) and cube(x)))",
)


TLS = ssl.create_default_context()


def client_of(address: str) -> httpx.AsyncClient:
    """Return a client with a connection of its own, as each browser has: a pool that many share hands its connections
    out as it likes, and what is measured would be its unfairness."""
    return httpx.AsyncClient(base_url=address, timeout=120, verify=TLS, limits=httpx.Limits(max_connections=1))


async def load(address: str, clients: int, seconds: float) -> dict[str, object]:
    """Ask for some seconds, and return the figures."""
    pictures = sorted(path.name for path in IMAGES.glob("*.png"))[:16]
    times: list[list[float]] = [[] for _ in range(clients)]
    errors: dict[str, int] = {}
    async with client_of(address) as client:
        for picture in pictures:  # each is looked at once beforehand: what is measured is the line, not the detector
            await client.post("/v1/ask", json={"picture": picture, "program": PROGRAMS[0]})

    async def one(k: int, until: float) -> None:
        asked = k
        async with client_of(address) as client:
            while time.monotonic() < until:
                body = {"picture": pictures[asked % len(pictures)], "program": PROGRAMS[asked % len(PROGRAMS)]}
                begun = time.monotonic()
                try:
                    found = await client.post("/v1/ask", json=body)
                    said = "" if found.status_code == 200 else str(found.status_code)
                except httpx.HTTPError as error:
                    said = type(error).__name__
                times[k].append(time.monotonic() - begun)
                if said:
                    errors[said] = errors.get(said, 0) + 1
                asked += 1

    until = time.monotonic() + seconds
    await asyncio.gather(*(one(k, until) for k in range(clients)))
    every = sorted(t for some in times for t in some)
    medians = [statistics.median(some) for some in times]
    return {
        "clients": clients,
        "requests": len(every),
        "errors": errors,
        "p50_s": round(every[len(every) // 2], 3),
        "p99_s": round(every[int(len(every) * 0.99)], 3),
        "slowest_over_fastest_median": round(max(medians) / min(medians), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    words = ["-m", "neptune", "serve", "--port", "0", "--roots", str(IMAGES), "--oracle_cache", "null"]
    server = subprocess.Popen([sys.executable, *words, "--detection_cache", "null"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[1]
        found = asyncio.run(load(address, given.clients, given.seconds))
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        print(json.dumps({**found, "server_peak_mb": int(peak.split()[1]) // 1024}))
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
