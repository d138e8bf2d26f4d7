"""What must follow a change of own certificates and names: the steps that commands print, on each node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.manage.test_nodes import add_node, certificate_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator, Done
    from tests.fixtures.joined import Nodes

HEAD = "What must follow, in this order:"
PHONES = "restart the phones: they fetch the new lists; let all register before another certificate changes"
RELOAD = "when phones have fetched the new ITL file, here: systemctl reload tvs"
CTL = "the CTL file stays as it is until: tvs utils ctl update CTLFile"
PUBLISHER = (
    "on cucm-1051-a-pub, whose key signs the trust lists, which stay as they are until then: tvs utils itl update"
)


def steps(done: Done) -> list[str]:
    """The numbered steps that a command prints behind their head."""
    lines = done.lines[done.lines.index(HEAD) + 1 :]
    return [line.partition(". ")[2] for line in lines if line.startswith("  ")]


def test_own_certificates_of_the_publisher(today: Administrator) -> None:
    """The service is reloaded after TVS, when phones have the lists; the others are in the CTL file with its update."""
    done = today.does("set", "cert", "regen", "TVS", "-y", "--held", "current")
    assert steps(done) == [PHONES, RELOAD]
    assert steps(today.does("set", "cert", "restore", "TVS", "-y", "--held", "current")) == [PHONES, RELOAD]
    for unit in ("CallManager", "CallManager-ECDSA", "CAPF", "ITLRecovery"):
        facts = json.loads(today.does("set", "cert", "regen", unit, "-y", "--held", "current", "--json").out)
        assert facts["next_steps"] == [CTL, PHONES], unit
        today.does("utils", "ctl", "update", "CTLFile", "-y", "--held", "current")
    gone = today.does("set", "cert", "delete", "CallManager-ECDSA", "CallManager-ECDSA.pem", "--held", "current")
    assert steps(gone) == [CTL, PHONES]


def test_a_ctl_file_that_a_token_signed(today: Administrator, with_tokens: bytes) -> None:
    """Only the token can sign it again; in it are CallManager and CAPF, whoever signs."""
    today.state.ctl_file.write_bytes(with_tokens)
    token = f"{CTL} --token URI"
    for unit, expected in (("CallManager", [token, PHONES]), ("CAPF", [token, PHONES]), ("TVS", [PHONES, RELOAD])):
        assert steps(today.does("set", "cert", "regen", unit, "-y", "--force")) == expected, unit


def test_non_secure_mode_without_a_ctl_file(today: Administrator) -> None:
    """There is nothing to update."""
    today.does("utils", "ctl", "set-cluster", "non-secure-mode", "-y")
    today.does("file", "delete", "tftp", "CTLFile.tlv", "-y")
    assert steps(today.does("set", "cert", "regen", "CallManager", "-y", "--force")) == [PHONES]


def test_own_certificates_of_a_subscriber(nodes: Nodes) -> None:
    """The publisher signs lists first."""
    assert steps(nodes.sub1.does("set", "cert", "regen", "CallManager", "-y")) == [PUBLISHER, PHONES]
    assert steps(nodes.sub1.does("set", "cert", "regen", "TVS", "-y")) == [PUBLISHER, PHONES, RELOAD]
    assert steps(nodes.sub1.does("set", "cert", "restore", "TVS", "-y")) == [PUBLISHER, PHONES, RELOAD]


def test_a_certificate_of_a_node_with_its_own_database(
    admin: Administrator, other: Administrator, tmp_path: Path
) -> None:
    """It is imported on the publisher; the service that must be reloaded is the node's."""
    add_node(admin, other, tmp_path)
    other.does("set", "cert", "regen", "TVS", "-y")
    new = certificate_file(other, "TVS", tmp_path / "new.pem")
    done = admin.does("set", "cert", "import", "own", "TVS", new, "--node", "cucm-1051-a-sub1")
    assert steps(done) == [PHONES, RELOAD.replace("here", "on cucm-1051-a-sub1")]


def test_a_renamed_node(nodes: Nodes) -> None:
    """The last step is the node's new TVS certificate, which its service has to be reloaded for, wherever it runs."""
    subscriber = steps(nodes.publisher.does("set", "node", "rename", "sub1", "sub9", "-y"))
    assert "then restart the phones" in next(step for step in subscriber if step.startswith("DNS"))
    assert RELOAD.replace("here", "on sub9") in subscriber[-1]
    assert RELOAD in steps(nodes.publisher.does("set", "node", "rename", "cucm-1051-a-pub", "cucm-pub2", "-y"))[-1]
