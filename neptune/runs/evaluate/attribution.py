"""Error attribution, ``--blame true``: is the detector, the oracle, the program or the logic to blame for an error?

For each sample that is not right, the true boxes, the true scores and the gold program are swapped in, one at a time
and together, and the program is run again: 8 combinations, of which the run itself is one. What mends the answer
*alone* is recorded; the blame for one error is shared out by Shapley's value (1953) over the three swaps, so that two
faults that only together spoil an answer, or either of which would, are shared fairly, and the shares add up to 1.
What stays wrong with all three true is the logic's: the algebra, the language, or the dataset itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neptune.config import Config
from neptune.errors import ModelFailedError, NeptuneError
from neptune.runs.evaluate.side_files import SideFile
from neptune.runs.record import key
from neptune.runs.record.outcome import outcome_of
from neptune.tasks import presuppositions_of

if TYPE_CHECKING:
    from neptune.scene import Scene
    from neptune.tasks import Sample, Task

SWAPS = {"boxes": "detector", "scores": "oracle", "program": "program"}
"""What is swapped in → who is to blame for an error that it mends."""

CULPRITS = (*SWAPS.values(), "logic")
"""In the order of the pipeline."""

Swaps = frozenset[str]
Record = Mapping[str, Any]


class Swapper:
    """Runs samples with some parts replaced by the truth.

    Parameters
    ----------
    config
        The run's config.

    Raises
    ------
    NeptuneError
        If the run's models can not be made.
    """

    def __init__(self, config: Config) -> None:
        from neptune.engine import Engine

        alone = {"record_oracle": None, "workers": 1}
        seen = {"vlm_model_name": "scene", "vlm_options": {}, "od_model": "scene", "od_options": {}}
        self._run = Engine.from_config(config.model_copy(update=alone))
        self._true = Engine.from_config(config.model_copy(update=alone | seen | {"gpus": []}))

    def right(self, task: Task, sample: Sample, program: str | None, swaps: Swaps) -> tuple[bool, str]:
        """Run a sample with `swaps` made; return whether the answer is right, and why there is none.

        `program` is the run's; ``None`` where it had none.
        """
        from dsl.errors import ProgramError

        try:
            text = sample.gold() if "program" in swaps else program
            if text is None:
                return False, "the run had no program"
            scene = self._scene(sample, text, swaps)
            engine = self._true if "scores" in swaps else self._run
            policy = presuppositions_of(sample.dataset, engine.context.presuppositions)
            answer = engine.run(text, scene, presuppositions=policy)
            return not answer.abstained and task.judge(sample, answer, scene) is True, ""
        except ModelFailedError:
            raise  # nobody is to blame for a broken device
        except (NeptuneError, ProgramError) as error:
            return False, error.one_line()

    def _scene(self, sample: Sample, program: str, swaps: Swaps) -> Scene:
        assert sample.picture is not None  # the sample was checked
        if "boxes" in swaps:
            return self._true.scene(sample.picture, sample.truth())
        return self._run.scene(sample.picture, sample.truth(), self._run.labels(program))

    def close(self) -> None:
        """Close both engines."""
        self._run.close()
        self._true.close()


def attribute_run(
    config: Config, folder: Path, loaded: Sequence[Task], records: Sequence[Record], swapper: Swapper | None = None
) -> None:
    """Find out who is to blame for every answer of a run that is not right, and keep it in ``blame.jsonl``.

    A sample that was examined before is not examined again.

    Raises
    ------
    NeptuneError
        If the run's models can not be made, or the file can not be written.
    """
    found = SideFile(folder, "blame")
    wrong = {key(r): r for r in records if r.get("correct") is False and key(r) not in found.rows}
    if not wrong:
        return
    swapper = swapper or Swapper(config)
    try:
        for task in loaded:
            for index, name in enumerate(task.sample_ids()):
                record = wrong.get((task.name, name))
                if record is not None:
                    sample = task.samples[index]
                    who = {"dataset": task.name, "id": sample.id}
                    found.add(who | attribute_sample(swapper, task, sample, record))
    finally:
        swapper.close()


def attribute_sample(swapper: Swapper, task: Task, sample: Sample, record: Record) -> dict[str, Any]:
    """Return who is to blame for one wrong answer.

    Returns
    -------
    dict
        ``blame`` (a culprit of :data:`CULPRITS`, several joined by "and" where their shares are equal, or ``None``
        where the truth is not known), ``shares`` (culprit → share, adding up to 1), ``mended_by`` (the swaps that
        mend it alone), ``why`` (what went wrong in a combination, by its swaps).
    """
    try:
        sample.check()
        sample.truth()
        sample.gold()
    except NeptuneError as error:
        return {"blame": None, "why": {"": error.one_line()}}
    right: dict[Swaps, bool] = {frozenset(): False}
    why: dict[str, str] = {}
    for size in range(1, len(SWAPS) + 1):
        for chosen in combinations(SWAPS, size):
            swaps = frozenset(chosen)
            right[swaps], problem = swapper.right(task, sample, record.get("program"), swaps)
            if problem:
                why["+".join(chosen)] = problem
    shares = shapley(right)
    most = max(shares.values())
    to_blame = [culprit for culprit in CULPRITS if shares[culprit] > most - 1e-9]
    found = {
        "blame": " and ".join(to_blame),
        "shares": {culprit: round(share, 4) for culprit, share in shares.items()},
        "mended_by": [swap for swap in SWAPS if right[frozenset({swap})]],
    }
    return found | ({"why": why} if why else {})


def shapley(right: Mapping[Swaps, bool]) -> dict[str, float]:
    """Return culprit → its share of one error, from which combinations of swaps mend it.

    Shares may be negative: a swap can spoil what another one mends. They add up to 1 with the logic's, which is 1
    where all swaps together do not mend the error.
    """
    n = len(SWAPS)
    shares = {}
    for swap, culprit in SWAPS.items():
        others = [s for s in SWAPS if s != swap]
        share = 0.0
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for chosen in combinations(others, size):
                share += weight * (right[frozenset({*chosen, swap})] - right[frozenset(chosen)])
        shares[culprit] = share
    return shares | {"logic": 1.0 - float(right[frozenset(SWAPS)])}


def summarise_attribution(records: Sequence[Record]) -> dict[str, Any]:
    """Return the table of blame over the records that were examined.

    ``wrong`` (all that are not right), ``outcomes`` (what became of these: answered, abstained, error → how many),
    ``explained``, ``unknown``, and ``by``: culprit → ``share`` (its part of the
    explained errors, in errors), ``mainly`` (errors of which it has the largest share) and ``mended_alone`` (errors
    that the true part mends by itself; ``None`` for the logic).
    """
    found = [r["blame"] for r in records if r.get("blame")]
    if not found:
        return {}
    explained = [b for b in found if b.get("blame")]
    by = {}
    for culprit in CULPRITS:
        swap = next((s for s, c in SWAPS.items() if c == culprit), None)
        by[culprit] = {
            "share": round(sum(b["shares"][culprit] for b in explained), 4),
            "mainly": sum(culprit in b["blame"].split(" and ") for b in explained),
            "mended_alone": None if swap is None else sum(swap in b["mended_by"] for b in explained),
        }
    outcomes = Counter(outcome_of(r) for r in records if r.get("correct") is False)
    wrong = {"wrong": outcomes.total(), "outcomes": dict(outcomes)}
    return {**wrong, "explained": len(explained), "unknown": len(found) - len(explained), "by": by}
