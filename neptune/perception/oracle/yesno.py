"""Yes and no, in every spelling: from the distribution of a model's first token to one logit and its mass.

"Yes", " yes", "YES", "▁Yes", "yes." are one answer. A language model spreads its probability over all of them, so
the logit is that of the sums, ``logsumexp(yes) - logsumexp(no)``; the mass, the probability of both sums together,
says how far the model answered the question at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from neptune.errors import OracleError
from neptune.servers.listed import Listing

if TYPE_CHECKING:
    from torch import Tensor

_AROUND = " \t\r\n\u00a0\u2581\u0120\u010a\u0109" + ".,;:!?…*_`'\"“”‘’«»()[]{}-–—"
"""What may stand around the word: space as text, as SentencePiece (▁) and as byte-level BPE write it (Ġ Ċ ĉ), and
punctuation. Not ``#`` (WordPiece's "inside a word") and not ``<>`` (control tokens)."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """The token ids that mean yes and those that mean no; each at least one, in ascending order."""

    yes: tuple[int, ...]
    no: tuple[int, ...]


class YesNo(NamedTuple):
    """What a distribution over first tokens says.

    Parameters
    ----------
    logit
        ``log P(yes) - log P(no)``; NaN where neither occurs, or what is known does not settle which is likelier.
    mass
        ``P(yes) + P(no)`` over all spellings that are known, in [0, 1].
    low, high
        Where the logit is NaN, what is known of it all the same: its bounds.
    """

    logit: float
    mass: float
    low: float = -math.inf
    high: float = math.inf


def meaning(token: str) -> Literal["yes", "no"] | None:
    """Return what a token means: ``"yes"``, ``"no"``, or ``None`` for anything else.

    >>> meaning(" Yes"), meaning("▁no,"), meaning("**NO**"), meaning("not")
    ('yes', 'no', 'no', None)
    """
    word = token.strip(_AROUND).casefold()
    if word == "yes":
        return "yes"
    return "no" if word == "no" else None


def buckets(vocabulary: Mapping[str, int], special: Iterable[int] = ()) -> Buckets:
    """Return the ids of all spellings of yes and no in a vocabulary.

    Parameters
    ----------
    vocabulary
        Token → id, as ``tokenizer.get_vocab()`` gives it (tokens as the tokenizer writes them: ``"ĠYes"``).
    special
        Ids of control tokens, which are never an answer.

    Raises
    ------
    OracleError
        If there is no single token for yes, or none for no.
    """
    barred = set(special)
    found: dict[str, list[int]] = {"yes": [], "no": []}
    for token, number in vocabulary.items():
        kind = meaning(token)
        if kind is not None and number not in barred:
            found[kind].append(number)
    for word, ids in found.items():
        if not ids:
            raise OracleError(
                f"The tokenizer has no token for '{word}'",
                expected="'yes' and 'no' each as one token, in some spelling",
                hint="Use another model: yes/no scores are read from the first token of the answer",
            )
    return Buckets(tuple(sorted(found["yes"])), tuple(sorted(found["no"])))


