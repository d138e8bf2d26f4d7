"""Upkeep of a worker: what it could not open at its start, or lost since, is tried again while it answers phones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tvs.log.pipeline import LogPipeline
from tvs.log.target import log_colors, open_log

if TYPE_CHECKING:
    from tvs.config.settings import Config
    from tvs.process.supervisorlog import SupervisorLog
    from tvs.server.countingfiles import CountingFiles
    from tvs.server.metrics import Metrics
    from tvs.server.service import Service


class WorkerLog:
    """The log of a worker: what the settings name, or the one that the supervisor has open while that cannot be opened.

    Args:
        config: all settings.
        inherited: the supervisor's log, which `run_worker` closes: a log that was moved away and deleted would keep its
            room on the disk.
        metrics: its counters of lines that were not written.

    Attributes:
        pipeline: takes the lines.
        problem: why the log could not be opened; None if it is open.
    """

    def __init__(self, config: Config, *, inherited: SupervisorLog, metrics: Metrics) -> None:
        self.problem: OSError | None = None
        try:
            descriptor = open_log(config.log_file)
        except OSError as error:
            descriptor, self.problem = os.dup(inherited.fileno()), error
        self.pipeline = LogPipeline(
            descriptor,
            log_format=config.log_format,
            level=config.log_level,
            colors=log_colors(config.log_file),
            dropped=metrics.log_dropped.labels("not_written"),
            beyond_budget=metrics.log_dropped.labels("budget"),
        )

    def restore(self, config: Config) -> bool:
        """Opens the log if that failed before; whether it did."""
        if self.problem is None:
            return False
        try:
            descriptor = open_log(config.log_file)
        except OSError:
            return False
        self.problem = None
        self.pipeline.reconfigure(
            descriptor, log_format=config.log_format, level=config.log_level, colors=log_colors(config.log_file)
        )
        return True


class Upkeep:
    """Files of metrics, log and TLS key log of a worker; called before each heartbeat.

    Args:
        service: the worker's service, in whose log the results stand.
        files: files in which it counts.
        log: its log.
        slot: number of its slot.
    """

    def __init__(self, service: Service, files: CountingFiles, log: WorkerLog, *, slot: int) -> None:
        self._service = service
        self._files = files
        self._log = log
        self._slot = slot

    def report(self) -> None:
        """Logs what could not be opened at the start: phones are answered all the same."""
        for event, problem in (("metrics_not_shared", self._files.problem), ("log_not_opened", self._log.problem)):
            if problem is not None:
                reason = f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem)
                self._service.log.warning(event, worker=self._slot, reason=reason)

    def __call__(self) -> None:
        """Tries again what is not in order."""
        if self._files.restore():
            self._service.log.warning("metrics_files_restored", worker=self._slot)
        if self._log.restore(self._service.config):
            self._service.log.warning("log_opened", worker=self._slot)
        if self._service.restore_keylog():
            self._service.log.warning("tls_keylog_opened", worker=self._slot)
