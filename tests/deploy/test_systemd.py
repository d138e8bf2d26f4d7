"""The unit in a systemd that runs: start, reload, watchdog, restart, stop, log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.deploy.systems import STATE, answered, install, make_cluster, settle, wait_for_journal
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.machines import Boot, Machine

WATCHDOG = "[Service]\nWatchdogSec=6\n"
"""Six seconds of silence in place of thirty: the tests need not wait so long, and a busy machine is not that silent."""


@pytest.fixture(scope="module")
def machine(boot: Boot, package: Path) -> Machine:
    """A machine with the package and a cluster, and a watchdog that waits less."""
    machine = boot()
    install(machine, package)
    make_cluster(machine)
    return machine


@pytest.fixture
def running(machine: Machine) -> Machine:
    """The machine with its service running, started anew."""
    machine.path(f"{STATE}/tvs.toml").unlink(missing_ok=True)
    machine.run("systemctl", "reset-failed", "tvs")
    machine.run("systemctl", "restart", "tvs")
    return machine


def supervisor(machine: Machine) -> int:
    """The process ID of the service's supervisor, as the machine sees it."""
    return int(machine.property("MainPID"))


def test_start(running: Machine) -> None:
    """A start returns when phones are answered; the service runs as its user, without a capability, in its sandbox."""
    assert answered(running)
    assert running.property("ActiveState") == "active"
    status = running.path(f"/proc/{supervisor(running)}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    user = int(running.run("id", "-u", "tvs"))
    assert user != 0
    assert set(fields["Uid"].split()) == {str(user)}
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


def test_exposure(running: Machine) -> None:
    """systemd rates the running unit's exposure at 1.3 of 10 or less."""
    last = running.run("systemd-analyze", "security", "--no-pager", "tvs").strip().splitlines()[-1]
    found = re.search(r"exposure level for tvs\.service: (\d+\.\d)", last)
    assert found is not None, last
    assert float(found[1]) <= 1.3


def test_journal(running: Machine) -> None:
    """The journal has the service's lines, whole, with its user's name and the unit's."""
    wait_for_journal(running, "listening")
    assert answered(running)
    wait_for_journal(running, "request")
    (line,) = running.run(
        "journalctl", "--no-pager", "--output=json", "--unit=tvs", "--lines=1", f"_PID={supervisor(running)}"
    ).splitlines()
    assert '"_SYSTEMD_UNIT":"tvs.service"' in line


def test_reload(running: Machine) -> None:
    """A reload takes new settings without another process, and phones are answered after it."""
    before = supervisor(running)
    settle(running, 'log_level = "debug"\n')
    reloads = running.journal().count("info reloaded")
    running.run("systemctl", "reload", "tvs")
    wait_for_journal(running, "info reloaded", reloads + 1)
    assert answered(running)
    wait_for_journal(running, "tvsHandleQueryCertReq")
    assert supervisor(running) == before


def test_refused_reload(running: Machine) -> None:
    """A reload with wrong settings fails at once and names the setting; the service never gets the signal."""
    before, refused = supervisor(running), running.journal().count("reload_refused")
    settle(running, 'log_level = "loud"\n')
    running.run("systemctl", "reload", "tvs", status=1)
    wait_for_journal(running, "log_level")
    assert answered(running)
    assert supervisor(running) == before
    assert running.journal().count("reload_refused") == refused


def test_watchdog(machine: Machine) -> None:
    """A supervisor that hangs is killed by the watchdog, all its workers with it, and phones are answered again."""
    folder = machine.path("/etc/systemd/system/tvs.service.d")
    folder.mkdir()
    (folder / "watchdog.conf").write_text(WATCHDOG)
    machine.run("systemctl", "daemon-reload")
    machine.path(f"{STATE}/tvs.toml").unlink(missing_ok=True)
    machine.run("systemctl", "restart", "tvs")
    hung, restarts = supervisor(machine), int(machine.property("NRestarts"))
    old = processes(machine)
    assert len(old) >= 3  # supervisor, one worker or more, the process of the admin port
    send(machine, "STOP", hung)
    wait_until(lambda: int(machine.property("NRestarts")) > restarts, "systemd starts the service again")
    wait_until(lambda: machine.property("ActiveState") == "active", "it is active again")
    assert answered(machine)
    assert not old & processes(machine)
    assert "Watchdog timeout" in machine.journal()


def test_killed_supervisor(running: Machine) -> None:
    """After SIGKILL of the supervisor systemd ends the workers and starts the service again."""
    old, restarts = processes(running), int(running.property("NRestarts"))
    send(running, "KILL", supervisor(running))
    wait_until(lambda: int(running.property("NRestarts")) > restarts, "systemd starts the service again")
    wait_until(lambda: running.property("ActiveState") == "active", "it is active again")
    assert answered(running)
    assert not old & processes(running)


def test_wrong_settings_are_not_tried_again(running: Machine) -> None:
    """With wrong settings a start fails once, and the journal names the setting."""
    running.run("systemctl", "stop", "tvs")
    settle(running, 'log_level = "loud"\n')
    running.run("systemctl", "start", "tvs", status=1)
    assert (running.property("ExecMainStatus"), running.property("NRestarts")) == ("2", "0")
    assert running.property("ActiveState") == "failed"
    wait_for_journal(running, "log_level")


def test_stop(running: Machine) -> None:
    """A stop is clean: no failure, no process, nothing left in /run; a start after it answers phones."""
    assert running.path("/run/tvs").is_dir()
    stopped = running.journal().count("stopped")
    running.run("systemctl", "stop", "tvs")
    assert (running.property("ActiveState"), running.property("Result")) == ("inactive", "success")
    assert running.property("ExecMainStatus") == "0"
    wait_for_journal(running, "stopped", stopped + 1)
    assert processes(running) == set()
    assert not running.path("/run/tvs").exists()
    running.run("systemctl", "start", "tvs")
    assert answered(running)


def processes(machine: Machine) -> set[int]:
    """The process IDs of the service's user."""
    listed = machine.run("sh", "-c", "stat --format='%U %n' /proc/[0-9]* 2>/dev/null || true")
    return {int(pid) for pid in re.findall(r"^tvs /proc/(\d+)$", listed, re.MULTILINE)}


def send(machine: Machine, name: str, pid: int) -> None:
    """Sends a signal, with the shell's own command."""
    machine.run("sh", "-c", f"kill -{name} {pid}")
