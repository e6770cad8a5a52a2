"""Answers the samples of datasets, in order, and keeps a record that a kill can not hurt.

For each sample: picture → scene → program → answer → judged → one line of ``samples.jsonl``. What is wrong
with one sample ends in its own line; the others go on.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.engine.assemble import check_engine
from neptune.errors import ConfigError, ModelFailedError, NeptuneError, WriteError
from neptune.perception.oracle.caching.replay import RECORD, RecordingOracle
from neptune.runs import record as records
from neptune.runs.direct.beside import agree
from neptune.runs.direct.consistency import ask_variants
from neptune.runs.direct.task import Direct, direct_config
from neptune.runs.evaluate.after import examine, more_results
from neptune.runs.evaluate.side_files import attach, forget_others, has_side_files
from neptune.runs.evaluate.summary import MORE, brief, summarise
from neptune.runs.evaluate.tables import print_more, print_results
from neptune.runs.guarded.curve import Curve
from neptune.runs.record import Record, RunFolder
from neptune.runs.record.bundle import pack_run
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.record.provenance import describe_code, hash_inputs
from neptune.runs.runner.batches import Batches, fits
from neptune.runs.runner.flight import Budget, Flight
from neptune.runs.runner.preflight import preflight, settle_schedule
from neptune.runs.runner.programs import Programs, Write
from neptune.runs.runner.progress import Progress
from neptune.runs.runner.samples import BUG, Asked, answer_sample
from neptune.writer.failures import ProviderError

if TYPE_CHECKING:
    from neptune.engine import Engine
    from neptune.runs.runner.cluster.run import ClusterFlight
    from neptune.runs.runner.processes.processes import ProcessFlight
    from neptune.tasks import Sample, Task

EXIT_OK, EXIT_BUG, EXIT_MISTAKE, EXIT_INTERRUPTED = 0, 1, 2, 130

FAILURES_IN_A_ROW = 3
"""So many samples, one after the other, for which the provider of programs fails, end the run."""


def run_dataset(config: Config, name: str) -> int:
    """Answer the config's datasets; print a table and, last, the report's path.

    Parameters
    ----------
    config
        Names at least one dataset.
    name
        The run's name, from which the run folder follows.

    Returns
    -------
    int
        0 when every sample was answered, right or wrong; 2 when some could not be, because of bad input; 1
        after an unexpected exception; 130 when interrupted. The run folder is complete but in the last case.

    Raises
    ------
    NeptuneError
        If the run can not start: data, models, or run folder.
    """
    loaded = [config.load(dataset) for dataset in config.datasets]
    if config.estimate:
        from neptune.runs.runner.estimate import print_estimate

        print_estimate(config, loaded, config.folder(name))
        return EXIT_OK
    return run_loaded(config, name, loaded)


def run_direct(config: Config, name: str) -> int:
    """Answer the config's datasets without programs; parameters, result and errors as of `run_dataset`."""
    loaded = [config.load(dataset) for dataset in config.datasets]
    if config.estimate:
        count = sum(len(task.samples) for task in loaded)
        print(f"{count:,} samples, one call of the oracle each")
        return EXIT_OK
    return run_loaded(direct_config(config), name, [Direct(task) for task in loaded])


def run_loaded(config: Config, name: str, loaded: Sequence[Task]) -> int:
    """Answer the samples of datasets that are loaded; parameters, result and errors as of :func:`run_dataset`."""
    config, schedule = settle_schedule(config, config.folder(name))
    check_engine(config)  # before an earlier run is moved aside for one that can not start
    hashes = hash_inputs(config)
    begun = time.monotonic()
    with Programs(config) as programs, ExitStack() as stack, _collected_seldom():
        hashed = programs.prompt_hashes(t.name for t in loaded)
        meta = {**describe_code(), "name": name, "prompt_hashes": hashed, "schedule": schedule}
        opened = RunFolder(config.folder(name), config, hashes, meta, fresh=not config.resume)
        folder = stack.enter_context(opened)
        watch = None
        if config.watch:
            from neptune.runs.report.watch import Watch

            totals = {task.name: len(task.samples) for task in loaded}
            watch = stack.enter_context(Watch(folder, totals, config.watch_port, RecordedPictures.of(config)))
            print(f"Watch it at {watch.address}", file=sys.stderr, flush=True)
        if folder.moved_to:
            print(f"The earlier run is now in {folder.moved_to}", file=sys.stderr)
        if folder.reopened:
            print(
                f"Another budget: from the first that was cut short, {folder.reopened} samples are answered again",
                file=sys.stderr,
            )
        forget_others(folder.path, folder.records.keys)  # of an earlier process too, killed before it came here
        if folder.records:
            print(f"Resuming: {len(folder.records)} samples are there", file=sys.stderr)
        failure: ProviderError | ModelFailedError | None = None
        unexamined, interrupted = None, False
        try:
            failure = answer_samples(config, loaded, programs, folder)
            if failure is not None and not folder.records:
                raise failure  # no more than a start that was refused: the folder goes with it
            if failure is None:
                unexamined = examine(config, folder, loaded) or _beside(config, folder, loaded)
        except KeyboardInterrupt:
            interrupted = True
        facts: dict[str, Any] = {"schedule": schedule} | folder.session
        if config.certificate is not None:
            facts["certificate"] = _certified(config, folder, loaded)
        ended = "interrupted" if interrupted else failure.one_line() if failure is not None else None
        results = finish(folder, loaded, begun, RecordedPictures.of(config), ended, facts)
        folder.close()
        code = _report_end(config, programs, folder, results, failure, unexamined, interrupted)
        if watch is not None:
            watch.finished()
            if not interrupted:
                watch.stay()
    return code


