"""Replays a bundle: every recorded program runs again on the recorded scenes with the recorded answers.

What comes out is compared with the record, field by field as JSON, and must be the same to the last byte: values,
probabilities, bounds, scores, traces, numbers of calls. What a dataset knows (what is expected, whether that is right)
and what depends on the machine (times) is taken over.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.limits import Limits
from dsl.vocabulary import is_file_name
from neptune.config import Config, make_config
from neptune.config.files import read_fields
from neptune.engine.assemble import engine_arguments
from neptune.engine.edited import Quiet
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.session.answers import run_program
from neptune.errors import ConfigError, NeptuneError, one_of
from neptune.foreign import printable
from neptune.perception.oracle.caching.replay import RECORD, ReplayOracle
from neptune.runs import record as records
from neptune.runs.guarded.edits import Edit, edits_of
from neptune.runs.record import META, Record, RunFolder
from neptune.runs.record.bundle import ENDINGS, FILES, NAMED_FILES, PICTURES, unpack
from neptune.runs.record.outcome import judged
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.record.schema import Results, check, check_samples
from neptune.scene.decoding import looks_like_picture
from neptune.tasks import presuppositions_of
from neptune.tasks.base import inputs_of, plain
from neptune.writer.vote import Candidate, answer_together

if TYPE_CHECKING:
    from neptune.answer import Answer
    from neptune.engine import Engine
    from neptune.scene import Scene

TIMES = frozenset({"plan_ms", "execute_ms", "oracle_ms", "inspect_ms"})
ELSEWHERE = frozenset(
    {"code_gen_calls", "prompt_tokens", "completion_tokens", "code_gen_cost"}
    | {"oracle_stored", "oracle_failed", "oracle_prompt_tokens", "oracle_completion_tokens", "oracle_cost"}
)
"""Usage of models and of the disk, which a replay does not touch."""

EXIT_EQUAL, EXIT_DIFFERENT = 0, 2


def replay_bundle(
    path: str, output_dir: str | None = None, limits: Mapping[str, Any] | None = None, changed: Sequence[str] = ()
) -> int:
    """Replay a bundle into a run folder of its own; print what is equal and, last, the report's path.

    Parameters
    ----------
    path
        The zip file.
    output_dir
        The run folder; by default ``experiments/<name of the file>-replay``. An earlier replay there is moved aside.
    limits
        Limits of programs, by name, where other ones than this program's own are meant. A bundle raises none.
    changed
        What is changed before a sample runs again (:func:`neptune.engine.edited.changes_of`): nothing new is asked, and
        what follows is said of each sample whose answer becomes another.

    Returns
    -------
    int
        0 if every sample is the same to the last byte, or something is changed, else 2.

    Raises
    ------
    ConfigError
        If the bundle is damaged, or a change is none.
    NeptuneError
        If something that its record needs is missing.
    """
    from neptune.runs.evaluate.summary import summarise
    from neptune.runs.evaluate.tables import print_results
    from neptune.runs.report import write_report

    target = Path(output_dir) if output_dir else Path("experiments") / f"{Path(path).stem}-replay"
    with tempfile.TemporaryDirectory(prefix="neptune-") as unpacked:
        folder = Path(unpacked)
        manifest = unpack(path, folder)
        config = _config(folder, dict(limits or {}))
        found, _ = records.read_samples(folder / records.SAMPLES)
        totals = _checked(path, folder, found)
        differences: list[str] = []
        if changed:
            again = with_changes(folder, config, found, manifest.semantics, manifest.backend, changed)
        else:
            again, differences = replay(folder, config, found, manifest.semantics, manifest.backend)
        facts = {"bundle": str(path), "replayed": len(again), "different": len(differences)}
        written = config.model_copy(update={"output_dir": str(target)})
        with RunFolder(target, written, {}, facts, fresh=True) as run:
            for record in again:
                run.append(record)
            _copy_pictures(folder / PICTURES, target / PICTURES)
            shown = [_with_picture(record, manifest.pictures, target) for record in again]
            for record in again:
                totals.setdefault(record["dataset"], 0)
            results = summarise(again, totals)
            records.write_json(target / records.RESULTS, results)
            report = write_report(target, shown, results, RecordedPictures([target]))
    print_results(results)
    copied = sum(r.get("scene") is None for r in again)
    tail = f" ({copied} that never got as far as a scene are copied)" if copied else ""
    if changed:
        _print_changes(again)
    elif not differences:
        print(f"{len(again)} samples replayed, all equal bit for bit{tail}")
    for line in differences[:10]:
        print(printable(f"different: {line}"), file=sys.stderr)
    if differences:
        print(f"{len(differences)} of {len(again)} samples differ from the record{tail}", file=sys.stderr)
    print(report, flush=True)
    return EXIT_DIFFERENT if differences else EXIT_EQUAL


def replay(
    folder: Path, config: Config, found: Sequence[Record], semantics: int = 2, backend: str = "auto"
) -> tuple[list[Record], list[str]]:
    """Run the records of a run again.

    Parameters
    ----------
    folder
        Holds ``evidence.jsonl``.
    config
        How it was answered.
    found
        The records, in order.
    semantics
        What programs meant when they ran: see :class:`neptune.Engine`.
    backend
        How they were computed then.

    Returns
    -------
    tuple
        The records as they are now, and a line for each that is not as it was.

    Raises
    ------
    NeptuneError
        If something is missing.
    """
    from neptune.runs.runner.flight import Budget

    player = _Player(folder / RECORD, config, semantics, backend)
    budget = Budget(config)
    again, differences = [], []
    for old in found:
        new = player.again(old, budget.left)
        budget.spend((old.get("usage") or {}).get("oracle_calls", 0))
        again.append(new)
        before, after = _comparable(old), _comparable(new)
        if "guarantee" not in before:  # packed before records said so
            after.pop("guarantee", None)
        if before != after:
            field = next(k for k in {**before, **after} if before.get(k) != after.get(k))
            differences.append(f"{old['id']}, {field}: {before.get(field)} is now {after.get(field)}")
    return again, differences


def with_changes(
    folder: Path, config: Config, found: Sequence[Record], semantics: int, backend: str, changed: Sequence[str]
) -> list[Record]:
    """Return the records as they would be with something changed; the others as they are. Nothing new is asked.

    Raises
    ------
    ConfigError
        If a change is none, or is for no sample of the run.
    """
    edits = edits_of(changed)
    player = _Player(folder / RECORD, config, semantics, backend)
    again = [old if (edit := edits(str(old["id"]))) is None else player.edited(old, edit) for old in found]
    if not any("changed" in record for record in again):
        raise ConfigError("No sample of the run is changed", where="set", hint="Write its id as in samples.jsonl")
    return again


def _print_changes(again: Sequence[Record]) -> None:
    """Print what became of each sample that was changed."""
    edited = [record for record in again if "changed" in record]
    other = [r for r in edited if r.get("error") or r["answer"] != r["before"]]
    print(f"{len(edited)} samples run again with something changed, nothing asked; {len(other)} answers are others")
    for record in other[:20]:
        now = record.get("error") or record["answer"]
        print(printable(f"changed: {record['id']}: {record['before']} is now {now}"))


class _Player:
    """One engine a session, one scene for all samples that shared what was said."""

    def __init__(self, path: Path, config: Config, semantics: int, backend: str) -> None:
        self._path, self._config, self._semantics, self._backend = path, config, semantics, backend
        self._session = -1
        self._engine: Engine | None = None
        self._oracle: ReplayOracle | None = None
        self._scenes: dict[tuple[str, str], Scene] = {}

    def again(self, old: Record, budget: int | None) -> Record:
        """Return a record as it is now."""
        from dsl.errors import ProgramError
        from neptune.runs.record.describe import describe_answer, describe_scene

        if old.get("scene") is None or old.get("program") is None:
            return old  # nothing was run
        if old.get("evidence") is None:
            raise NeptuneError("The record does not say by which answers it was made", where=f"sample {old['id']}")
        engine, scene = self._at(old["evidence"], old["scene"])
        candidates = [Candidate(c["program"], c["weight"]) for c in old.get("programs", ())]
        answer: Answer | None = None
        policy = presuppositions_of(old["dataset"], engine.context.presuppositions)
        inputs = inputs_of(old.get("question"), old.get("choices", ()))
        outcome: dict[str, Any] = {"error": None, "error_kind": None}
        try:
            answer, program = answer_together(
                candidates or [Candidate(old["program"])], lambda text: engine.run(text, scene, budget, policy, inputs)
            )
            outcome |= {"program": program, **_shown(answer, old)}
        except (NeptuneError, ProgramError) as error:
            outcome = {"error": error.one_line(), "error_kind": type(error).__name__}
            if old.get("error") and "never recorded" in str(error):
                outcome = {}  # what the oracle failed at is not in the record, but how is
        said = describe_answer(answer)
        said["usage"] = {k: v for k, v in (old.get("usage") or {}).items() if k in ELSEWHERE} | {
            k: v for k, v in said["usage"].items() if k not in ELSEWHERE
        }
        return old | outcome | said | describe_scene(scene)

    def edited(self, old: Record, edit: Edit) -> Record:
        """Return a record as it would be with something changed; what does not apply is its error."""
        from dsl.errors import ProgramError
        from neptune.runs.record.describe import describe_answer, describe_scene

        if old.get("scene") is None or old.get("program") is None or old.get("evidence") is None:
            return old  # nothing was run
        engine, scene = self._at(old["evidence"], old["scene"])
        candidates = [Candidate(c["program"], c["weight"]) for c in old.get("programs", ())]
        policy = presuppositions_of(old["dataset"], engine.context.presuppositions)
        inputs = inputs_of(old.get("question"), old.get("choices", ()))
        context, before = engine.context.under(policy).given(inputs), old.get("answer")
        given = candidates or [Candidate(old["program"])]
        try:
            answer_together(
                given, lambda text: engine.run(text, scene, None, policy, inputs)
            )  # all that was said of it is known
            quiet = Quiet(context.oracle)
            programs, moved, evidence = edit.applied(context, given, scene, quiet)
            own = dataclasses.replace(context, oracle=quiet, kept=EvidenceKept.only(evidence), budget=None)
            answer, program = answer_together(programs, lambda text: run_program(own, text, moved))
        except (NeptuneError, ProgramError) as error:
            failed = {"error": error.one_line(), "error_kind": type(error).__name__, "answer": None}
            return old | edit.described(before) | failed
        shown = None if answer.abstained else records.jsonable(plain(answer))
        outcome = {"program": program, "answer": shown, "error": None, "error_kind": None}
        right = shown == old["expected"] if isinstance(old.get("expected"), str) else None
        outcome |= judged(old.get("correct") if shown == before else right, answer)
        return old | edit.described(before) | outcome | describe_answer(answer) | describe_scene(moved)

    def _at(self, evidence: str, digest: str) -> tuple[Engine, Scene]:
        from neptune.engine import Engine

        session = int(evidence.partition(".")[0])
        if self._engine is None or session != self._session:
            self._session, self._scenes = session, {}
            self._oracle = ReplayOracle(self._path, session)
            arguments = engine_arguments(self._config) | {"oracle": self._oracle, "detector": None}
            arguments |= {"oracle_options": {}, "detector_options": {}, "cache": None, "record": None}
            arguments |= {"devices": (), "workers": 1, "semantics": self._semantics, "backend": self._backend}
            self._engine = Engine(**arguments)
        assert self._oracle is not None
        key = (evidence, digest)
        if key not in self._scenes:
            self._scenes[key] = self._oracle.scene(digest)
        return self._engine, self._scenes[key]


def _shown(answer: Answer, old: Record) -> dict[str, Any]:
    """The answer as recorded where its value is the same: how a dataset shows a value is the dataset's matter."""
    value = records.jsonable(plain(answer))
    same = value == old.get("value", old.get("answer"))
    return {"value": value} if same and "value" in old else {} if same else {"answer": value, "value": value}


