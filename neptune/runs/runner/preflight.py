"""Before the first sample: do the servers answer, and are there programs that the language takes?

What would spoil every sample stops the run while nothing has been asked or written; what concerns some is a note, and
ends in those samples' own records.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import dsl
from dsl.limits import Limits
from neptune.config import Config, ConfigProblems
from neptune.engine.analysis.equivalence import plan_key
from neptune.engine.assemble import choose_schedule, writer_of
from neptune.errors import NeptuneError
from neptune.foreign import printable
from neptune.guarantees.certificate import Certificate
from neptune.perception import registry
from neptune.resources import vocabulary_of
from neptune.runs import record as records
from neptune.servers.endpoints import ENDPOINTS, addresses_of
from neptune.servers.probe import Server, ServerGoneError, probe
from neptune.writer.store import ProgramStore

if TYPE_CHECKING:
    from neptune.tasks import Sample, Task

LOOKED_AT = 100
"""Programs that a run looks at before it begins; of more so many, evenly spread."""

Lacks = Callable[["Task", "Sample"], str | None]
"""Says why a sample has no program that can run; ``None`` where it has one, or a model will write it."""


@dataclass
class Findings:
    """What was found: one line each. Problems stop a run, notes do not."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def try_(self, where: str, check: Callable[[], Any]) -> Any:
        """Return what `check` returns; an error of it becomes a problem, and ``None`` is returned."""
        try:
            return check()
        except ConfigProblems as error:
            self.problems += [f"{where}: {problem}" for problem in error.problems]
        except NeptuneError as error:
            self.problems.append(f"{where}: {error.one_line()}")
        return None


def preflight(config: Config, todo: Sequence[tuple[Task, int]]) -> None:
    """Check what the samples that are to be answered will need; say on stderr what concerns some of them.

    Parameters
    ----------
    config
        The run.
    todo
        Its samples that have no answer yet: task, and index.

    Raises
    ------
    ConfigProblems
        If a server does not answer or refuses the key, or no sample has a program that can run.
    """
    found = Findings()
    for servers, kept in servers_of(config):
        check_servers(servers, kept, found)
    check_programs(config, todo, found)
    for note in found.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    if found.problems:
        raise ConfigProblems(found.problems)


def settle_schedule(config: Config, folder: Path) -> tuple[Config, dict[str, str]]:
    """Return the config with the schedule that will be used, and what is recorded of the choice.

    ``auto`` is chosen once: a run that is resumed keeps the schedule with which its first answers were made, and a
    config that was kept names it.

    Returns
    -------
    tuple
        The config, and ``asked`` (as configured), ``used``, ``why``.
    """
    used, why = choose_schedule(config.schedule, config.vlm_model_name)
    if config.certificate is not None:
        used, why = Certificate.load(config.certificate).schedule, "the certificate was made with it"
    if config.schedule == "auto" and config.resume and (kept := _kept_schedule(folder)) not in (None, used):
        used, why = str(kept), "the run was begun with it"
    facts = {"asked": config.schedule, "used": used, "why": why}
    return config.model_copy(update={"schedule": used}), facts


def _kept_schedule(folder: Path) -> str | None:
    """Return the schedule of the answers that a run folder holds; ``None`` if there are none, or it does not say."""
    try:
        answered = (folder / records.SAMPLES).stat().st_size > 0
        kept = json.loads((folder / records.CONFIG).read_text(encoding="utf-8")).get("schedule")
    except (OSError, ValueError, AttributeError):
        return None
    return kept if answered and kept in ("all", "lazy") else None


# --- servers ---


def servers_of(config: Config) -> Iterator[tuple[list[Server], str]]:
    """Yield the servers that a run asks, and what has answers without them; ``""`` where nothing has.

    Several in one list are one model at several addresses.
    """
    address = registry.address_of("oracle", config.vlm_model_name)
    if address is not None and address.startswith("neptune.perception.oracle.server."):
        options = config.vlm_options
        base_url = options.get("base_url") or resolve_name(address).default_url
        cache = config.cache_path
        trusted = tuple(map(str, options.get("trusted_hosts", ())))
        kept = f"the cache {cache}" if cache is not None and cache.is_file() else ""
        provider, model = str(options.get("provider", "local")), options.get("model")
        yield [Server("vlm_options.", provider, model, address, trusted) for address in addresses_of(base_url)], kept
    if config.code_gen_provider in ENDPOINTS:
        programs = config.program_cache_address
        known = programs is not None and _holds_programs(programs)
        model, base_url = config.code_gen_model_name, config.code_gen_base_url
        kept = f"the program cache {programs}" if known else ""
        yield [Server("code_gen_", config.code_gen_provider, model, base_url, tuple(config.trusted_hosts))], kept
    if config.evaluate and config.judge_provider in ENDPOINTS:
        judge = (config.judge_provider, config.judge_model, config.judge_base_url, tuple(config.trusted_hosts))
        yield [Server("judge_", *judge)], ""


