"""``task: distil``: programs answer a dataset's questions, and what they found out becomes samples for a model.

    programs.jsonl   the programs of each question (not for the dataset's own)
    run/             the run that answered all of them, as any run: records, figures, report
    distilled.jsonl  an answer for each question and, where a program is right, a rationale
    results.json     how many became what, and why not; README.md says the same as a data card

Killed at any moment, the same command goes on: programs, answers and rewritings are kept one by one, and the samples
are made from them anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from neptune import tasks
from neptune.config import Config, make_config
from neptune.config.paths import KeptPath, NameOrPath, ReadPath, WrittenFolder
from neptune.errors import ConfigError
from neptune.learn.distil.blamed import LESSONS, write_lessons
from neptune.learn.distil.export import DISTILLED, EXPORTS, export_llamafactory, write_card, write_distilled
from neptune.learn.distil.programs import PROGRAMS, Programmed, Row, write_programs
from neptune.learn.distil.rewrite import Rewriter
from neptune.learn.distil.samples import Counts, Taught, grouped, taught
from neptune.learn.distil.wording import Words
from neptune.learn.shared import Progress, commit, shown
from neptune.runs.evaluate.side_files import attach
from neptune.runs.record import SAMPLES, write_json
from neptune.runs.record.kept import scan
from neptune.runs.record.lock import held
from neptune.runs.runner.estimate import print_estimate
from neptune.runs.runner.run import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, run_loaded
from neptune.servers.endpoints import ENDPOINTS
from neptune.tasks.base import Task
from neptune.words import all_if_minus_one

RUN = "run"
_OWN = frozenset({"task", "dataset", "data_dir", "output_dir", "num_samples", "inspect", "max_run_calls", "bundle"})
"""Fields of a run that `run` can not set: they are fixed here, or have a field of their own."""


class DistilConfig(BaseModel):
    """The configuration of ``task: distil``."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["distil"] = "distil"
    dataset: str | list[str] = Field("clevr", description="datasets whose questions are distilled")
    data_dir: ReadPath = Field(description="their folder")
    split: str | None = Field(None, description="train, … where the folder holds several")
    follow_links: bool = Field(False, description="symbolic links below data_dir may lead out of it")
    num_samples: Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(all_if_minus_one)] = Field(
        None, description="the first questions of each dataset; null or -1: all"
    )
    output_dir: WrittenFolder | None = None
    seed: int = 0
    vlm_model_name: NameOrPath = Field("embedded", description="oracle that scores")
    vlm_options: dict[str, Any] = Field(default_factory=dict, description="options of the oracle")
    od_model: NameOrPath = Field("embedded", description="detector that finds objects; scene: the annotated ones")
    od_options: dict[str, Any] = Field(default_factory=dict, description="options of the detector")
    vocabulary: NameOrPath | None = Field("clevr", description="vocabulary by name or file; null: any predicate")
    code_gen_provider: str = Field(
        "gold", description="who writes the programs: gold, cache, embedded, or a language model's provider"
    )
    code_gen_model_name: str | None = Field(None, description="language model that writes programs")
    code_gen_base_url: str | None = Field(None, description="its address")
    code_gen_temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(0.5, description="its temperature")
    programs: int = Field(5, ge=1, le=100, description="programs that a language model is asked for, and most run")
    program_cache_address: KeptPath | None = Field(None, description="JSON file of programs by question")
    confidence: float = Field(
        0.9, ge=0.5, le=1, description="questions without a known answer: least probability of the engine's"
    )
    rewrite_model: str | None = Field(None, description="language model that rewrites rationales; null: none")
    rewrite_provider: str = Field("openai", description="its provider, as for code_gen_provider")
    rewrite_base_url: str | None = Field(None, description="its address")
    export: Literal["llamafactory"] | None = Field(None, description="write the samples in another tool's form too")
    run: dict[str, Any] = Field(
        default_factory=dict, description='other fields of the run, e.g. {"schedule": "lazy", "evaluate": true}'
    )
    estimate: bool = Field(False, description="print what it would cost at most, and ask nothing")

    def run_config(self, folder: Path) -> Config:
        """Return the configuration of the run that answers the questions, with the writer of their programs.

        Raises
        ------
        ConfigProblems, ConfigError
            If names do not exist, fields are missing, or `run` sets what is set here.
        """
        fixed = sorted(_OWN & self.run.keys() | DistilConfig.model_fields.keys() & self.run.keys())
        if fixed:
            raise ConfigError(
                f"'run' sets {', '.join(fixed)}",
                where="run",
                expected="other fields of a run",
                hint="Set it beside 'run', not in it; inspect is always values",
            )
        same = "dataset data_dir split follow_links num_samples seed vlm_model_name vlm_options od_model od_options "
        same += "vocabulary code_gen_provider code_gen_model_name code_gen_base_url code_gen_temperature "
        same += "program_cache_address"
        given = {field: getattr(self, field) for field in same.split()} | dict(self.run)
        given |= {"output_dir": str(folder / RUN), "inspect": "values"}
        if self.code_gen_provider in ENDPOINTS:
            given["code_gen_samples"] = self.programs
        return make_config(given, "distil")


