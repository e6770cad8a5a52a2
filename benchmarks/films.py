"""Films of 60 s: how many frames are looked at until an answer is settled, and what memory a long film takes.

    python benchmarks/films.py frames [--films 20]     # with a witness at a random time, and without
    python benchmarks/films.py memory                  # peak memory at 10 s and at 600 s, each in a process of its own

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


def frames(films: int) -> dict[str, Any]:
    """Ask films with a witness, in the order of time and coarse to fine, and films without."""
    from neptune import Engine
    from neptune.engine.films.asking import run_film
    from neptune.engine.films.frames import coarse_to_fine
    from neptune.films import Film

    rng, known, engine = np.random.default_rng(0), truths(), Engine()
    orders = {"in the order of time": None, "coarse to fine": coarse_to_fine}
    looked: dict[str, list[int]] = {name: [] for name in orders}
    calls: dict[str, list[float]] = {name: [] for name in orders}
    right = {"with": 0, "without": 0}
    unseen = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(2 * films):
            witness = k < films
            start = int(rng.integers(0, SECONDS - SHOWN + 1))
            shown = [rng.choice(np.array(known[False], dtype=object)) for _ in range(SECONDS)]
            if witness:
                shown[start : start + SHOWN] = [rng.choice(np.array(known[True], dtype=object))] * SHOWN
            path = Path(folder) / f"{k}.mp4"
            write(path, [moved(p, t) for t, p in enumerate(shown)], 1)
            with Film(path, 1, SECONDS) as film:
                whole = (
                    run_film(engine, engine.context, f"some_frame({PROGRAM})", film, None, True) if witness else None
                )
                for name, prior in orders.items() if witness else [("coarse to fine", coarse_to_fine)]:
                    answer = run_film(engine, engine.context, f"some_frame({PROGRAM})", film, prior)
                    right["with" if witness else "without"] += answer.value is witness
                    (looked[name] if witness else unseen).append(len(answer.frames))
                    if whole is not None:
                        calls[name].append(answer.usage.oracle_calls / whole.usage.oracle_calls)
    return {
        "films with a witness": films,
        "right, of both orders": f"{right['with']} of {2 * films}",
        "share of frames looked at": {n: round(float(np.mean(c)) / SECONDS, 3) for n, c in looked.items()},
        "share of the calls of asking every frame": {n: round(float(np.mean(c)), 3) for n, c in calls.items()},
        "films without": films,
        "right": f"{right['without']} of {films}",
        "frames looked at of 60": f"{min(unseen)} to {max(unseen)}",
    }


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
    given = parser.parse_args()
    if given.what == "frames":
        print(json.dumps(frames(given.films), indent=1))
    elif given.what == "peak":
        print(peak(int(given.rest[0])))
    elif given.what == "drawn":
        drawn(Path(given.rest[0]), int(given.rest[1]))
    else:
        found = {s: float(subprocess.check_output([sys.executable, __file__, "peak", str(s)])) for s in (10, 600)}
        print(json.dumps({"MB at": found, "ratio": round(found[600] / found[10], 3)}))


if __name__ == "__main__":
    main()