def _holds_programs(address: str) -> bool:
    try:
        return Path(address).is_file() and len(ProgramStore(address, writable=False)) > 0
    except NeptuneError:
        return False  # said where the writer is made


def check_servers(servers: Sequence[Server], kept: str, found: Findings) -> None:
    """Check the servers of one model: where one of several answers, that others do not is a note."""
    each = [Findings() for _ in servers]
    for server, said in zip(servers, each, strict=True):
        check_server(server, kept, said)
    enough = not all(said.problems for said in each)
    for said in each:
        found.notes += said.notes
        if enough:
            found.notes += [f"{problem.rstrip('.')}. The other servers take over." for problem in said.problems]
        else:
            found.problems += said.problems


def check_server(server: Server, kept: str, found: Findings) -> None:
    """Ask a server whether it is there. Where something is `kept` of what it said before, its absence is a note."""
    try:
        note = probe(server)
    except ServerGoneError as error:
        line = f"{server.fields}: {error.one_line()}".replace("_:", ":").replace(".:", ":")
        if kept:
            found.notes.append(f"{line} Only what {kept} holds can be answered.")
        else:
            found.problems.append(line)
        return
    except NeptuneError as error:
        found.problems.append(error.one_line())
        return
    if note:
        found.notes.append(note)


# --- programs ---


def check_programs(config: Config, todo: Sequence[tuple[Task, int]], found: Findings) -> None:
    """Check the programs of samples: that all lack one, or one that can run, is a problem; that some do, a note."""
    lacks = program_check(config)
    chosen = todo[:: max(1, -(-len(todo) // LOOKED_AT))]
    samples = [(task, task.samples[index]) for task, index in chosen]
    whole = [(task, sample) for task, sample in samples if sample.problem is None]
    missing = [why for task, sample in whole if (why := lacks(task, sample)) is not None]
    if not missing:
        return
    looked = "" if len(chosen) == len(todo) else f" looked at, of {len(todo)},"
    if len(missing) == len(whole):
        found.problems.append(f"none of the {len(whole)} questions{looked} has a program that can run: {missing[0]}")
    else:
        count = f"{len(missing)} of {len(whole)} questions{looked}"
        found.notes.append(f"{count} have no program that can run, e.g. {missing[0]}")


def program_check(config: Config) -> Lacks:
    """Return what says why a sample has no program, or one that the language or the vocabulary refuses.

    Raises
    ------
    NeptuneError
        If the file of programs can not be read.
    """
    runs = _language(config)
    if config.code_gen_provider == "gold":
        return lambda task, sample: runs(sample.program) if sample.program else _lacks_gold(sample)
    if config.code_gen_provider == "embedded":
        return _reads(config, runs)
    if config.code_gen_provider != "cache" or config.program_cache_address is None:
        return lambda task, sample: None
    address, model = config.program_cache_address, config.code_gen_model_name
    store = ProgramStore(address, writable=False)

    def lacks(task: Task, sample: Sample) -> str | None:
        entry = store.find(sample.question, task.name, model)
        if entry is None:
            return f"{address} has no program for {sample.question[:60]!r}"
        return runs(str(entry["programs"][0]["program"]))

    return lacks


def _reads(config: Config, runs: Callable[[str], str | None]) -> Lacks:
    """Return what says why a question is not understood without a language model."""
    writer = writer_of(config)
    assert writer is not None

    def lacks(task: Task, sample: Sample) -> str | None:
        try:
            return runs(writer.write(sample.question, task.name).program)
        except NeptuneError as error:
            return error.one_line()

    return lacks


def _language(config: Config) -> Callable[[str], str | None]:
    """Return what says why a program can not run, in one line; ``None`` where it can."""
    try:
        vocabulary, limits = vocabulary_of(config.vocabulary), Limits(**config.limits)
    except NeptuneError:
        return lambda program: None  # said where the vocabulary is checked

    distinct = str(config.distinct_variables).lower()

    def problem(program: str) -> str | None:
        try:
            plan_key(program, vocabulary, limits, distinct)  # checks all that can be without an oracle
        except dsl.ProgramError as error:
            return error.one_line()
        return None

    return problem


def _lacks_gold(sample: Sample) -> str:
    problem = sample.program_problem
    return problem.one_line() if problem is not None else "no gold program"