def from_logits(logits: Tensor, known: Buckets) -> tuple[Tensor, Tensor]:
    """Return logits and masses of many next-token distributions.

    Parameters
    ----------
    logits
        Unnormalised log-probabilities of the next token, shape ``(B, V)``.
    known
        The ids of yes and no, each below V.

    Returns
    -------
    tuple
        ``log P(yes) - log P(no)`` and ``P(yes) + P(no)``, each of shape ``(B,)``, float32. A row with NaN in it gives
        NaN and a mass of 0: missing evidence.
    """
    import torch

    logits = logits.float()
    yes, no = (logits[:, list(ids)].logsumexp(-1) for ids in (known.yes, known.no))
    total = logits.logsumexp(-1)
    mass = (torch.logaddexp(yes, no) - total).exp().clamp(0.0, 1.0)
    broken = total.isnan()
    return (yes - no).masked_fill(broken, math.nan), mass.masked_fill(broken, 0.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server's list of first tokens says of yes and no: bounds, and a number only where they settle its sign.

    A word that is not listed, or not in all its spellings, is bounded by what the list leaves, 1 − Σ listed, and in a
    complete list by its smallest entry.

    Parameters
    ----------
    yes, no
        (lower, upper) bounds of P(yes) and of P(no) over all spellings, in [0, 1].
    cautious_yes, cautious_no
        The value that counts where the sign is settled: what is listed of the word, or, where none of it is, the bound.
    """

    yes: tuple[float, float]
    no: tuple[float, float]
    cautious_yes: float
    cautious_no: float

    @property
    def log_yes(self) -> tuple[float, float]:
        """(lower, upper) bounds of log P(yes); −∞ where it may be 0."""
        return _log(self.yes[0]), _log(self.yes[1])

    @property
    def log_no(self) -> tuple[float, float]:
        """(lower, upper) bounds of log P(no)."""
        return _log(self.no[0]), _log(self.no[1])

    @property
    def margin(self) -> tuple[float, float]:
        """(lower, upper) bounds of log P(yes) − log P(no); ±∞ where one of them may be 0."""
        low = self.log_yes[0] - self.log_no[1] if self.no[1] else math.inf
        high = self.log_yes[1] - self.log_no[0] if self.no[0] else math.inf
        return low, high

    @property
    def settled(self) -> bool:
        """Whether the bounds leave one sign of the margin alone, or one number (within rounding)."""
        low, high = self.margin
        return low > 0 or high < 0 or high - low < ROUNDING

    @property
    def heard(self) -> bool:
        """Whether yes or no was listed at all."""
        return bool(self.yes[0] or self.no[0])

    def said(self) -> YesNo:
        """Return logit and mass: NaN with its bounds where the sign is not settled, for such a cell is unknown."""
        mass = min(self.yes[0] + self.no[0], 1.0)
        if not self.settled:
            return YesNo(math.nan, mass, *self.margin)
        return YesNo(math.log(self.cautious_yes) - math.log(self.cautious_no), mass)


SPELLINGS = 12
"""No vocabulary has more single tokens for one of the two words than this."""

ROUNDING = 1e-5
"""Margins as close as this are one number."""

SLACK = 1.2e-7
"""Log-probabilities come in single precision: what a list leaves is known up to this."""


def from_listing(found: Listing) -> Reading:
    """Return the bounds of yes and no that a list of first tokens gives.

    >>> reading = from_listing(Listing((("Yes", -0.0001),)))           # one entry alone: P(no) is 0.0001 at most
    >>> reading.settled, round(reading.said().logit, 1)
    (True, 9.2)
    >>> from_listing(Listing((("Yes", -1.0), ("The", -2.0)))).settled  # what is not listed may be no, and more
    False
    """
    listed: dict[str, list[float]] = {"yes": [], "no": []}
    for token, value in found.entries:
        kind = meaning(token)
        if kind is not None:
            listed[kind].append(math.exp(value))
    total = math.fsum(math.exp(value) for _, value in found.entries)
    # Values that add up to more than 1 are not normalised: they compare with each other, and bound nothing else.
    rest = max(1.0 - total, 0.0) + SLACK if total < 1.05 else 1.0 if not all(listed.values()) else 0.0
    hidden = {meaning(token) for token in found.hidden}
    ceiling = math.exp(found.ceiling)
    ends: dict[str, tuple[float, float]] = {}
    cautious: dict[str, float] = {}
    for word, values in listed.items():
        mine = min(math.fsum(values), 1.0)
        bound = rest if word in hidden else min(rest, ceiling * max(SPELLINGS - len(values), 1))
        ends[word] = mine, min(mine + bound, 1.0)
        cautious[word] = mine or (rest if word in hidden else min(rest, ceiling))
    return Reading(ends["yes"], ends["no"], cautious["yes"], cautious["no"])


def from_top(top: Iterable[tuple[str, float]]) -> YesNo:
    """Return logit and mass of a complete list of the likeliest tokens: see :class:`Reading`.

    Parameters
    ----------
    top
        (token, log-probability) pairs, in any order; what is no finite number is left out.

    >>> from_top([("Yes", -0.2), (" yes", -2.0), ("No", -4.0)]).logit > 3.8
    True
    """
    values = [(token, value) for token, value in top if math.isfinite(value)]
    return from_listing(Listing(tuple(values), (), min((value for _, value in values), default=0.0))).said()


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
