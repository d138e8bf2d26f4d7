"""The sample for logrotate, with logrotate and the service on a Debian."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.deploy.systems import ask, install, make_cluster, settle
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.machines import Boot, Machine

LOG = "/var/log/tvs/tvs.log"
ROUNDS = 3


def rotate(machine: Machine) -> None:
    """Rotates now, as the timer does once a week; logrotate has nothing to complain about."""
    assert "error" not in machine.run("logrotate", "--verbose", "--force", "/etc/logrotate.d/tvs").lower()


def opened(machine: Machine) -> set[str]:
    """The log files that processes of the service have open."""
    listed = machine.run("sh", "-c", "ls -l /proc/[0-9]*/fd 2>/dev/null || true")
    return set(re.findall(r"-> (/var/log/tvs/\S+)", listed))


def test_no_line_is_lost(boot: Boot, package: Path) -> None:
    """Phones ask before, between and after rotations: each request is in exactly one file, of the service, compressed
    when nobody writes to it any more."""
    machine = boot()
    install(machine, package)
    make_cluster(machine)
    settle(machine, f'log_file = "{LOG}"\nlog_format = "json"\n')
    machine.run("systemctl", "start", "tvs")
    for _ in range(ROUNDS):
        assert ask(machine).startswith("Trusted\n")
        rotate(machine)
        wait_until(lambda: opened(machine) == {LOG}, "all processes write to the new file")
    assert ask(machine).startswith("Trusted\n")

    def requests() -> list[int]:
        names = machine.run("sh", "-c", f"ls {LOG}*").split()
        return [machine.run("zcat", "-f", name).count('"event": "request"') for name in sorted(names)]

    wait_until(lambda: sum(requests()) >= ROUNDS + 1, "the log has all requests")
    assert requests() == [1] * (ROUNDS + 1)
    listed = machine.run("stat", "--format=%U %a %n", "-t", *sorted(machine.run("sh", "-c", f"ls {LOG}*").split()))
    assert listed.splitlines() == [f"tvs 640 {LOG}", f"tvs 640 {LOG}.1", f"tvs 640 {LOG}.2.gz", f"tvs 640 {LOG}.3.gz"]
    assert machine.property("ActiveState") == "active"


def test_with_settings_that_a_reload_refuses(boot: Boot, package: Path) -> None:
    """The log is opened anew all the same."""
    machine = boot()
    install(machine, package)
    make_cluster(machine)
    settle(machine, f'log_file = "{LOG}"\n')
    machine.run("systemctl", "start", "tvs")
    settle(machine, f'log_file = "{LOG}"\nlog_level = "loud"\n')
    rotate(machine)
    wait_until(lambda: opened(machine) == {LOG}, "all processes write to the new file")
    assert ask(machine).startswith("Trusted\n")
    wait_until(lambda: "reload_refused" in machine.run("cat", LOG), "the new file says that the reload was refused")


def test_without_a_log_file(boot: Boot, package: Path) -> None:
    """A service that logs to the journal, or none at all, is no error."""
    machine = boot()
    install(machine, package)
    rotate(machine)