def _comparable(record: Record) -> dict[str, str]:
    """Return the fields that must be the same, each as JSON."""
    fields = {k: v for k, v in record.items() if k != "seconds"}
    fields["usage"] = {k: v for k, v in (record.get("usage") or {}).items() if k not in TIMES}
    return {k: json.dumps(records.jsonable(v), ensure_ascii=False, sort_keys=True) for k, v in fields.items()}


def _checked(path: str, folder: Path, found: list[Record]) -> dict[str, int]:
    """Check the records and results of a bundle; return how many samples each dataset had."""
    try:
        check_samples(folder / records.SAMPLES, found)
        kept = folder / records.RESULTS
        results = check(Results, kept.read_bytes()) if kept.is_file() else Results()
    except ValueError as error:
        raise ConfigError(
            f"The bundle can not be read: {error}",
            where=path,
            expected="a file written by run.py --config X.json --bundle FILE.zip",
            hint="Fetch or pack it again",
        ) from error
    return {dataset: counts.n for dataset, counts in results.by_dataset.items()}


def _copy_pictures(packed: Path, target: Path) -> None:
    """Keep the pictures of a bundle in the run folder; what is none is left out."""
    if packed.is_dir():
        for file in sorted(packed.iterdir()):
            if looks_like_picture(file):
                target.mkdir(exist_ok=True)
                shutil.copyfile(file, target / file.name)


