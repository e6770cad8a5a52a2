"""``task: induce``: finds the shortest programs that tell positive from negative pictures.

The oracle is asked once about every word and picture, and what it says is kept in ``scores.npz``; the search reads that
alone. So the same command with other words forbidden, or other costs, asks nothing. Killed while it asks, it resumes
at the pictures that were not asked about yet. Writes ``rules.json`` and ``results.json``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from dsl import resources
from dsl.limits import Limits
from neptune.config.paths import NameOrPath, ReadPath, WrittenFolder
from neptune.engine import Engine
from neptune.errors import ConfigError, DatasetError, one_of
from neptune.learn.induce.ranking import WEIGHTS, Ranked, margin, ranked, right
from neptune.learn.induce.rules import FORMS
from neptune.learn.induce.search import Search
from neptune.learn.induce.tables import Scored, Words, padded, scores, without
from neptune.learn.shared import Progress, threads
from neptune.learn.shared import shown as on_terminal
from neptune.resources import vocabulary_of
from neptune.runs.record import write_json
from neptune.runs.record.lock import alone
from neptune.saving import RESUME, replacing
from neptune.scene import Annotation
from neptune.scene.picture import Picture

RULES, SCORES = "rules.json", "scores.npz"
CHUNK = 8
"""Pictures asked about before the scores are saved."""
_ENDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class InduceConfig(BaseModel):
    """The configuration of ``task: induce``."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["induce"] = "induce"
    positive: list[ReadPath] = Field(description="pictures of which the rule is true, or folders of them", min_length=1)
    negative: list[ReadPath] = Field(description="pictures of which it is false, or folders of them", min_length=1)
    forbid: list[str] = Field(
        [], description="words that no rule may use: predicates, values, or sorts with all values"
    )
    top: int = Field(3, ge=1, le=100, description="how many rules are given")
    literals: int = Field(3, ge=1, le=4, description="the most literals of a rule; a relation is one")
    forms: list[str] = Field(list(FORMS), description=f"forms of rules: {', '.join(FORMS)}", min_length=1)
    costs: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        {}, description="bits that a form, a negation or a literal costs, where not the usual ones"
    )
    output_dir: WrittenFolder | None = None
    vlm_model_name: NameOrPath = Field("embedded", description="oracle that scores")
    vlm_options: dict[str, Any] = Field(default_factory=dict, description="options of the oracle")
    od_model: NameOrPath = Field("embedded", description="detector that finds objects; scene: the annotated ones")
    od_options: dict[str, Any] = Field(default_factory=dict, description="options of the detector")
    vocabulary: NameOrPath = Field("clevr", description="the world whose words rules are made of")
    out_of_domain: Literal["abstain", "answer"] = Field(
        "abstain", description="pictures that detector or oracle was not made for: an error, or used all the same"
    )
    seed: int = Field(0, description="of the scenes on which it is estimated how rare a rule is")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; default: PyTorch's own choice")


@alone
def induce(config: InduceConfig, output_dir: str | Path, progress: Progress | None = None) -> dict[str, Any]:
    """Find rules, and write them.

    Parameters
    ----------
    config, output_dir, progress
        As for :func:`neptune.learn.train.train.train`; scores found in the folder are used.

    Returns
    -------
    dict
        The content of ``results.json``: ``rules``, best first, each with its ``program``, ``margin`` (the least
        probability among positive pictures less the largest among negative ones), ``right`` (of positive and negative
        pictures), ``score``, ``fit`` and ``bits``; ``calls`` of the oracle; how many rules were ``tried``.

    Raises
    ------
    ConfigError, DatasetError, PictureError, OracleError
        If the config makes no sense, a picture can not be read, or the oracle can not answer.
    """
    begun = time.monotonic()
    files, costs = check(config)
    every, allowed = (Words.of(vocabulary_of(config.vocabulary), words) for words in ((), config.forbid))
    output = Path(output_dir)
    kept = _Kept(output / SCORES, _identity(config, every))
    with threads(config.threads), on_terminal(progress) as report:
        parts, calls = _ask(config, [path for path, _ in files], every, kept, report)
        report("search", 0.0, "rules")
        positive = np.array([yes for _, yes in files])
        tables = padded([without(part, every, allowed) for part in parts])
        found = Search(tables, positive, allowed, config.literals, frozenset(config.forms)).run()
        best = ranked(found, tables, positive, allowed, config.top, config.seed, costs)
        report("search", 1.0, f"{found.tried:,} rules tried")
    results: dict[str, Any] = {
        "task": "induce",
        "pictures": {"positive": int(positive.sum()), "negative": int((~positive).sum())},
        "forbid": config.forbid,
        "calls": calls,
        "tried": found.tried,
        "pruned": found.pruned,
        "rules": [_described(r, allowed, positive, [path.name for path, _ in files]) for r in best],
        "seed": config.seed,
        "seconds": round(time.monotonic() - begun, 1),
    }
    write_json(output / RULES, results["rules"])
    write_json(output / "results.json", results)
    return results


