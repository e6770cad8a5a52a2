"""Films of 60 s: how many frames are looked at until an answer is settled, and what memory a long film takes.

    python benchmarks/films.py frames [--films 20] [--kept films.jsonl]    # a witness at a random time, or none
    python benchmarks/films.py memory                  # peak memory at 10 s and at 600 s, each in a process of its own

What is known of a film is kept in a file: the same command again goes on after the last one.

Films are H.264, made of pictures of `examples/clevr` that move a little; what is true is known from CLEVR's scenes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "examples" / "clevr"
PROGRAM = "exists(Object, lambda x: red(x) and sphere(x) and exists(Object, lambda y: cube(y) and left(x, y)))"
SECONDS, SHOWN = 60, 6
"""Of a film, and of the witness in it."""

EVERY, IN_ORDER, COARSE = "every frame", "in the order of time", "coarse to fine"
"""Ways of asking: all frames at once; one after the other until it is settled, in two orders."""


def write(path: Path, frames: list[Image.Image], fps: int) -> None:
    """Write a film."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "20", "preset": "ultrafast", "g": "10"}
        stream.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        for k, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def truths() -> dict[bool, list[Path]]:
    """Return the pictures of which the program is true, and of which not, by CLEVR's own scenes."""
    from neptune import Engine, tasks

    engine = Engine(oracle="scene", detector="scene")
    found: dict[bool, dict[Path, None]] = {True: {}, False: {}}
    for sample in tasks.load("clevr", PICTURES).samples:
        if sample.picture is not None and sample.picture.path is not None and sample.annotation is not None:
            true = bool(engine.run(PROGRAM, engine.scene(sample.picture, sample.annotation)).value)
            found[true][sample.picture.path] = None
    return {true: list(paths) for true, paths in found.items()}


def moved(path: Path, t: int) -> Image.Image:
    """Return a picture, moved a few pixels."""
    image = Image.open(path).convert("RGB")
    return image.transform(image.size, Image.Transform.AFFINE, (1, 0, (t % 5) - 2, 0, 1, 0), fillcolor=(120, 120, 120))


def film_of(k: int, witness: bool, known: dict[bool, list[Path]]) -> list[Image.Image]:
    """Return the pictures of a film, one a second: the program is true of six in a row at a random time, or of none."""
    rng = np.random.default_rng((k, witness))
    start = int(rng.integers(0, SECONDS - SHOWN + 1))
    shown = [known[False][i] for i in rng.integers(0, len(known[False]), SECONDS)]
    if witness:
        shown[start : start + SHOWN] = [known[True][int(rng.integers(0, len(known[True])))]] * SHOWN
    return [moved(path, t) for t, path in enumerate(shown)]


def asked(path: Path, witness: bool) -> dict[str, Any]:
    """Ask one film in each way, by an engine that knows nothing yet: answers, frames looked at, calls of the oracle."""
    from neptune import Engine
    from neptune.engine.films.asking import run_film
    from neptune.engine.films.frames import coarse_to_fine
    from neptune.films import Film

    ways = {COARSE: (coarse_to_fine, False)}
    if witness:  # without one all frames are asked in any order
        ways |= {EVERY: (None, True), IN_ORDER: (None, False)}
    found: dict[str, Any] = {}
    for name, (prior, every) in ways.items():
        with Film(path, 1, SECONDS) as film, Engine() as engine:
            answer = run_film(engine, engine.context, f"some_frame({PROGRAM})", film, prior, every)
        found[name] = {
            "right": answer.value is witness,
            "frames": len(answer.frames),
            "calls": answer.usage.oracle_calls,
        }
    return found


def frames(films: int, kept: Path) -> dict[str, Any]:
    """Ask films with a witness and films without; what is known of a film is kept, a line each, and not asked again."""
    known = truths()
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(line["film"], line["witness"]) for line in lines}
    with tempfile.TemporaryDirectory() as folder:
        for k, witness in ((k, w) for k in range(films) for w in (True, False)):
            if (k, witness) in done:
                continue
            path = Path(folder) / "film.mp4"
            write(path, film_of(k, witness, known), 1)
            lines.append({"film": k, "witness": witness, **asked(path, witness)})
            with kept.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(json.dumps(lines[-1]), file=sys.stderr, flush=True)
    lines = [line for line in lines if line["film"] < films]
    return {
        f"{films} films with a witness": table([line for line in lines if line["witness"]]),
        f"{films} films without": table([line for line in lines if not line["witness"]]),
    }


def table(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return, for each way of asking: how many answers are right, and the mean share of frames and of calls."""
    made: dict[str, Any] = {}
    for name in (EVERY, IN_ORDER, COARSE):
        if not all(name in line for line in lines):
            continue
        seen = [line[name]["frames"] for line in lines]
        made[name] = {"right": sum(line[name]["right"] for line in lines), "frames": [min(seen), max(seen)]}
        made[name]["share of frames"] = round(float(np.mean(seen)) / SECONDS, 3)
        if all(EVERY in line for line in lines):
            shares = [line[name]["calls"] / line[EVERY]["calls"] for line in lines]
            made[name]["share of calls"] = round(float(np.mean(shares)), 3)
    return made


def peak(seconds: int) -> float:
    """Return the most memory that a film of so many seconds takes when every frame is asked, in MB."""
    from neptune import Engine
    from neptune.engine.films.asking import run_film
    from neptune.films import Film

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mp4"
        made = subprocess.run([sys.executable, __file__, "drawn", str(path), str(seconds)], check=True)
        assert made.returncode == 0
        engine = Engine(out_of_domain="answer")
        with Film(path, 1, None) as film:
            answer = run_film(engine, engine.context, "some_frame(exists(Object, lambda x: red(x) and blue(x)))", film)
        assert len(answer.frames) == seconds, answer
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def drawn(path: Path, seconds: int) -> None:
    """Write a film of so many seconds, five frames a second, 640 pixels wide: a disc that moves."""
    pictures = []
    for k in range(50):
        image = Image.new("RGB", (640, 360), (130, 130, 130))
        ImageDraw.Draw(image).ellipse((10 + 10 * k, 100, 90 + 10 * k, 180), fill=(200, 30, 30))
        pictures.append(image)
    write(path, [pictures[k % 50] for k in range(5 * seconds)], 5)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["frames", "memory", "peak", "drawn"])
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--kept", type=Path, default=Path("films.jsonl"))
    given = parser.parse_args()
    if given.what == "frames":
        print(json.dumps(frames(given.films, given.kept), indent=1))
    elif given.what == "peak":
        print(peak(int(given.rest[0])))
    elif given.what == "drawn":
        drawn(Path(given.rest[0]), int(given.rest[1]))
    else:
        found = {s: float(subprocess.check_output([sys.executable, __file__, "peak", str(s)])) for s in (10, 600)}
        print(json.dumps({"MB at": found, "ratio": round(found[600] / found[10], 3)}))


if __name__ == "__main__":
    main()
