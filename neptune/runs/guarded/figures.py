"""What a run's results say of its certificate: how many answers have which guarantee, the audit, sets of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from neptune.guarantees.alarm import Alarm, sampling
from neptune.guarantees.certificate import Certificate
from neptune.runs.evaluate.summary import picture_of
from neptune.runs.record.outcome import ANSWERED, outcome_of

LEVEL = 0.04
"""The chance of a false alarm over a run, beside that of the certificate's own figure being wrong (0.01)."""


def certified_figures(certificate: Certificate, share: float, records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``results.json`` holds of a certificate: its numbers, how many answers have which guarantee, and
    ``audit``.

    Parameters
    ----------
    certificate
        The run's.
    share
        Of what was left to the proxy so much was audited, in [0, 1]; see
        :func:`~neptune.guarantees.alarm.sampling`.
    records
        In the order in which they were answered.

    Returns
    -------
    dict
        ``alpha delta width guarantees audit``; of the audit ``skipped asked wrong`` and the number of ``pictures`` that
        were audited, and where anything was ``seen`` (of a picture's questions the share in which the audit saw a
        mistake, on average), ``at_most`` (what calibration allows of that), ``wealth`` of the bets against it, and
        ``alarm``, with ``rang_at``, the number of pictures, audited or not, where it rang.
    """
    guarantees: Counter[str] = Counter()
    pictures: dict[str, list[float]] = {}
    skipped = asked = wrong = 0
    for record in records:
        guarantees[str(record.get("guarantee") or "none")] += 1
        usage = record.get("usage") or {}
        seen = pictures.setdefault(picture_of(record), [])
        if usage.get("audit_questions"):
            seen.append(float(bool(usage.get("audit_wrong"))))
        skipped += int(usage.get("audit_skipped") or 0)
        asked += int(usage.get("audit_calls") or 0)
        wrong += int(usage.get("audit_wrong") or 0)
    found: dict[str, Any] = {"alpha": certificate.alpha, "delta": certificate.delta, "width": certificate.width}
    found["guarantees"] = dict(sorted(guarantees.items()))
    if certificate.audit is None:
        return found
    means = [sum(seen) / len(seen) for seen in pictures.values() if seen]
    audit: dict[str, Any] = {"skipped": skipped, "asked": asked, "wrong": wrong, "pictures": len(means)}
    at_most = certificate.audit.at_most(sampling(share)[1])
    if share > 0 and not certificate.exact and at_most < 1:
        alarm, rang_at = Alarm(at_most, LEVEL), None
        for number, seen in enumerate(pictures.values(), start=1):
            if seen and alarm.see(sum(seen) / len(seen)) and rang_at is None:
                rang_at = number
        audit |= {"seen": sum(means) / len(means)} if means else {}
        audit |= {"at_most": at_most, "wealth": round(alarm.wealth, 4), "alarm": alarm.rings}
        if alarm.rings:
            audit["rang_at"] = rang_at
    return found | {"audit": audit}


def answer_figures(certificate: Certificate, records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``results.json`` holds of a certificate of answers.

    Returns
    -------
    dict
        ``alpha delta kind randomised n given withheld``; of sets ``sizes`` (size → questions), ``mean_size``, and where
        right answers are known ``covered``, the share of sets that hold them, and ``covered_by_family``.
    """
    rule = certificate.answers
    assert rule is not None
    sizes, why = Counter[int](), Counter[str]()
    covered: dict[str, list[bool]] = {}
    n = given = 0
    for record in records:
        n += 1
        given += outcome_of(record) == ANSWERED
        if "withheld" in record:
            why[str(record.get("why"))] += 1
        kept = record.get("answer_set")
        if isinstance(kept, list):
            sizes[len(kept)] += 1
        if isinstance(record.get("set_covers"), bool):
            covered.setdefault(str(record.get("family")), []).append(record["set_covers"])
    found: dict[str, Any] = {"alpha": certificate.alpha, "delta": certificate.delta, "kind": rule.kind, "n": n}
    found |= {"given": given, "withheld": dict(why.most_common())}
    if rule.kind == "selective":
        return found | {"least_confidence": rule.least_confidence}
    total = sum(sizes.values())
    found |= {"randomised": rule.randomised, "sizes": {str(k): sizes[k] for k in sorted(sizes)}}
    found["mean_size"] = sum(k * v for k, v in sizes.items()) / total if total else None
    if covered:
        every = [hit for hits in covered.values() for hit in hits]
        found["covered"] = sum(every) / len(every)
        found["covered_by_family"] = {
            family: {"n": len(hits), "covered": sum(hits) / len(hits)} for family, hits in sorted(covered.items())
        }
    return found


def warning(figures: Mapping[str, Any]) -> str:
    """Return in words that the alarm has rung; ``""`` where it has not."""
    audit = figures.get("audit", {})
    if not audit.get("alarm"):
        return ""
    return (
        f"ALARM after {audit['rang_at']} pictures: the proxy errs more often than it did in calibration "
        f"({audit['wrong']} of {audit['asked']} audited). These pictures are others: do not rely on the certificate."
    )