def check(config: InduceConfig) -> tuple[list[tuple[Path, bool]], dict[str, float]]:
    """Return the pictures, each with whether it is positive, and what the grammar costs.

    Raises
    ------
    ConfigError, DatasetError
        If a picture, a word, a form or a cost is not there, or a picture is positive and negative.
    """
    for form in config.forms:
        if form not in FORMS:
            raise ConfigError(f"There is no form '{form}'", where="forms", **one_of(form, list(FORMS)))
    for name in config.costs:
        if name not in WEIGHTS:
            raise ConfigError(f"There is no cost '{name}'", where="costs", **one_of(name, list(WEIGHTS)))
    Words.of(vocabulary_of(config.vocabulary), config.forbid)
    files = [(path, True) for path in _pictures(config.positive, "positive")]
    files += [(path, False) for path in _pictures(config.negative, "negative")]
    twice = {p for p, yes in files if yes} & {p for p, yes in files if not yes}
    if twice:
        raise ConfigError(f"{min(twice)} is positive and negative", where="positive, negative")
    return files, {**WEIGHTS, **config.costs}


def _described(r: Ranked, words: Words, positive: NDArray[np.bool_], names: Sequence[str]) -> dict[str, Any]:
    of_positive, of_negative = right(r.values, positive)
    chances = 1.0 / (1.0 + np.exp(-r.values.astype(np.float64)))
    return {
        "program": r.rule.program(words),
        "form": r.rule.form,
        "literals": r.rule.literals,
        "margin": round(margin(r.values, positive), 4),
        "right": {"positive": of_positive, "negative": of_negative},
        "score": round(r.score, 2),
        "fit": round(r.fit, 2),
        "bits": round(r.bits, 2),
        "pictures": {name: round(float(p), 4) for name, p in zip(names, chances, strict=True)},
    }


