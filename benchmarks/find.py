"""Search in a folder: what it asks of all that could be asked, and whether it finds what asking everything finds.

``python benchmarks/find.py FOLDER… [--queries 1]``

Each picture is looked at once (detector and scorer), what they said is kept, and
all searches read that. For each query and each way to search: the share of the ground atoms that was asked, whether
the result is that of asking everything, and whether the bounds contained the truth after every step.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neptune import Engine
from neptune.perception.detect.embedded import EmbeddedDetector
from neptune.perception.oracle.embedded import EmbeddedOracle
from neptune.runs.find import Search
from neptune.runs.find.candidate import Candidate
from neptune.runs.find.pictures import pictures_in
from neptune.scene import Scene
from neptune.scene.boxes import Detections
from neptune.scene.picture import Picture
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

QUERIES = {
    "a red ball left of a cube": "point(Object, lambda x: red(x) and sphere(x) and exists(Object, lambda y: cube(y)"
    " and left(x, y)))",
    "a small metal cube": "exists(Object, lambda x: small(x) and metal(x) and cube(x))",
    "two brown things": "count(Object, lambda x: brown(x)) == 2",
    "no sphere": "not exists(Object, lambda x: sphere(x))",
    "everything is metal": "forall(Object, lambda x: metal(x))",
    "a cylinder behind the purple cube": "exists(Object, lambda x: cylinder(x) and behind(x, iota(Object, lambda y:"
    " purple(y) and cube(y))))",
    "how many red things": "count(Object, lambda x: red(x))",
}


class Remembered:
    """The embedded detector and oracle, of which each picture and each question is asked once."""

    name, open_vocabulary = "remembered", False

    def __init__(self) -> None:
        self._detector, self._oracle = EmbeddedDetector(), EmbeddedOracle()
        self._found: dict[Path | None, Detections] = {}
        self._features: dict[Path | None, object] = {}
        self._tables: dict[tuple[Path | None, str], np.ndarray] = {}

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture, once."""
        if picture.path not in self._found:
            self._found[picture.path] = self._detector.detect(picture, labels)
        return self._found[picture.path]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Read the scores off what was said."""
        return [Scores.of(self._table(r.scene, r)[tuple(np.asarray(r.objects).T)]) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Ask the oracle."""
        return self._oracle.query(requests)

    def _table(self, scene: Scene, request: ScoreRequest) -> np.ndarray:
        path = scene.picture.path if scene.picture else None
        key = path, request.question.text
        if key not in self._tables:
            if path not in self._features:
                self._features[path] = self._oracle.features(scene)
            # The oracle reads what it saw of a picture from its own store: put back what was seen.
            self._oracle._seen[(scene.picture.digest, scene.boxes.tobytes())] = self._features[path]
            n, arity = len(scene), request.question.arity
            every = np.array(list(np.ndindex(*(n,) * arity)), dtype=np.int64).reshape(-1, arity)
            (scores,) = self._oracle.score([ScoreRequest(scene, request.question, every)])
            self._tables[key] = scores.logits.reshape((n,) * arity)
        return self._tables[key]


def truth_of(engine: Engine, program: str, pictures: Sequence[Picture]) -> list[float | None]:
    """Return what each picture is ranked by, asked everything; ``None`` where there is no answer."""
    found: list[float | None] = []
    for picture in pictures:
        answer = engine.run(program, engine.scene(picture), presuppositions="abstain")
        picture.release()
        if answer.abstained:
            found.append(None)
        elif answer.kind == "number":
            found.append(float(answer.value))
        else:
            assert answer.probability is not None
            # Of a "no" what is taken for granted makes the answer less sure, and the picture no better.
            sure = answer.probability
            found.append(sure if answer.value else None if "iota" in program else 1.0 - sure)
    return found


def _holds(candidate: Candidate, value: float | None) -> bool:
    """Tell whether the bounds of a picture hold what asking everything gives."""
    return value is None or candidate.low - 1e-6 <= value <= candidate.high + 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--queries", type=int, default=len(QUERIES), help="the first so many")
    given = parser.parse_args()
    remembered = Remembered()
    pictures = [Picture(path) for path in pictures_in(given.folders)]
    rows = []
    for words, program in list(QUERIES.items())[: given.queries]:
        asked_all = program.replace("point(", "exists(")
        with Engine(remembered, remembered) as engine:
            truth = truth_of(engine, asked_all, pictures)
        numbers = "how many" in words
        known = [k for k, value in enumerate(truth) if value is not None]
        best = sorted(known, key=lambda k: (-truth[k], k))[:20]
        top = min(20, len(best)) if "iota" in program else 20
        yes = sum(truth[k] > (0.0 if numbers else 0.5) for k in known)
        for want in ("top", "all", "count"):
            begun = time.process_time()
            with Engine(remembered, remembered) as engine:
                search = Search(engine, program, pictures, want=want, top=top)
                sound = True
                while search.step():
                    low, high = search.found().matching
                    sound &= low <= yes <= high
                    sound &= all(_holds(c, truth[c.index]) for c in search.candidates if not c.why)
            found = search.found()
            hits = [hit.index for hit in found.hits]
            same = {"top": hits == best, "all": len(hits) == yes, "count": found.matching == (yes, yes)}[want]
            row = {
                "query": words,
                "want": want,
                "same": bool(same),
                "sound": bool(sound),
                "share": round(found.calls / found.everything, 4),
                "calls": found.calls,
                "of": found.everything,
                "match": yes,
                "left_out": len(found.left_out),
                "cpu_s": round(time.process_time() - begun, 1),
            }
            print(json.dumps(row), flush=True)
            rows.append(row)
    print(f"{len(pictures)} pictures; all as asking everything: {all(r['same'] and r['sound'] for r in rows)}")


if __name__ == "__main__":
    main()
