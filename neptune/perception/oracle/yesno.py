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
        ``log P(yes) - log P(no)``; NaN where neither occurs.
    mass
        ``P(yes) + P(no)`` over all spellings, in [0, 1].
    """

    logit: float
    mass: float


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


def from_top(top: Iterable[tuple[str, float]]) -> YesNo:
    """Return logit and mass of the likeliest tokens, as servers list them (``top_logprobs``).

    Where only one of yes and no is listed, the other is at most as likely as the least likely token listed; that
    bound takes its place, so that the logit is a cautious one: never farther from 0 than the truth, but for further
    unlisted spellings. Where neither is listed there is no evidence: NaN, and a mass of 0.

    Parameters
    ----------
    top
        (token, log-probability) pairs, in any order.

    >>> from_top([("Yes", -0.2), (" yes", -2.0), ("No", -4.0)]).logit > 3.8
    True
    """
    listed = [(token, value) for token, value in top if math.isfinite(value)]
    by_kind: dict[str, list[float]] = {"yes": [], "no": []}
    for token, value in listed:
        kind = meaning(token)
        if kind is not None:
            by_kind[kind].append(value)
    if not by_kind["yes"] and not by_kind["no"]:
        return YesNo(math.nan, 0.0)
    least = min(value for _, value in listed)
    yes, no = (_logsumexp(values) if values else least for values in by_kind.values())
    mass = sum(math.exp(value) for values in by_kind.values() for value in values)
    return YesNo(yes - no, min(mass, 1.0))


def _logsumexp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