def _beside(config: Config, folder: RunFolder, loaded: Sequence[Task]) -> NeptuneError | None:
    """Ask the model beside the engine, and the questions reworded, where the config says so; return what hindered."""

    def answering(own: Config, engine: Engine, task: Task, sample: Sample, write: Write) -> Record:
        return answer_sample(own, engine, task, sample, write, folder)

    try:
        if config.agree is not None:
            agree(config, folder.path, loaded, folder.records, answering)
        if config.consistency:
            ask_variants(config, folder.path, loaded, folder.records, answering)
    except NeptuneError as error:
        return error
    return None


@contextmanager
def _collected_seldom() -> Iterator[None]:
    """Look for cycles of garbage seldom, and not among what is loaded already: often, it takes a tenth of a run."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _certified(config: Config, folder: RunFolder, loaded: Sequence[Task]) -> dict[str, Any]:
    """Return what came of a run's certificate, and say so where its alarm has rung."""
    from neptune.guarantees.certificate import Certificate
    from neptune.runs.guarded.figures import answer_figures, certified_figures, warning

    assert config.certificate is not None
    answered = folder.records.in_order([task.name for task in loaded])
    certificate = Certificate.load(config.certificate)
    if certificate.answers is not None:
        return answer_figures(certificate, answered)
    figures = certified_figures(certificate, config.audit, answered)
    if said := warning(figures):
        print(said, file=sys.stderr)
    return figures


def _report_end(
    config: Config,
    programs: Programs,
    folder: RunFolder,
    results: dict[str, Any],
    failure: ProviderError | ModelFailedError | None,
    unexamined: NeptuneError | None,
    interrupted: bool,
) -> int:
    """Print what came of a run, its report's path last, and return the exit code."""
    if programs.spent():
        print(programs.spent(), flush=True)
    pack_run(config, folder.path)
    if failure is not None:
        missing = results["n"] - len(folder.records)
        lack = "program" if isinstance(failure, ProviderError) else "answer"
        print(f"{missing} samples have no {lack} yet: {failure.one_line()}", file=sys.stderr)
    if unexamined is not None:
        print(f"The answers are there, but not all is said of them: {unexamined.one_line()}", file=sys.stderr)
    if interrupted:
        print("Interrupted; the same command resumes.", file=sys.stderr)
    print(folder.path / records.REPORT, flush=True)
    if interrupted:
        return EXIT_INTERRUPTED
    if failure is not None or unexamined is not None:
        return EXIT_MISTAKE
    kinds = results["errors_by_kind"]
    # An oracle that gives no evidence is no mistake of the user's.
    return EXIT_BUG if BUG in kinds else EXIT_MISTAKE if set(kinds) - {"OracleError", "NotRecordedError"} else EXIT_OK


