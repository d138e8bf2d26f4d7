"""Errors of the certificate store, whose text is a sentence for the administrator."""

from __future__ import annotations


class StoreError(Exception):
    """The store refuses or fails: a sentence with what, where and what to do."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, as operators and metrics name it
    """The database cannot be reached, is locked for too long, is damaged, or is of an unknown kind."""


class OutcomeUnknown(StoreUnavailable):
    """The connection was lost at a commit, before its answer: the transaction was committed whole, or not at all."""


class NotFound(StoreError):  # noqa: N818 - likewise
    """There is no such certificate or node; the sentence names the closest that there are."""


class Conflict(StoreError):  # noqa: N818 - likewise
    """The change contradicts what the store holds; nothing was changed."""


class GenerationConflict(Conflict):
    """The cluster was changed since the situation that a change was made from; nothing was changed."""
