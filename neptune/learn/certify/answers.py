"""``task: certify`` of answers: sets that hold the right one, or answers withheld unless sure; both need right answers.

Each question is answered exactly, as a run does, and what the right answer looked like then sets the thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dsl.errors import ProgramError
from neptune.answer import Answer
from neptune.config import Config
from neptune.engine import Engine
from neptune.engine.certified import identity
from neptune.errors import DatasetError, ModelFailedError, NeptuneError
from neptune.guarantees.certificate import CERTIFICATE, Certificate
from neptune.guarantees.risk import fewest
from neptune.guarantees.rule import AnswerRule, draw_of, selective_rule, sets_rule
from neptune.learn.certify.decisions import Asked
from neptune.learn.certify.questions import families_of, questions_of
from neptune.learn.shared import Progress, shown
from neptune.runs.guarded.sets import chances_of, sureness, unlikely_truth
from neptune.runs.record.provenance import describe_code, hash_inputs


def certify_answers(config: Config, output_dir: str | Path, progress: Progress | None = None) -> Certificate:
    """Calibrate sets of answers, or the least confidence of an answer, and write the certificate.

    Parameters
    ----------
    config
        Names the dataset, `guarantee` (``sets`` or ``selective``), `alpha`, `delta` and `randomised`.
    output_dir, progress
        As of :func:`neptune.learn.certify.task.certify`.

    Raises
    ------
    ConfigError, DatasetError, OracleError
        If the config makes no sense, of no question the right answer is known, or the oracle fails.
    """
    config = config.model_copy(update={"schedule": "all"})
    fits = identity(config)  # before anything is asked
    calls = 0
    with shown(progress) as report, Engine.from_config(config) as engine:
        known = (q for q in questions_of(config, engine, report) if q.sample and q.sample.expected is not None)
        answered: list[tuple[Asked, Answer]] = []
        for question in known:
            try:
                answer = engine.run(question.program, question.scene, None, question.policy, question.inputs)
            except ModelFailedError:
                raise
            except (ProgramError, NeptuneError):
                continue  # an error is no answer, in a run either
            calls += answer.usage.oracle_calls
            if not answer.abstained:  # nor is this one: the guarantee is about answers
                answered.append((question, answer))
        if not answered:
            raise DatasetError(
                "Of no question the right answer is known", where=", ".join(config.datasets),
                hint="A guarantee about the truth needs questions with answers",
            )  # fmt: skip
        report("certify", 1.0, f"{len(answered):,} questions are answered")
        make = _sets if config.guarantee == "sets" else _selective
        rule = make(config, engine, answered)
    questions = [question for question, _ in answered]
    pictures = len({question.picture for question in questions})
    needed = fewest(config.alpha, config.delta) if rule.kind == "selective" else round(1 / config.alpha - 1 + 0.5)
    certificate = Certificate(
        alpha=config.alpha,
        delta=config.delta,
        width=None,
        pictures=pictures,
        questions=len(questions),
        questions_a_picture=round(len(questions) / pictures, 3),
        missing=max(needed - pictures, 0),
        tried=[],
        calls={"exact": round(calls / len(questions), 3)},
        schedule="all",
        sharing="picture",
        proxy={},
        audit=None,
        answers=rule,
        families=families_of(questions),
        fits=fits,
        calibrated_on={**describe_code(), "files": hash_inputs(config)},
    )
    certificate.save(Path(output_dir) / CERTIFICATE)
    return certificate


def _sets(config: Config, engine: Engine, answered: Sequence[tuple[Asked, Answer]]) -> AnswerRule:
    names, unlikely, every = [], [], []
    for question, _ in answered:
        task, sample = question.task, question.sample
        assert task is not None
        assert sample is not None
        draw = draw_of(config.seed, task.name, str(sample.id)) if config.randomised else 1.0
        chances = chances_of(engine.context, question.program, question.scene)
        unlikely.append(unlikely_truth(task, sample, chances, question.scene, draw))
        names.append(f"{question.dataset}: {question.family}")
        every.append((chances, names[-1], draw))
    rule = sets_rule(unlikely, names, [q.picture for q, _ in answered], config.alpha, config.randomised)
    sizes = [len(rule.set_of(*one)) for one in every]
    limits = [rule.thresholds[name] for name in names]
    hits = [limit is None or value <= limit for value, limit in zip(unlikely, limits, strict=True)]
    return rule.model_copy(update={"covered": sum(hits) / len(hits), "size": sum(sizes) / len(sizes)})


def _selective(config: Config, engine: Engine, answered: Sequence[tuple[Asked, Answer]]) -> AnswerRule:
    sure, wrong = [], []
    for question, answer in answered:
        assert question.task is not None
        assert question.sample is not None
        sure.append(sureness(answer) or 0.0)
        wrong.append(not question.task.judge(question.sample, answer, question.scene))
    rule = selective_rule(sure, wrong, [q.picture for q, _ in answered], config.alpha, config.delta)
    return rule.model_copy(update={"answered": sum(rule.gives(s) for s in sure) / len(sure)})
