"""The rows of a padded batch, read: truths, numbers, objects and values, as one-by-one runs give them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from dsl import plan
from dsl.plan import Describe, Description, Term, with_terms
from neptune.algebra import counting
from neptune.algebra.arrays import Array, as_tensor, clamped, first_argmax
from neptune.answer import Answer
from neptune.engine.compile.counts import at_least_each
from neptune.engine.context import RunContext
from neptune.engine.evaluate.batched_arrays import Group, PaddedArrays
from neptune.engine.evaluate.stage import NotBatchable
from neptune.engine.evidence.store import Evidence
from neptune.engine.session import readout
from neptune.engine.session.precompiled import Precompiled
from neptune.engine.session.readout import Reading, Record
from neptune.scene import Scene


@dataclass(eq=False)
class Job:
    """One question of a batch: its program, its scene, its policy for what is not there, and what is found on the way
    to its answer (``None``: it has to be run by itself)."""

    made: Precompiled
    scene: Scene
    evidence: Evidence
    presuppositions: str
    objects: list[int] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    answer: Answer | None = None


class Reader:
    """Reads the answers of evaluated groups."""

    def __init__(self, context: RunContext, padded: PaddedArrays[Job]) -> None:
        self._context, self._padded = context, padded

    def answer(self, group: Group[Job]) -> None:
        """Give the questions of a group their answers; leave ``None`` where one has to be run by itself."""
        note_peak(group)
        main = group.stages[0].main
        closed = main + len(group.stages[0].presupposed)
        for k in range(main, closed):
            described = [stage.presupposed[k - main] for stage in group.stages]
            texts = [_filled(*d, job.objects) for d, job in zip(described, group.rows, strict=True)]
            note_described(group, k, texts)
        for k in range(closed, len(group.internal)):
            holds, fits = group.decided(k).tolist(), group.chances[k].tolist()
            for job, stage, held, fit in zip(group.rows, group.stages, holds, fits, strict=True):
                job.record.described(stage.relative[k - closed], not held, False, (fit, fit))
        by_kind: dict[str, list[int]] = defaultdict(list)
        for b, job in enumerate(group.rows):
            if not group.missing[b]:
                by_kind[job.made.need.kind].append(b)
        for kind, rows in by_kind.items():
            readings: list[Reading | None] = getattr(self, f"_{kind}")(group, rows)
            for b, reading in zip(rows, readings, strict=True):
                job, made = group.rows[b], group.rows[b].made
                if reading is not None:
                    job.record.add(reading, made.need.of, made.line, made.text)
                    policy, believed = job.presuppositions, self._context.parameters.believed
                    job.answer = readout.answer(reading, job.record, made.names, made.notes, policy, believed)

    def _truth(self, group: Group[Job], rows: list[int]) -> list[Reading | None]:
        table, chance, logic = group.internal[0], group.chances[0], group.logic
        first = [-1] * len(group.rows)
        if table.ndim > 1:
            first = group.best(0).tolist()
            table = table[group.each, first_argmax(table, group.keep)]
            chance = logic.to_probability(table)
        yes, ties, values = logic.decide(table).tolist(), np.equal(table, logic.middle).tolist(), chance.tolist()
        for b in rows:
            job = group.rows[b]
            if job.made.chain:
                job.objects = [first[b]] if first[b] >= 0 else []
        self._seek([group.rows[b] for b in rows if yes[b] and group.rows[b].made.choice is None])
        readings: list[Reading | None] = []
        for b in rows:
            job = group.rows[b]
            chain = job.made.chain if yes[b] else ()
            found = job.objects if chain else []
            if len(found) < len(chain) or len(set(found)) < len(found):
                readings.append(None)  # run by itself
                continue
            witness = tuple(zip(chain, found, strict=False))
            readings.append(readout.truth(values[b], values[b], (yes[b], yes[b]), ties[b], witness))
        return readings

    def _seek(self, jobs: list[Job]) -> None:
        """Find the other objects of witnesses, one variable of all jobs a round."""
        while True:
            left, stages = [], []
            for job in jobs:
                if len(job.objects) < len(job.made.chain) and len(set(job.objects)) == len(job.objects):
                    try:
                        stages.append(job.made.after(len(job.objects)))
                        left.append(job)
                    except NotBatchable:
                        job.objects = [0, 0]  # run by itself
            if not left:
                return
            for group in self._padded.evaluate(left, stages):
                note_peak(group)
                for job, i in zip(group.rows, group.best(0).tolist(), strict=True):
                    job.objects.append(i)

    def _objects(self, group: Group[Job], rows: list[int]) -> list[Reading]:
        hits, values = group.decided(0).tolist(), group.chances[0].tolist()
        sizes = [len(job.scene) for job in group.rows]
        return [readout.objects(_true(hits[b]), tuple(values[b][: sizes[b]])) for b in rows]

    def _number(self, group: Group[Job], rows: list[int]) -> list[Reading]:
        logic, cells, hits, values = group.logic, group.internal[0], group.decided(0), group.chances[0].tolist()
        counts = hits.sum(1)
        if group.keep is not None:  # padding never counts
            cells = np.where(group.keep, cells, cells.dtype.type(logic.bottom))
        if logic.uses_logits:
            each = at_least_each(cells)
            least, more = each[group.each, counts], each[group.each, counts + 1]
            chance = logic.to_probability(logic.and_(least, logic.not_(more)))
        else:
            p = as_tensor(cells)
            chance = counting.distribution(p, 1.0 - p).detach().numpy()[group.each, counts]
        numbers, chances, true = counts.tolist(), chance.tolist(), hits.tolist()
        sizes = [len(job.scene) for job in group.rows]
        return [
            readout.number(numbers[b], numbers[b], chances[b], tuple(values[b][: sizes[b]]), _true(true[b]))
            for b in rows
        ]

    def _object(self, group: Group[Job], rows: list[int]) -> list[Reading]:
        logic, cells, keep = group.logic, group.internal[0], group.keep
        ranks, best = logic.ranks(cells), group.best(0)
        same = ranks == ranks[group.each, best][:, None]
        ties = ((same if keep is None else same & keep).sum(1) > 1).tolist()
        hits, fits = group.decided(0).sum(1).tolist(), _fits(group, 0)
        weights = logic.weights(logic.to_logits(cells), group.iota_tau, keep).tolist()
        values = group.chances[0].tolist()
        sizes = [len(job.scene) for job in group.rows]
        return [
            readout.described(
                int(best[b]),
                tuple(weights[b][: sizes[b]]),
                tuple(values[b][: sizes[b]]),
                ties[b],
                not hits[b],
                hits[b] > 1,
                (fits[b], fits[b]),
            )
            for b in rows
        ]

    def _text(self, group: Group[Job], rows: list[int]) -> list[Reading]:
        logic, node = group.logic, group.rows[rows[0]].made.settled
        assert isinstance(node, Describe)
        k = len(node.values)
        cells = np.stack(group.internal[:k], 1)
        scores = logic.choice(clamped(logic.to_logits(cells)))
        at = logic.ranks(cells).argmax(1)
        ties, best = ((scores == scores[group.each, at][:, None]).sum(1) > 1).tolist(), at.tolist()
        values = (scores if node.about is None else _mixture(group, node, k).astype(scores.dtype)).tolist()
        hits, chances = logic.decide(cells).sum(1).tolist(), np.stack(group.chances[:k], 1).max(1).tolist()
        readings = []
        for b in rows:
            made = group.rows[b].made
            reading = readout.text(made.need.of.values[best[b]], values[b][best[b]], ties[b])
            if made.need.of.presupposes and node.about is None:
                fit = chances[b], chances[b]
                reading = replace(reading, unmatched=not hits[b], several=hits[b] > 1, fit=fit)
            readings.append(reading)
        return readings


def _mixture(group: Group[Job], node: Describe, k: int) -> Array:
    """Return the distribution over the values of the object meant, the objects weighed, ``(B, K)``; see
    :func:`neptune.algebra.iota.mixture`."""
    assert node.about is not None
    logic, stage = group.logic, group.stages[0]
    at = stage.main + [text for text, _ in stage.presupposed].index(node.about[1])
    said = clamped(logic.to_logits(np.stack(group.internal[k : 2 * k], -1)).astype(np.float64))
    fits = logic.to_logits(group.internal[at]).astype(np.float64)
    found: Array = (logic.weights(fits, group.iota_tau, group.keep)[..., None] * logic.softmax(said)).sum(-2)
    return found


def _filled(description: Description, text: str, objects: list[int]) -> str:
    """Return the text of a description with the object that was chosen first, if it speaks of it by its place."""
    if not objects or "object " not in text:
        return text
    return plan.show(plan.transform(description, lambda node: with_terms(node, partial(_at, objects))))


def _at(objects: list[int], term: Term) -> Term:
    return objects[term] if isinstance(term, int) else term


def note_peak(group: Group[Job]) -> None:
    """Add the cells of the largest table that each question needs to what it cost."""
    for job, peak in zip(group.rows, group.peaks, strict=True):
        job.record.usage.peak_cells = max(job.record.usage.peak_cells, peak)


def note_described(group: Group[Job], k: int, texts: list[str], chosen: bool = False) -> list[int]:
    """Add the descriptions whose bodies are the k-th truth, one a row, to the records: as unmatched, or with the object
    that fits best, a `chosen` one in any case. Return those objects."""
    hits = group.decided(k).sum(1).tolist()
    best: list[int] = group.best(k).tolist()
    values, fits = group.chances[k].tolist(), _fits(group, k)
    logits = group.logic.to_logits(group.internal[k])
    weights = group.logic.weights(logits, group.iota_tau, group.keep).tolist() if chosen else []
    for b, job in enumerate(group.rows):
        job.record.described(texts[b], not hits[b], hits[b] > 1, (fits[b], fits[b]))
        if chosen:
            weight = weights[b][best[b]]
            job.record.doubts["chosen", texts[b]] = weight, weight
        if hits[b] or chosen:
            job.record.step(0, texts[b], f"object {best[b]}", tuple(values[b][: len(job.scene)]))
    return best


def _fits(group: Group[Job], k: int) -> list[float]:
    """Return for each row how true it is that some object fits the k-th truth."""
    chances, keep = group.chances[k], group.keep
    fits: list[float] = (chances if keep is None else np.where(keep, chances, 0.0)).max(1).tolist()
    return fits


def _true(hits: list[bool]) -> list[int]:
    return [i for i, hit in enumerate(hits) if hit]