def _with_picture(record: Record, pictures: Mapping[str, str | None], folder: Path) -> Record:
    """Point a record to the unpacked picture, for the report: never to a file that was there before."""
    packed = pictures.get(record.get("picture") or "")
    return {**record, "picture": str(folder / packed) if packed else None}


def _config(folder: Path, limits: dict[str, Any]) -> Config:
    """Return the config of the packed run, with the files that it names where they are now."""
    data = read_fields(folder / records.CONFIG)
    for field in NAMED_FILES:
        packed = [file for ending in ENDINGS if (file := folder / FILES / f"{field}{ending}").is_file()]
        if packed:
            data[field] = str(packed[0])
        elif isinstance(data.get(field), str) and (field != "vocabulary" or is_file_name(data[field])):
            raise ConfigError(
                f"The bundle's config names a file for '{field}', and the bundle does not hold it",
                where=str(data[field])[:200],
                hint="A file of this machine is not used for it: pack the run again",
            )
    data["limits"] = _limits(data.get("limits"), limits)
    known = {name: value for name, value in data.items() if name in Config.model_fields}
    if len(known) < len(data):
        unknown = ", ".join(sorted(set(data) - set(known) - {META}))
        raise ConfigError(
            f"The bundle's config has fields that this version does not know: {unknown}",
            where=str(folder / records.CONFIG),
            hint="Replay it with the version that packed it",
        )
    # GPUs and workers are those of the machine that ran it; models, servers and files are not asked again.
    elsewhere: dict[str, Any] = {"gpus": [], "workers": 1, "bundle": None, "prune": None, "image": None, "watch": False}
    if known.get("task") == "ask":  # its picture has been looked at: none is opened
        elsewhere["image"] = "picture.png"
    elsewhere |= {"oracle_cache": None, "detection_cache": None, "record_oracle": None, "evaluate": False}
    return make_config(known | elsewhere, "bundle")


def _limits(packed: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the limits of a replay: those that the bundle lowers, and those that the user gives."""
    own = dataclasses.asdict(Limits())
    wrong = [name for name in given if name not in own]
    if wrong:
        raise ConfigError(f"There is no limit '{wrong[0]}'", where="limits", **one_of(wrong[0], own))
    if packed is not None and (
        not isinstance(packed, dict)
        or any(not isinstance(v, int | float) or isinstance(v, bool) or not v >= 1 for v in packed.values())
    ):
        raise ConfigError("The bundle's limits are no numbers", where="limits", expected="numbers from 1")
    packed = packed or {}
    raised = [k for k, v in packed.items() if k in own and v > own[k] and k not in given]
    if raised:
        print(
            f"The bundle was made with higher limits ({', '.join(raised)}): it is replayed under this program's own. "
            f"If you trust it: --limits.{raised[0]} {packed[raised[0]]}",
            file=sys.stderr,
        )
    return {k: v for k, v in packed.items() if k not in raised} | given
