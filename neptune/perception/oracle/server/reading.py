"""What a chat completion says: yes or no by its log-probabilities or by samples, a short text, one of the choices."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from neptune.perception.oracle.yesno import Reading, YesNo, from_listing, meaning
from neptune.scene.types import Cost
from neptune.servers import listed as lists
from neptune.servers import replies
from neptune.servers.client import EmptyAnswerError, RequestFailedError, UnusableError, short, tokens_of
from neptune.servers.readers import UNREADABLE, verdict

THINKING = (
    "the model was cut off while it was thinking: set vlm_options.request to "
    '{"chat_template_kwargs": {"enable_thinking": false}}, or take a model that does not think'
)


def texts(response: Any) -> list[str]:
    """Return the text of each choice of a response, without what a model thought aloud before it.

    Raises
    ------
    UnusableError
        If it is no chat completion.
    RequestFailedError
        If the model or a filter refused, or the text ends within a thought.
    """
    return [_heard(choice).text for choice in choices(response)]


def _heard(choice: Any) -> replies.Said:
    said = replies.said(choice)
    if said.error:
        raise UnusableError(f"the server says: {short(said.error)}")
    if said.refusal is not None:
        reason = "the model refused" + (f": {short(said.refusal)}" if said.refusal else "")
        raise RequestFailedError(reason, answered=True)
    if said.cut:
        raise RequestFailedError(THINKING, answered=True)
    return said


def first_text(response: Any) -> str:
    """Return the text of the first choice.

    Raises
    ------
    UnusableError
        If it is no chat completion, or empty.
    RequestFailedError
        As :func:`texts`.
    """
    text = texts(response)[0]
    if not text.strip():
        raise EmptyAnswerError("the answer is empty")
    return text


def choices(response: Any) -> list[Any]:
    """Return the choices of a response, at least one.

    Raises
    ------
    UnusableError
        If it is no chat completion.
    """
    found = replies.choices(response)
    if not found:
        raise UnusableError("the answer is no chat completion")
    return found


def yes_no(response: Any, asked: int | None = None) -> Reading | None:
    """Return what the first token of the answer says; ``None`` where there is a text but no log-probabilities.

    Parameters
    ----------
    response
        A chat completion.
    asked
        How many of the likeliest tokens were asked for: a list of so many is complete.

    Raises
    ------
    UnusableError
        If there is nothing to read, or the log-probabilities are nonsense.
    RequestFailedError
        If the model or a filter refused.
    """
    choice = choices(response)[0]
    said = _heard(choice)
    at = lists.positions(lists.get(choice, "logprobs"))
    if said.thought:  # the first token is the thought's, and only what follows its end is the answer's
        at = _after_thought(at)
    while len(at) > 1 and isinstance(at[0][0], str) and not replies.clean(at[0][0]).text:
        at = at[1:]  # a control token, which the model had no choice about
    try:
        found = lists.listing(at[0], asked) if at else None
    except ValueError as error:
        raise UnusableError("the log-probabilities are nonsense") from error
    if found is None and not said.text.strip():
        raise EmptyAnswerError("the answer is empty")
    return None if found is None else from_listing(found)


def _after_thought(at: list[tuple[Any, Any, Any]]) -> list[tuple[Any, Any, Any]]:
    """Return the positions from the first word of the answer on; [] where its place is not known."""
    so_far = ""
    for k, (token, *_) in enumerate(at):
        if not isinstance(token, str):
            return []
        bare = replies.clean(so_far)
        if bare.thought and not bare.cut and not bare.text.strip() and token.strip() and "<" not in token:
            return at[k:]
        so_far += token
    return []


def sampled(votes: Sequence[str]) -> YesNo:
    """Return the logit of n answers of which k say yes and m yes or no; NaN for m = 0.

    The logit is ``log((k + ½) / (m - k + ½))``, finite for all k and nearly unbiased; its variance is about
    ``1 / (k + ½) + 1 / (m - k + ½)`` (J. B. S. Haldane 1956; J. J. Gart and J. R. Zweifel 1967). The mass is m / n: an
    answer that can not be read is no vote.
    """
    means = [_vote(vote) for vote in votes]
    yes, no = means.count(True), means.count(False)
    if not yes + no:
        return YesNo(math.nan, 0.0)
    return YesNo(math.log((yes + 0.5) / (no + 0.5)), (yes + no) / len(votes))


def _vote(text: str) -> bool | None:
    said = verdict(text)
    if said is not UNREADABLE:
        return said
    first = meaning(word[0]) if (word := text.split(None, 1)) else None
    others = {meaning(part) for part in text.split()} - {None, first}
    return None if first is None or others else first == "yes"


class Took(list[Cost]):
    """What the requests for one cell cost, and in ``replies`` what came back."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[Any] = []


def noting(took: Took, reader: Any) -> Any:
    """Return a reader that also notes what it reads and its tokens, usable or not."""

    def noting(response: Any) -> Any:
        took.append(Cost(0, *tokens_of(response)))
        took.replies.append(response)
        return reader(response)

    return noting


def raw(response: Any) -> str:
    """Return a response's choices as JSON, or what it is instead of a chat completion, for a person to read."""
    found = [
        c.model_dump(exclude_none=True, warnings=False) for c in replies.choices(response) if hasattr(c, "model_dump")
    ]
    return json.dumps(found, ensure_ascii=False, default=str) if found else str(response)


def listed(response: Any, asked: int | None = None) -> Reading:
    """Return what :func:`yes_no` does; an answer without log-probabilities is of no use."""
    found = yes_no(response, asked)
    if found is None:
        raise UnusableError("the answer has no log-probabilities")
    return found
