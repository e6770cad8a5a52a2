"""The answers of a padded batch: truths, numbers, objects and values, as one-by-one runs give them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch

from neptune.algebra import counting, iota
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.answer import Answer, TraceStep
from neptune.engine.compile.program import counted_cells
from neptune.engine.evaluate.batched import Group, Job, Padded
from neptune.engine.session.precompiled import Unprepared, after


class Replies:
    """Turns evaluated groups into answers."""

    def __init__(self, padded: Padded[Job]) -> None:
        self.engine, self._padded = padded.run, padded

    def answer(self, group: Group[Job], answers: list[Answer | None]) -> None:
        """Put the answers of a group at their places; leave ``None`` where a question has to be run by itself."""
        note_peak(group)
        self._presuppositions(group)
        by_kind: dict[str, list[int]] = defaultdict(list)
        for b, job in enumerate(group.rows):
            if not group.missing[b]:
                by_kind[job.made.kind].append(b)
        for kind, rows in by_kind.items():
            getattr(self, f"_{kind}")(group, rows, answers)

    def _presuppositions(self, group: Group[Job]) -> None:
        for k in range(group.stages[0].main, len(group.internal)):
            hits = group.decided(k).any(1).tolist()
            best = group.best(k).tolist()
            rows = group.chances[k].tolist()
            for b, job in enumerate(group.rows):
                text = group.stages[b].presupposed[k - group.stages[b].main][1]
                if not hits[b]:
                    if text not in job.failed:
                        job.failed.append(text)
                elif not any(s.source == text for s in job.trace):
                    job.trace.append(
                        TraceStep(0, text, f"object {best[b]}", tuple(rows[b][: len(job.scene)]))
                    )

    def _finish(self, job: Job, value: Any, kind: Any, shown: str, *, p: float | None, **rest: Any) -> Answer:
        made = job.made
        if shown:
            text = made.text[:200] if made.kind == "text" else made.text
            job.trace.append(TraceStep(made.line, text, shown, rest.get("traced")))
        rest.pop("traced", None)
        bounds = None if p is None else (p, p)
        return Answer(
            value,
            kind,
            p,
            bounds,
            trace=tuple(job.trace),
            usage=job.usage,
            tie=job.tie,
            presuppositions=tuple(job.failed),
            notes=made.notes,
            **rest,
        )

    def _truth(self, group: Group[Job], rows: list[int], answers: list[Answer | None]) -> None:
        table, chance = group.internal[0], group.chances[0]
        logic = self.engine.logic
        first = [-1] * len(group.rows)
        if table.dim() > 1:
            first = iota.first_argmax(table, group.keep).tolist()
            at = torch.tensor(first).unsqueeze(1)
            table = table.gather(1, at).squeeze(1)
            chance = logic.to_probability(table)
        yes, ties, values = logic.decide(table).tolist(), logic.is_tie(table).tolist(), chance.tolist()
        many = []
        for b in rows:
            job = group.rows[b]
            if job.made.vars:
                job.objects = [first[b]] if first[b] >= 0 else []
                if yes[b] and len(job.made.vars) > len(job.objects):
                    if job.made.pick is None:
                        many.append(b)
                    else:
                        group.missing[b] = True
        self._witnesses([group.rows[b] for b in many])
        for b in rows:
            job, p = group.rows[b], values[b]
            found = job.objects if yes[b] and job.made.vars else []
            wanted = len(job.made.vars) if yes[b] else 0
            if group.missing[b] or len(found) < wanted or len(set(found)) < len(found):
                continue  # run by itself
            job.tie = ties[b]
            witness = tuple((name, i) for (_, name), i in zip(job.made.vars, found))
            shown = f"{'yes' if yes[b] else 'no'} ({p if yes[b] else 1 - p:.3f})"
            answers[job.at] = self._finish(
                job,
                yes[b],
                "truth",
                shown,
                p=p if yes[b] else 1 - p,
                objects=tuple(dict.fromkeys(found)),
                witness=witness,
            )

    def _witnesses(self, jobs: list[Job]) -> None:
        """Find the other objects of witnesses, one variable of all jobs a round."""
        while True:
            left, stages = [], []
            for job in jobs:
                if len(job.objects) < len(job.made.vars) and len(set(job.objects)) == len(job.objects):
                    try:
                        stages.append(after(job.made, len(job.objects)))
                        left.append(job)
                    except Unprepared:
                        job.objects = [0, 0]  # run by itself
            if not left:
                return
            for group in self._padded.evaluate(left, stages):
                note_peak(group)
                best = group.best(0).tolist()
                for job, i in zip(group.rows, best, strict=True):
                    job.objects.append(i)

    def _objects(self, group: Group[Job], rows: list[int], answers: list[Answer | None]) -> None:
        hits, values = group.decided(0).tolist(), group.chances[0].tolist()
        for b in rows:
            job, n = group.rows[b], len(group.rows[b].scene)
            chosen = tuple(i for i in range(n) if hits[b][i])
            scores = tuple(values[b][:n])
            answers[job.at] = self._finish(
                job, list(chosen), "objects", "", p=None, scores=scores, objects=chosen
            )

    def _number(self, group: Group[Job], rows: list[int], answers: list[Answer | None]) -> None:
        engine, hits, values = self.engine, group.decided(0), group.chances[0].tolist()
        counts = hits.sum(1)
        cells = counted_cells(group.frame, group.internal[0])
        if engine.logic.uses_logits:
            each = counting.at_least_each(cells, None)
            at = each.gather(1, counts.unsqueeze(1)), each.gather(1, counts.unsqueeze(1) + 1)
            chance = engine.logic.to_probability(engine.logic.and_(at[0], engine.logic.not_(at[1])))
        else:
            chance = counting.distribution(cells, 1.0 - cells).gather(1, counts.unsqueeze(1))
        for b in rows:
            job, n, number = group.rows[b], len(group.rows[b].scene), int(counts[b])
            scores = tuple(values[b][:n])
            chosen = tuple(i for i in range(n) if hits[b, i])
            answers[job.at] = self._finish(
                job,
                number,
                "number",
                str(number),
                p=float(chance[b]),
                scores=scores,
                objects=chosen,
                traced=scores,
            )

    def _object(self, group: Group[Job], rows: list[int], answers: list[Answer | None]) -> None:
        logic, cells = self.engine.logic, group.internal[0]
        keep = group.keep
        ranks = logic.ranks(cells)
        best = group.best(0)
        top = ranks.gather(1, best.unsqueeze(1))
        same = (ranks == top) if keep is None else (ranks == top) & keep
        ties, hits = (same.sum(1) > 1).tolist(), group.decided(0).any(1).tolist()
        weights = iota.weights(logic.to_logits(cells), keep, self.engine.parameters.iota_tau).tolist()
        values = group.chances[0].tolist()
        for b in rows:
            job, n, index = group.rows[b], len(group.rows[b].scene), int(best[b])
            job.tie = ties[b]
            if not hits[b] and job.made.text not in job.failed:
                job.failed.append(job.made.text)
            scores = tuple(weights[b][:n])
            answers[job.at] = self._finish(
                job,
                index,
                "object",
                f"object {index}",
                p=scores[index],
                scores=scores,
                objects=(index,),
                traced=tuple(values[b][:n]),
            )

    def _text(self, group: Group[Job], rows: list[int], answers: list[Answer | None]) -> None:
        logic, main = self.engine.logic, group.stages[0].main
        cells = torch.stack(group.internal[:main], 1)
        scores = torch.softmax(logic.to_logits(cells).clamp(-LOGIT_LIMIT, LOGIT_LIMIT), 1)
        best = logic.ranks(cells).argmax(1).tolist()
        ties = ((scores == scores.gather(1, torch.tensor(best).unsqueeze(1))).sum(1) > 1).tolist()
        values = scores.tolist()
        for b in rows:
            job = group.rows[b]
            job.tie, p = ties[b], values[b][best[b]]
            name = job.made.node.values[best[b]]  # type: ignore[attr-defined]
            answers[job.at] = self._finish(job, name, "text", f"{name} ({p:.3f})", p=p)


def note_peak(group: Group[Job]) -> None:
    """Add the cells of the group's largest table to what its questions cost."""
    for job in group.rows:
        job.usage.peak_cells = max(job.usage.peak_cells, group.peak)
