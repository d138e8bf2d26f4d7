"""Errors whose text is a sentence for the administrator."""

from __future__ import annotations


class StartError(Exception):
    """The service cannot start; the sentence says what to do."""


class StateError(Exception):
    """The state directory, or a file in it, is missing or not usable; the sentence says what to do."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came when it was too late to undo everything; the sentence says what may have been done."""


class NoDatabase(StateError):  # noqa: N818 - a state, as operators name it
    """The state directory has no certificate database, or one whose rows are missing."""


class NotInCluster(StateError):  # noqa: N818 - likewise
    """The state directory is not that of a node of the cluster in its database."""


class NotPublisher(StateError):  # noqa: N818 - likewise
    """A change needs the key that signs trust lists, and this node does not have it: the publisher has.

    Attributes:
        publisher: name of the publisher.
    """

    def __init__(self, sentence: str, publisher: str) -> None:
        super().__init__(sentence)
        self.publisher = publisher


class StateBusy(StateError):  # noqa: N818 - a state, as operators name it
    """Another command is changing the state directory."""
