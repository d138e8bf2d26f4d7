"""The supervisor's log: one file at a time, opened again by a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.errors import StartError
from tvs.log.direct import DirectLog
from tvs.log.logger import logger_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    import structlog

    from tvs.config.settings import Config


class SupervisorLog:
    """The log that the settings name. Raises `StartError` if it cannot be opened.

    Attributes:
        logger: writes lines to it; another one after `reopen`.
        opened: how often it was opened.
    """

    def __init__(self, config: Config) -> None:
        self.opened = 0
        try:
            self._open(config)
        except OSError as error:
            raise StartError(f"{config.log_file}: the log cannot be opened: {error.strerror}") from None

    def reopen(self, config: Config) -> None:
        """Closes the log and opens the one that these settings name. Raises `OSError`; the old one then stays open."""
        before = self._direct
        self._open(config)
        before.close()

    def fileno(self) -> int:
        """The descriptor of the log that is open; -1 after `close`."""
        return self._direct.fileno()

    def close(self) -> None:
        """Closes the log; lines are dropped from then on."""
        self._direct.close()

    def db_event(self, event: str, fields: Mapping[str, object]) -> None:
        """Writes an event of `certstore.cache.CertificateDBCache`."""
        level = "info" if event == "refreshed" else "warning"
        getattr(self.logger, level)(f"db_{event}", **fields)

    def _open(self, config: Config) -> None:
        self._direct = DirectLog(config.log_file, log_format=config.log_format, level=config.log_level)
        self.opened += 1
        self.logger: structlog.typing.FilteringBoundLogger = logger_for(self._direct)
        if config.tls_keylog is not None:
            warning = "who has this file can read the phones' traffic"
            self.logger.warning("tls_keylog", file=str(config.tls_keylog), warning=warning)
