"""What a chat completion says: yes or no by its log-probabilities or by samples, a short text, one of the choices."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from neptune.perception.oracle.yesno import YesNo, from_top, meaning
from neptune.scene.types import Cost
from neptune.servers.client import EmptyAnswerError, RequestFailedError, UnusableError, short, tokens_of

THINKING = (
    "the model was cut off while it was thinking: set vlm_options.request to "
    '{"chat_template_kwargs": {"enable_thinking": false}}, or take a model that does not think'
)
_THOUGHT = re.compile(r"\A.*</think>", re.DOTALL)  # some chat templates open it in the prompt
_PUNCTUATION = " \t\r\n.,;:!?*_`'\"“”‘’()[]{}"


def texts(response: Any) -> list[str]:
    """Return the text of each choice of a response, without what a model thought aloud before it.

    Raises
    ------
    UnusableError
        If it is no chat completion.
    RequestFailedError
        If the model or a filter refused, or the text ends within a thought.
    """
    found = []
    for choice in choices(response):
        message = getattr(choice, "message", None)
        refusal = getattr(message, "refusal", None)
        if refusal or getattr(choice, "finish_reason", None) == "content_filter":
            reason = "the model refused" + (f": {short(refusal)}" if refusal else "")
            raise RequestFailedError(reason, answered=True)
        content = getattr(message, "content", None)
        said = _THOUGHT.sub("", content) if isinstance(content, str) else ""
        # Servers that know a model's thoughts put them beside an answer; there is none where they were cut off.
        thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        if "<think>" in said or (thought and not said.strip()):
            raise RequestFailedError(THINKING, answered=True)
        found.append(said)
    return found


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
    found = getattr(response, "choices", None)
    if not isinstance(found, list) or not found:
        raise UnusableError("the answer is no chat completion")
    return found


def yes_no(response: Any) -> YesNo | None:
    """Return the logit and mass of the first token; ``None`` where there is a text but no log-probabilities.

    Raises
    ------
    UnusableError
        If there is nothing to read, or the log-probabilities are nonsense.
    RequestFailedError
        If the model or a filter refused.
    """
    (text, *_) = texts(response)
    logprobs = getattr(choices(response)[0], "logprobs", None)
    content = getattr(logprobs, "content", None)
    if not isinstance(content, list) or not content:
        if not text.strip():
            raise EmptyAnswerError("the answer is empty")
        return None
    top = getattr(content[0], "top_logprobs", None)
    if not isinstance(top, list):
        return None
    pairs = []
    for entry in top:
        token, value = getattr(entry, "token", None), getattr(entry, "logprob", None)
        if not isinstance(token, str) or not isinstance(value, int | float) or not value <= 0.01:
            raise UnusableError("the log-probabilities are nonsense")
        pairs.append((token, float(value)))
    return from_top(pairs) if pairs else None


def sampled(votes: Sequence[str]) -> YesNo:
    """Return the logit of n answers of which k say yes and m yes or no; NaN for m = 0.

    The logit is ``log((k + ½) / (m - k + ½))``, finite for all k and nearly unbiased; its variance is about
    ``1 / (k + ½) + 1 / (m - k + ½)`` (J. B. S. Haldane 1956; J. J. Gart and J. R. Zweifel 1967). The mass is m / n.
    """
    means = [meaning(word[0]) if (word := vote.split(None, 1)) else None for vote in votes]
    yes, no = means.count("yes"), means.count("no")
    if not yes + no:
        return YesNo(math.nan, 0.0)
    return YesNo(math.log((yes + 0.5) / (no + 0.5)), (yes + no) / len(votes))


def matched(text: str, choices: Sequence[str]) -> str | None:
    """Return what a text answers: one of the choices as it is spelt there, or without choices the text itself.

    Where several choices occur in the text, it is the first that does, and of "blue" and "dark blue" the longer.

    >>> matched("It is dark blue.", ("blue", "dark blue"))
    'dark blue'
    >>> matched("**Red**", ())
    'Red'
    """
    plain = " ".join(text.split()).strip(_PUNCTUATION)
    if not choices:
        return plain or None
    found = []
    for choice in choices:
        words = r"\s+".join(re.escape(word) for word in choice.replace("_", " ").split())
        occurs = re.search(rf"(?<!\w){words}(?!\w)", plain, re.IGNORECASE)
        if occurs:
            found.append((occurs.start(), -len(choice), choice))
    return min(found)[2] if found else None


def noting(took: list[Cost], reader: Any) -> Any:
    """Return a reader that also notes the tokens of what it reads, usable or not."""

    def noting(response: Any) -> Any:
        took.append(Cost(0, *tokens_of(response)))
        return reader(response)

    return noting


def listed(response: Any) -> YesNo:
    """Return what :func:`yes_no` does; an answer without log-probabilities is of no use."""
    found = yes_no(response)
    if found is None:
        raise UnusableError("the answer has no log-probabilities")
    return found
