"""Builder of recordings: collects queries of one source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tvs.replay.questions.model import Ask, Asked, Caller, Recording

if TYPE_CHECKING:
    from collections import Counter


@dataclass(slots=True)
class RecordingBuilder:
    """Collects queries into a recording.

    Args:
        source: description of the source.
        timed: whether the source has times.
    """

    source: str
    timed: bool = True
    _phones: dict[object, int] = field(default_factory=dict)
    _names: list[Caller] = field(default_factory=list)
    _asked: dict[Asked, int] = field(default_factory=dict)
    _asks: list[Ask] = field(default_factory=list)
    _connections: dict[object, int] = field(default_factory=dict)

    def phone(self, key: object, phone: Caller) -> int:
        """Returns the number of the phone with this key; adds a new phone."""
        number = self._phones.setdefault(key, len(self._names))
        if number == len(self._names):
            self._names.append(phone)
        return number

    def asked(self, asked: Asked) -> int:
        """Returns the number of a question; adds a new question."""
        return self._asked.setdefault(asked, len(self._asked))

    def add(self, at: float, phone: int, asked: Asked, connection: object = None) -> None:
        """Adds a query; `at` in seconds from any origin, `connection` any key."""
        number = None
        if connection is not None:
            number = self._connections.setdefault(connection, len(self._connections))
        self._asks.append(Ask(at, phone, self.asked(asked), number))

    def build(self, left_out: Counter[str]) -> Recording:
        """Returns the recording, with times from 0."""
        asks = sorted(self._asks, key=lambda ask: ask.at)
        start = asks[0].at if asks else 0.0
        return Recording(
            source=self.source,
            timed=self.timed,
            phones=self._names,
            asked=list(self._asked),
            asks=[ask._replace(at=ask.at - start) for ask in asks],
            left_out=left_out,
        )