def _pictures(paths: Sequence[str], field: str) -> list[Path]:
    """Return the pictures that are named, those of folders in alphabetical order."""
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in _ENDS)
            if not inside:
                raise DatasetError(
                    "There is no picture in the folder", where=f"{field}: {path}", expected=", ".join(_ENDS)
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise DatasetError("There is no such picture or folder", where=f"{field}: {path}")
    return list(dict.fromkeys(p.resolve() for p in found))


# --- scores --------------------------------------------------------------------------------------


def _identity(config: InduceConfig, words: Words) -> str:
    """Return what the scores depend on, beside the picture: who looks, in which words."""
    content = ""
    path = Path(config.vocabulary)
    if path.is_file():
        content = path.read_text(encoding="utf-8")
    else:
        content = resources.find("prompts", f"vocabulary/{config.vocabulary}.json").read_text(encoding="utf-8")
    said = [config.vlm_model_name, config.vlm_options, config.od_model, config.od_options, content]
    return json.dumps([*said, words.unary, words.binary], sort_keys=True, default=str)


class _Kept:
    """The scores of pictures in a file, by what the pictures hold."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self._identity = path, identity
        self.known: dict[str, Scored] = {}
        if path.is_file():
            self._read()

    def _read(self) -> None:
        try:
            with np.load(self.path, allow_pickle=False) as data:
                if str(data["identity"]) != self._identity:
                    return  # another oracle, or other words: asked anew
                for name in data.files:
                    if name.endswith(".unary"):
                        digest = name.removesuffix(".unary")
                        self.known[digest] = (data[name], data[f"{digest}.binary"], data[f"{digest}.there"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DatasetError(
                f"The kept scores can not be read: {error}", where=str(self.path), hint="Remove the file to ask anew"
            ) from error
        except Exception as error:  # a damaged zip raises its own
            raise DatasetError(
                f"The kept scores are damaged: {error}", where=str(self.path), hint="Remove the file to ask anew"
            ) from error

    def save(self) -> None:
        """Write what is known, whole or not at all."""
        arrays: dict[str, Any] = {"identity": np.array(self._identity)}
        for digest, (unary, binary, there) in self.known.items():
            arrays |= {f"{digest}.unary": unary, f"{digest}.binary": binary, f"{digest}.there": there}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path, "The scores", RESUME) as file:
            np.savez_compressed(file, **arrays)


def _ask(
    config: InduceConfig, files: Sequence[Path], words: Words, kept: _Kept, report: Progress
) -> tuple[list[Scored], int]:
    """Return the scores of all pictures, in order, and how many calls of the oracle they cost."""
    pictures = [Picture.of(path) for path in files]
    digests = [hashlib.sha256(p.digest.encode()).hexdigest()[:32] for p in pictures]
    missing = [k for k, d in enumerate(digests) if d not in kept.known]
    calls = 0
    if missing:
        annotations = _Annotations() if "scene" in (config.od_model, config.vlm_model_name) else None
        with _engine(config) as engine:
            for count, k in enumerate(missing, start=1):
                scene = engine.scene(pictures[k], annotations.of(files[k]) if annotations is not None else None)
                doubt = engine.evidence(scene).doubt(engine.oracle)
                if doubt is not None and config.out_of_domain == "abstain":
                    raise DatasetError(
                        f"The picture is {doubt}",
                        where=str(files[k]),
                        hint="leave it out, or say out_of_domain: answer",
                    )
                kept.known[digests[k]] = scores(engine, scene, words)
                n = len(scene)
                calls += n * len(words.unary) + n * (n - 1) * len(words.binary)
                if count % CHUNK == 0 or count == len(missing):
                    kept.save()
                report("scores", count / len(missing), f"{count} pictures asked about")
    return [kept.known[d] for d in digests], calls


def _engine(config: InduceConfig) -> Engine:
    return Engine(
        config.vlm_model_name,
        config.od_model,
        vocabulary=config.vocabulary,
        oracle_options=dict(config.vlm_options),
        detector_options=dict(config.od_options),
        out_of_domain=config.out_of_domain,
        limits=Limits(oracle_calls=10**9, work_units=10**9),
    )


class _Annotations:
    """The annotations of pictures in a folder ``images`` beside which there is a ``scenes.json``, in CLEVR's format."""

    def __init__(self) -> None:
        self._known: dict[Path, dict[str, Any]] = {}

    def of(self, picture: Path) -> Annotation:
        """Return the annotation of a picture.

        Raises
        ------
        DatasetError
            If there is none.
        """
        path = picture.parent.parent / "scenes.json"
        if path not in self._known:
            try:
                records = json.loads(path.read_text(encoding="utf-8"))["scenes"]
                self._known[path] = {r["image_filename"]: r for r in records}
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DatasetError(
                    f"The picture's annotation can not be read: {error}",
                    where=str(path),
                    hint="od_model and vlm_model_name 'embedded' need none",
                ) from error
        if picture.name not in self._known[path]:
            raise DatasetError(f"{picture.name} is not annotated", where=str(path))
        return Annotation.from_clevr(self._known[path][picture.name])