def answer_samples(
    config: Config, loaded: Sequence[Task], programs: Programs, folder: RunFolder
) -> ProviderError | ModelFailedError | None:
    """Answer every sample that has no record yet, `workers` at a time; records are written in the samples' order.

    A sample for which the provider of programs, the oracle or the detector fails, whatever the question, keeps no
    record, and is asked again when the run resumes. A failure that every request would meet, or several in a row, ends
    the run.

    Returns
    -------
    ProviderError, ModelFailedError or None
        The last such failure.

    Raises
    ------
    NeptuneError
        If a server or all programs are missing, the engine can not be made, the folder holds other samples, or the disk
        is full.
    """
    done = set(folder.records.keys)
    total = sum(len(task.samples) for task in loaded)
    todo = [
        (task, index)
        for task in loaded
        for index, name in enumerate(task.sample_ids())
        if (task.name, name) not in done
    ]
    if len(done) + len(todo) != total:
        raise ConfigError(
            "The run folder holds samples that are not among those asked for",
            where=str(folder.path),
            hint="Raise num_samples again, choose another --output_dir, or --resume false to start afresh",
        )
    if not todo:
        return None
    preflight(config, todo)
    spent = sum(r["usage"].get("oracle_calls", 0) for r in folder.resumed)
    budget = Budget(config, int(spent))

    with ExitStack() as stack:
        flight: Flight[tuple[Task, Sample, Write], Record] | Batches | ClusterFlight | ProcessFlight
        if config.cluster is not None:
            from neptune.runs.runner.cluster.run import ClusterFlight

            flight = stack.enter_context(ClusterFlight(config, loaded, todo, programs, folder))
            recorder = flight.recorder
        elif (count := _processes(config, todo, programs)) > 1:
            from neptune.runs.runner.processes.processes import ProcessFlight

            flight = stack.enter_context(ProcessFlight(config, loaded, todo, programs, folder, count))
            recorder = flight.recorder
        else:
            flight, recorder = _here(config, todo, programs, folder, budget, stack)
        progress = stack.enter_context(Progress(total, lazy=config.schedule == "lazy"))
        progress.resume(folder.resumed)
        folder.resumed = []
        failure: ProviderError | ModelFailedError | None = None
        in_a_row = 0
        for result in flight:
            try:
                record = result()
            except (ProviderError, ModelFailedError) as error:
                failure, in_a_row = error, in_a_row + 1
                if isinstance(error, ModelFailedError) or error.final or in_a_row >= FAILURES_IN_A_ROW:
                    flight.stop()
                continue
            in_a_row = 0
            budget.spend(record["usage"].get("oracle_calls", 0))
            if recorder is not None and record.get("evidence") is not None:
                # Numbered here, in the samples' order, whatever the order in which they were answered.
                record["evidence"] = recorder.number(record["evidence"])
            folder.append(record)
            progress.add(record)
    return failure


def _processes(config: Config, todo: Sequence[tuple[Task, int]], programs: Programs) -> int:
    """Return how many processes answer the samples."""
    if config.processes == 1 or config.watch:
        return 1
    from neptune.runs.runner.processes.processes import processes_for

    return processes_for(config, todo, programs)


def _here(
    config: Config,
    todo: Sequence[tuple[Task, int]],
    programs: Programs,
    folder: RunFolder,
    budget: Budget,
    stack: ExitStack,
) -> tuple[Flight[tuple[Task, Sample, Write], Record] | Batches, RecordingOracle | None]:
    """Return what answers samples in this process, and what numbers their evidence; `stack` ends both."""
    from neptune.engine import Engine

    replayed: dict[str, Any] = {"record": folder.path / RECORD} if config.record_oracle == "auto" else {}
    engine = stack.enter_context(Engine.from_config(config, **replayed))
    # Samples are made when their turn comes: only their indices are kept in memory.
    samples = programs.ahead((task, task.samples[index]) for task, index in todo)
    if fits(config):
        batches = Batches(engine, (Asked(config, engine, *item, folder) for item in samples), config.lazy_pictures)
        stack.callback(lambda: folder.session.update(batches.sent()))
        return batches, engine.recorder

    def begin(item: tuple[Task, Sample, Write]) -> Callable[[], Record]:
        return partial(answer_sample, config, engine, *item, folder, budget.left)

    workers = max(config.workers, len(config.gpus))
    return stack.enter_context(Flight(samples, begin, workers, budget.allows)), engine.recorder


def finish(
    folder: RunFolder,
    loaded: Sequence[Task],
    begun: float,
    pictures: RecordedPictures | None = None,
    ended: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write ``results.json`` and ``report.html``, print the table, return the results.

    `begun` is when this session began, on the monotonic clock; `pictures` finds those that the report shows; `ended`
    says why it ended before all was answered, and `facts` are recorded with the figures.
    """
    from neptune.runs.report.build import ReportParts, write_parts
    from neptune.runs.report.calls import each_with_calls

    # One way through the records, which are on the disk: figures and report take from each what they show.
    page = ReportParts(folder.path, len(folder.records), pictures, beside=True)
    more: list[Mapping[str, Any]] = []
    curve = Curve()
    beside = has_side_files(folder.path)  # their figures are of all the records

    def passing() -> Iterator[Record]:
        ordered = folder.records.in_order([task.name for task in loaded])
        for record in each_with_calls(folder.path, attach(folder.path, ordered)):
            page.add(record)
            curve.add(record)
            if beside or record.get("error") or MORE & record.keys():
                more.append(brief(record))
            yield record

    results = summarise(passing(), {task.name: len(task.samples) for task in loaded}, ended)
    results |= more_results(more, results["n"]) | curve.figures() | dict(facts or {})
    failure: WriteError | None = None
    for write in (
        lambda: records.write_json(folder.path / records.RESULTS, results),
        lambda: write_parts(folder.path, page, results),
    ):
        try:
            write()
        except WriteError as error:  # the other file may fit, and the figures are told of all the same
            failure = failure or error
    print_results(results, wall=time.monotonic() - begun)
    print_more(results)
    if failure is not None:
        raise failure
    return results