def distil(
    config: DistilConfig, output_dir: str | Path, progress: Progress | None = None
) -> tuple[dict[str, Any], int]:
    """Distil the questions of datasets.

    Parameters
    ----------
    config, output_dir, progress
        As for :func:`neptune.learn.train.train.train`.

    Returns
    -------
    tuple
        The content of ``results.json`` and the exit code: 0; 130 when interrupted, 2 when a server failed: then there
        are no results yet, and the same command goes on.

    Raises
    ------
    NeptuneError
        If data, models or folder can not be used.
    """
    begun = time.monotonic()
    output = Path(output_dir)
    run = config.run_config(output)
    check_rewriting(config)
    loaded = [tasks.load(name, str(config.data_dir), config.num_samples, **run.reading()) for name in run.datasets]
    if config.estimate:
        _estimate(config, run, loaded, output)
        return {}, EXIT_OK
    with held(output):
        given, rows = _programmed(config, run, loaded, output, progress)
        code = run_loaded(run.model_copy(update={"code_gen_provider": "gold"}), RUN, given)
        records = output / RUN / SAMPLES
        there = sum(1 for _ in scan(records))
        if code in (EXIT_BUG, EXIT_INTERRUPTED) or there < sum(len(task.samples) for task in given):
            return {}, code
        results = _write(config, output, rows, loaded)
        results["seconds"] = round(time.monotonic() - begun, 1)
        write_json(output / "results.json", results)
        write_card(output, results)
    return results, EXIT_OK


def check_rewriting(config: DistilConfig) -> None:
    """Check who rewrites.

    Raises
    ------
    ConfigError
        If the provider does not exist.
    """
    if config.rewrite_model is not None and config.rewrite_provider not in ENDPOINTS:
        raise ConfigError(
            f"There is no provider '{config.rewrite_provider}'",
            where="rewrite_provider",
            expected=f"one of {', '.join(ENDPOINTS)}",
        )


def _programmed(
    config: DistilConfig, run: Config, loaded: list[Task], output: Path, progress: Progress | None
) -> tuple[list[Task], dict[str, list[Row]]]:
    """Return the datasets with their programs, and what is known of these."""
    if run.code_gen_provider == "gold":
        return list(loaded), {}
    with shown(progress) as report:
        rows = write_programs(run, loaded, output, report)
    return [Programmed(task, rows[task.name], config.programs) for task in loaded], rows


def _write(config: DistilConfig, output: Path, rows: dict[str, list[Row]], loaded: list[Task]) -> dict[str, Any]:
    """Write the samples, and return what became of the questions."""
    counts, words = Counts(), Words(config.vocabulary)
    rewriter = _rewriter(config, output)
    source = {(name, str(row["id"])): str(row.get("source", "")) for name, of in rows.items() for row in of}

    def questions() -> Iterator[Taught]:
        folder = output / RUN
        for group in grouped(attach(folder, (record for record, _ in scan(folder / SAMPLES)))):
            found = taught(group, words, config.confidence, counts)
            who = (found.dataset, found.id)
            if found.best is not None and who in source:
                found.best.setdefault("program_source", source[who])  # type: ignore[attr-defined]
            yield found

    written = write_distilled(output, questions() if rewriter is None else rewriter.each(questions()))
    files = [DISTILLED]
    if config.export == EXPORTS[0]:
        files += [path.name for path in export_llamafactory(output)]
    lessons: dict[str, Any] = {}
    if (output / RUN / "blame.jsonl").is_file():
        lessons = {"lessons": write_lessons(output / RUN, output, loaded, config.vocabulary)}
        files.append(LESSONS)
    return {
        "task": config.task,
        **counts.as_dict(),
        "samples": written,
        **lessons,
        **({"rewriting": dict(rewriter.counts.most_common())} if rewriter is not None else {}),
        "files": files,
        "made_with": {
            "datasets": [task.name for task in loaded],
            "oracle": Path(config.vlm_model_name).name,
            "detector": Path(config.od_model).name,
            "programs": config.code_gen_model_name or config.code_gen_provider,
            "programs a question, at most": config.programs if rows else 1,
            "rewritten by": config.rewrite_model or "nobody",
            "confidence": config.confidence,
            "seed": config.seed,
            "commit": commit(),
        },
    }


def _rewriter(config: DistilConfig, output: Path) -> Rewriter | None:
    if config.rewrite_model is None:
        return None
    from neptune.writer.chat import Settings

    return Rewriter(
        output,
        Settings(
            config.rewrite_provider, config.rewrite_model, config.rewrite_base_url, max_tokens=1024, constrained="off"
        ),
    )


def _estimate(config: DistilConfig, run: Config, loaded: list[Task], output: Path) -> None:
    """Print what the run would cost at most, and how often language models would be asked."""
    print_estimate(run, loaded, output / RUN)
    questions = sum(len(task.samples) for task in loaded)
    if run.code_gen_provider in ENDPOINTS:
        print(f"{questions:,} requests for {config.programs} programs each at most; {PROGRAMS}.jsonl keeps them")
        print("Each different program of a question asks the oracle anew, for what those before it did not ask")
    if config.rewrite_model is not None:
        print(f"{questions:,} requests to rewrite a rationale at most")
