"""`--json` of commands that change something: JSON only on standard output, in one shape, refusals included."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.administrator import admin, made, other

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator, Done

__all__ = ["admin", "made", "other"]


def shape(done: Done) -> dict[str, Any]:
    """The JSON of a command that did something."""
    result: dict[str, Any] = json.loads(done.out)
    assert result["done"] is True
    assert isinstance(result["change"], str)
    assert result["safe"] in (True, False)
    assert all({"code", "severity", "sentence", "way_out"} == found.keys() for found in result["findings"])
    assert {"certificates", "files", "nodes"} <= result.keys()
    return result


def test_regeneration(admin: Administrator) -> None:
    """The old and the new certificate with serial numbers, and the ITL file that was replaced."""
    before = admin.situation().own_entry(unit := admin.situation().entries[0].unit)
    assert before is not None
    result = shape(admin.does("set", "cert", "regen", unit, "--json", "--yes"))
    after = admin.situation().own_entry(unit)
    assert after is not None
    assert [(c["change"], c["unit"], int(c["serial_number"], 16)) for c in result["certificates"]] == [
        ("removed", unit, int.from_bytes(before.certificate.serial_number)),
        ("added", unit, int.from_bytes(after.certificate.serial_number)),
    ]
    assert [(file["change"], file["path"]) for file in result["files"]] == [("replaced", str(admin.state.itl_file))]
    assert result["files"][0]["bytes"] == admin.state.itl_file.stat().st_size


def test_a_question_goes_to_standard_error(admin: Administrator) -> None:
    """Without -y the question is asked beside the JSON; an answer other than yes is a refusal in JSON, status 1."""
    done = admin.does("utils", "ctl", "update", "CTLFile", "--json", answer="y\n")
    assert [file["path"] for file in shape(done)["files"]] == [str(admin.state.ctl_file)]
    assert "Do you want to continue? (y/n):y" in done.err
    refused = admin("utils", "ctl", "update", "CTLFile", "--json", answer="n\n")
    assert refused.status == 1
    assert json.loads(refused.out) == {
        "done": False,
        "error": "the answer was not yes; nothing was changed",
        "findings": [],
    }


def test_a_change_that_would_lose_phones(admin: Administrator) -> None:
    """The refusal names the findings of the plan as `ctl plan --json` does; the exit status stays 1."""
    admin.does("set", "phones", "without-tvs", "--json")
    for unit in ("CallManager", "ITLRecovery"):
        admin.does("set", "cert", "regen", unit, "-y", "--force")
    done = admin("utils", "ctl", "update", "CTLFile", "-y", "--json")
    result = json.loads(done.out)
    assert (done.status, result["done"]) == (1, False)
    assert "phones would be lost; nothing was changed" in result["error"]
    planned = json.loads(admin("ctl", "plan", "update", "--json").out)
    codes = [(found["code"], found["severity"]) for found in planned["findings"]]
    assert [(found["code"], found["severity"]) for found in result["findings"]] == codes
    assert "error" in {severity for _, severity in codes}


@pytest.mark.parametrize(
    "words",
    [
        ("set", "cert", "regen", "CallManager", "--key", "rsa1"),
        ("set", "phones"),
        ("set", "cert", "delete", "no-unit", "x"),
    ],
    ids=" ".join,
)
def test_wrong_usage(admin: Administrator, words: tuple[str, ...]) -> None:
    """Wrong usage keeps its status 2 and its sentences on standard error, and is JSON on standard output."""
    done = admin(*words, "--json")
    result = json.loads(done.out)
    assert (done.status, result["done"], result["findings"]) == (2, False, [])
    assert result["error"] in done.err


def test_each_command_that_changes_the_cluster(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """Nodes, modes, deletions, imports and requests answer in the same shape."""
    pems = {}
    for unit in ("CallManager", "TVS"):
        pems[unit] = tmp_path / f"{unit}.pem"
        pems[unit].write_text(other.does("show", "cert", "own", unit, "--pem").out)
    add = ("set", "node", "add", "sub1", "--address", "127.0.0.2", "--call-manager", pems["CallManager"], "--json")
    node = shape(admin.does(*add))
    assert node["nodes"] == [{"change": "added", "name": "sub1", "address": "127.0.0.2", "publisher": False}]
    own = ("set", "cert", "import", "own", "TVS", pems["TVS"], "--node", "sub1", "--json")
    assert [(c["change"], c["node"]) for c in shape(admin.does(*own))["certificates"]] == [("added", "sub1")]
    trust = shape(admin.does("set", "cert", "import", "trust", "Phone-SAST-trust", pems["TVS"], "--json"))
    (imported,) = trust["imported"]
    delete = ("set", "cert", "delete", "Phone-SAST-trust", imported["name"], "--json")
    assert shape(admin.does(*delete))["certificates"][0]["sha256"] == imported["sha256"]
    gone = shape(admin.does("set", "node", "delete", "sub1", "-y", "--json"))
    assert [n["change"] for n in gone["nodes"]] == ["removed"]
    assert {c["change"] for c in gone["certificates"]} == {"removed"}
    non_secure = shape(admin.does("utils", "ctl", "set-cluster", "non-secure-mode", "-y", "--json"))
    assert non_secure["change"]
    deleted = shape(admin.does("file", "delete", "tftp", "CTLFile.tlv", "-y", "--json"))
    assert [(file["change"], file["bytes"]) for file in deleted["files"]] == [("deleted", None)]
    assert shape(admin.does("set", "phones", "tls1.0", "--json"))["phones"] == ["tls1.0"]
    request = shape(admin.does("set", "csr", "gen", "CAPF", "--json"))
    assert request["request"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert json.loads(admin.does("show", "csr", "own", "CAPF", "--json").out)["request"] == request["request"]


def test_init(admin: Administrator, tmp_path: Path) -> None:
    """A new state directory: its paths, own certificates, lists and node."""
    result = shape(type(admin)(type(admin.state)(tmp_path / "new")).does("init", "--name", "pub", "--json"))
    assert result["state"] == str(tmp_path / "new")
    assert {c["unit"] for c in result["certificates"]} >= {"CallManager", "TVS", "CAPF", "ITLRecovery"}
    assert [file["change"] for file in result["files"]] == ["made", "made"]
    assert [n["name"] for n in result["nodes"]] == ["pub"]
