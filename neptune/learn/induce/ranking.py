"""Which rules come first: how well they fit, how short they are, and how much of a coincidence they would be.

A weighted grammar gives each rule its length in bits: what its form costs, and for each literal the choice of a word.
Positive pictures were chosen among those of which the rule is true. A rule that is true of few pictures, and of all
positive ones, is hardly so by chance: each positive picture counts for as many bits as the rule is rare, each negative
one as its opposite is. How rare it is, is estimated on scenes made at random of the objects that were seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neptune.learn.induce.rules import Rule, value
from neptune.learn.induce.search import Found, logs
from neptune.learn.induce.tables import LIMIT, Floats, Tables, Words

WEIGHTS: Mapping[str, float] = {
    "exists": 1.0,
    "pair": 2.0,
    "both": 3.0,
    "no": 3.0,
    "at_least": 4.0,
    "exactly": 5.0,
    "more": 5.0,
    "negation": 2.5,
    "literal": 0.5,
}
"""What forms, negations and literals cost in bits, beside the choice of a word."""
SCENES = 400
"""Random scenes on which it is estimated how rare a rule is."""
ASTRAY = 0.02
_RANKED = 600
_ALIKE = 0.985
_SHRINK = 4.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A rule, and why it stands where it stands.

    Parameters
    ----------
    rule
        The rule.
    score
        Bits: what the pictures say for it (:func:`evidence`) less `bits`.
    fit
        The logarithm (base 2) of how probable the given answers are by it, ≤ 0.
    bits
        Its length in the grammar.
    share
        Of how many random scenes it is true, in (0, 1).
    values
        How true it is of each picture, logits ``(P,)``.
    """

    rule: Rule
    score: float
    fit: float
    bits: float
    share: float
    values: Floats


def bits_of(rule: Rule, words: Words, weights: Mapping[str, float] = WEIGHTS) -> float:
    """Return the length of a rule in the grammar, in bits."""
    literals = [*rule.first, *rule.second]
    negations = sum(denied for _, denied in literals)
    if rule.form == "no" and negations == 1:
        negations = 0  # "all that is … is …" denies nothing
    choices = len(literals) * np.log2(max(len(words.unary), 2)) + (rule.relation >= 0) * np.log2(
        max(2 * len(words.binary), 2)
    )
    order = np.log2(np.arange(1, len(rule.first) + 1)).sum() + np.log2(np.arange(1, len(rule.second) + 1)).sum()
    own = weights[rule.form] + weights["negation"] * negations + weights["literal"] * rule.literals
    return float(own + choices - order)


def ranked(
    found: Found,
    tables: Tables,
    positive: NDArray[np.bool_],
    words: Words,
    top: int,
    seed: int = 0,
    weights: Mapping[str, float] = WEIGHTS,
) -> list[Ranked]:
    """Return the best rules, best first, of those that say nearly the same only the best.

    Parameters
    ----------
    found
        What the search found.
    tables, positive, words
        The pictures, which of them are positive, and what rules are made of.
    top
        The most rules returned.
    seed
        Of the random scenes.
    weights
        The grammar's.
    """
    near = sorted(found.near().items(), key=lambda item: bits_of(item[0], words, weights) - item[1][0])[:_RANKED]
    scenes = imagined(tables, words, np.random.default_rng(seed))
    rows: list[tuple[Ranked, NDArray[np.bool_]]] = []
    for rule, (fit, values) in near:
        true = value(scenes, rule) > 0
        share = (float(true.sum()) + 0.5) / (len(true) + 1.0)
        bits = bits_of(rule, words, weights)
        rows.append((Ranked(rule, evidence(values, positive, share) - bits, fit, bits, share, values), true))
    rows.sort(key=lambda row: (-row[0].score, row[0].bits))
    chosen: list[tuple[Ranked, NDArray[np.bool_]]] = []
    for row, true in rows:
        if len(chosen) == top:
            break
        decided = row.values > 0
        if not any(((c.values > 0) == decided).all() and (t == true).mean() > _ALIKE for c, t in chosen):
            chosen.append((row, true))
    return [row for row, _ in chosen]


def evidence(values: Floats, positive: NDArray[np.bool_], share: float) -> float:
    """Return how much likelier the pictures are by a rule that is true of a share of all than by chance, in bits.

    One picture in fifty is taken to be seen wrongly, or not chosen by the rule.
    """
    p = 1.0 / (1.0 + np.exp(-values.astype(np.float64)))
    chosen = np.where(positive, p / share, (1.0 - p) / (1.0 - share))
    return float(np.log2(ASTRAY + (1.0 - ASTRAY) * chosen).sum())


def imagined(tables: Tables, words: Words, rng: np.random.Generator) -> Tables:
    """Return scenes made at random: each is laid out as one of the pictures, with other values.

    The values of a sort exclude each other, sorts are independent, and neither hangs on the place: what a rule joins is
    together by chance. That pictures differ as wholes, that in some all is square, is kept: no rule is needed to
    explain it. So are the places: "what touches the bottom is near a wall" is so in any picture, no coincidence.
    """
    like = rng.integers(len(tables.there), size=SCENES)
    there = tables.there[like]
    n = there.shape[1]
    unary = np.where(tables.unary[:, like] > 0, np.float32(LIMIT), np.float32(-LIMIT))
    groups: dict[str, list[int]] = {}
    for k, name in enumerate(words.unary):
        if name in words.sort_of:
            groups.setdefault(words.sort_of[name], []).append(k)
    for members in groups.values():
        shares = np.stack([_shares(tables.unary[k] > 0, tables.there) for k in members])  # (V, P)
        ends = np.cumsum(shares[:, like], axis=0)
        drawn = (rng.uniform(size=(SCENES, n))[None] * ends[-1][None, :, None] > ends[:, :, None]).sum(axis=0)
        for place, k in enumerate(members):
            unary[k] = np.where(drawn == place, LIMIT, -LIMIT)
    binary = np.where(tables.binary[:, like] > 0, np.float32(LIMIT), np.float32(-LIMIT))
    others = ~np.eye(n, dtype=np.bool_)
    for k, name in enumerate(words.binary):
        ways = words.compares.get(name, ())
        if ways and all(v in words.unary for way in ways for v in way):
            at = {v: unary[words.unary.index(v)] > 0 for way in ways for v in way}
            related = np.any([at[a][:, :, None] & at[b][:, None, :] for a, b in ways], axis=0)
            binary[k] = np.where(related & others, LIMIT, -LIMIT)
    return Tables(unary, binary, there)


def _shares(true: NDArray[np.bool_], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for each picture the share of places of which something is true, drawn towards that in all: ``(P,)``."""
    axes = tuple(range(1, there.ndim))
    counts, places = (true & there).sum(axis=axes), there.sum(axis=axes)
    overall = (counts.sum() + 1.0) / (places.sum() + 2.0)
    return np.asarray((counts + _SHRINK * overall) / (places + _SHRINK))


def margin(values: Floats, positive: NDArray[np.bool_]) -> float:
    """Return how far apart a rule holds positive and negative pictures: the least probability among the positive ones
    less the largest among the negative ones, in [-1, 1]."""
    p = 1.0 / (1.0 + np.exp(-values.astype(np.float64)))
    least = p[positive].min() if positive.any() else 1.0
    return float(least - (p[~positive].max() if (~positive).any() else 0.0))


def right(values: Floats, positive: NDArray[np.bool_]) -> tuple[int, int]:
    """Return of how many positive, and of how many negative pictures a rule is right."""
    yes, no = logs(values)
    agrees = (yes > no) == positive
    return int(agrees[positive].sum()), int(agrees[~positive].sum())
