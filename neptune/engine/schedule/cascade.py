"""The certified cascade: a question is answered alone, by a proxy's intervals, and the oracle where they leave it open.

Nothing here decides: the schedule asks and stops as it does without a proxy, only that what is not asked is narrower
than [0, 1]. On some pictures the oracle is asked about a part of what was left to the proxy all the same (the audit);
what it says there is counted, and never enters the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dsl.plan import Atom
from neptune.algebra.late import torch
from neptune.answer import Answer, Usage
from neptune.engine.context import RunContext, Schedule
from neptune.engine.evaluate.executor import atoms_of
from neptune.engine.evidence.indexing import all_flat, unflatten
from neptune.engine.evidence.narrowed import NarrowedEvidence, ProxyEstimates, Remembering
from neptune.engine.evidence.replies import scores_of
from neptune.engine.evidence.store import Evidence
from neptune.engine.evidence.tables import Table
from neptune.engine.schedule.stopping import Goal
from neptune.guarantees.alarm import sampling
from neptune.scene.types import FloatArray, IntArray, request_of


def begin(context: RunContext, known: Evidence) -> tuple[RunContext, NarrowedEvidence]:
    """Return what one question is answered with, alone: evidence of its own, and guesses that no other question taught.

    Parameters
    ----------
    context
        With a narrowing.
    known
        What the oracle has said of the scene: it is not asked the same again, and none of it is used unasked.
    """
    assert context.narrowing is not None
    evidence = NarrowedEvidence(known, context.narrowing)
    return (
        replace(
            context,
            oracle=Remembering(context.oracle, known),
            estimates=ProxyEstimates(evidence, context.wording, context.estimates),
            schedule=context.schedule or Schedule(),
        ),
        evidence,
    )


def end(answer: Answer, context: RunContext, evidence: NarrowedEvidence, goals: Sequence[Goal]) -> Answer:
    """Return the answer with what is to be said of it: audited, and what the proxy could not help with.

    Parameters
    ----------
    answer
        As the intervals decided it.
    context, evidence
        Of :func:`begin`.
    goals
        What was decided on the way.
    """
    assert context.narrowing is not None
    if context.narrowing.audit:
        _audit(context, evidence, goals, answer.usage)
    notes = tuple(f"the proxy can say nothing of '{text}'" for text in evidence.silent)
    return replace(answer, certified=True, notes=(*answer.notes, *notes))


def _audit(context: RunContext, evidence: NarrowedEvidence, goals: Sequence[Goal], usage: Usage) -> None:
    """Ask a part of what was left to the proxy, if the picture is one of those that are audited, and count what is
    otherwise than it had it."""
    assert context.narrowing is not None
    pictures, part = sampling(context.narrowing.audit)
    audited = bool(_random(context, evidence, "").random() < pictures)
    usage.audit_questions = int(audited)
    atoms: dict[Table, Atom] = {}
    for goal in goals:
        for atom in atoms_of(goal.node):
            question = context.wording.question(atom.predicate)
            if question.boxes is None:
                atoms.setdefault(evidence.table(question, atom.predicate.symmetric), atom)
    for table, atom in atoms.items():
        flat = all_flat(len(evidence.scene), table.question.arity, table.symmetric)
        flat = flat[~table.asked.reshape(-1)[flat]]
        flat = np.array([k for k in flat.tolist() if k in table.bounds], dtype=np.int64)
        usage.audit_skipped += len(flat)
        if not audited:
            continue
        drawn = flat[_random(context, evidence, table.question.key).random(len(flat)) < part]
        if not len(drawn):
            continue
        logits = _asked(context, evidence, table, drawn, usage)
        name = atom.predicate.name or "default"
        ends = np.array([table.bounds[k] for k in drawn.tolist()], dtype=np.float32)
        low, high, said = (
            context.parameters.calibrate(torch.from_numpy(np.ascontiguousarray(x)), name).numpy()
            for x in (ends[:, 0], ends[:, 1], logits)
        )
        usage.audit_calls += len(drawn)
        usage.audit_wrong += int(((low > 0) & (said <= 0) | (high <= 0) & (said > 0)).sum())


def _random(context: RunContext, evidence: NarrowedEvidence, words: str) -> np.random.Generator:
    """Return random numbers: the same for the same picture, words and seed."""
    seed = context.narrowing.seed if context.narrowing is not None else 0
    digest = hashlib.sha256(f"{seed}\0{evidence.scene.name}\0{words}\0".encode())
    digest.update(evidence.scene.boxes.tobytes())  # scenes without a picture may have one name
    return np.random.default_rng(int.from_bytes(digest.digest()[:8], "big"))


def _asked(context: RunContext, evidence: NarrowedEvidence, table: Table, flat: IntArray, usage: Usage) -> FloatArray:
    """Return what the oracle says of some ground atoms: asked past all that is kept, so that no answer knows it."""
    oracle = context.oracle
    assert isinstance(oracle, Remembering)
    logits = oracle.known(table.question, flat)
    fresh = np.isnan(logits)
    if fresh.any():
        objects = unflatten(flat[fresh], table.logits.shape)
        (scores,) = scores_of(oracle.inner, [request_of(evidence.scene, table.question, objects)])
        usage.add(scores.cost)
        usage.oracle_calls += int(fresh.sum())
        logits[fresh] = scores.logits
    return logits
