"""What can go wrong between a question and its program.

Two kinds: a :class:`ProviderError` is not about the question (no key, no such model, no connection), so the sample
keeps no record and is asked again when the run resumes; a :class:`ReplyError` is about this question alone and ends
in its record.
"""

from __future__ import annotations

from neptune.errors import NeptuneError


class WriterError(NeptuneError):
    """No program could be written."""


class ProviderError(WriterError):
    """The provider failed, whatever the question was. Samples are not charged with it.

    Attributes
    ----------
    final : bool
        Every further request would fail alike (no key, no such model): stop the run at once.
    """

    final = False


class MissingKeyError(ProviderError):
    """There is no key for the provider, or it is refused."""

    final = True


class UnknownModelError(ProviderError):
    """The provider does not have this model, or nothing at this address."""

    final = True


class BadRequestError(ProviderError):
    """The provider does not take the request: a setting that this model does not have."""

    final = True


class RateLimitedError(ProviderError):
    """The provider asks to slow down, and did so after every retry."""


class ConnectionFailedError(ProviderError):
    """No connection, no answer in time, a server error, or an answer that is no JSON."""


class ReplyError(WriterError):
    """The model's reply to this question is of no use."""


class RefusedError(ReplyError):
    """The model refused, or a filter did."""


class EmptyReplyError(ReplyError):
    """The reply has no text."""


class UnreadableError(ReplyError):
    """The reply can not be read: a thought that does not end, or parts that are no text."""


class TruncatedError(ReplyError):
    """The reply was cut off at the token limit."""


class NoProgramError(WriterError):
    """A file of programs does not have this question, and no model is configured."""


class NotUnderstoodError(ReplyError):
    """The embedded writer does not understand the question: an unknown word, or no sentence that it knows."""
