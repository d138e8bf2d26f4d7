"""The digest of trust lists: one setting for both, and no deadlock between phones and lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ctlcache.digests import Digest
from ctlcache.entries import token_entry
from ctlcache.trustlist import parse_trust_list
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import planned, settings, worst
from tvs.cluster.commit import commit
from tvs.cluster.lists import token_source
from tvs.cluster.proposals import propose_ctl
from tvs.plan.boot import Decision
from tvs.plan.model import Code
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running


def digests(admin: Administrator) -> list[int]:
    """The digests of CTL and ITL file."""
    paths = (admin.state.ctl_file, admin.state.itl_file)
    return [parse_trust_list(path.read_bytes()).header.digest for path in paths]


@pytest.fixture
def locked(admin: Administrator) -> Administrator:
    """A cluster with SHA-512 lists, then said to have TLS 1.0 phones: earlier, no command led out of it."""
    admin.does("set", "digest", "sha512")
    admin.does("set", "phones", "tls1.0", "with-tvs")
    settings(admin, tls_profile="legacy")
    return admin


@pytest.mark.parametrize("words", [("regen", "CallManager"), ("regen", "CAPF"), ("update",)], ids=" ".join)
def test_the_way_out_of_sha_512(locked: Administrator, words: tuple[str, ...]) -> None:
    """Changes are refused with `tvs set digest sha1`, which is one command, planned as safe, for both lists."""
    found = planned(locked, *words)
    assert worst(found, Code.DIGEST_UNKNOWN) == "error"
    assert {finding["way_out"] for finding in found[Code.DIGEST_UNKNOWN]} == {
        "sign both lists with SHA-1, which every phone knows: tvs set digest sha1"
    }
    stopped = locked("set", "cert", "regen", "CallManager", "-y")
    assert (stopped.status, "tvs set digest sha1" in stopped.err) == (1, True)
    planned(locked, "set", "digest", "sha1")
    done = locked.does("set", "digest", "sha1")
    assert done.lines == ["The trust lists are signed with SHA-1. Phones fetch them when they restart."]
    assert digests(locked) == [Digest.SHA1, Digest.SHA1]
    assert Code.DIGEST_UNKNOWN not in planned(locked, *words)
    stopped = locked("set", "cert", "regen", "CallManager", "-y")
    assert "let these phones fetch the present ITLFile.tlv first (restart them)" in stopped.err
    locked.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")


async def test_phones_after_the_way_out(locked: Administrator, serve: Callable[..., Running]) -> None:
    """A 7975 that never could install the SHA-512 lists takes the new ones; an 8861 takes them by its own lists."""
    held = held_by_phones(locked)
    locked.does("set", "digest", "sha1")
    outcomes = await agree(locked, serve(locked.state), held)
    assert [one.decision for one in outcomes[PhoneKind.TLS10]] == [Decision.FIRST, Decision.OWN_LIST]
    assert [one.decision for one in outcomes[PhoneKind.WITH_TVS]] == [Decision.OWN_LIST] * 2


def test_back_to_sha_512(admin: Administrator) -> None:
    """Refused with TLS 1.0 phones; the way out is to keep SHA-1, or to say that no such phone is left."""
    admin.does("set", "phones", "tls1.0", "with-tvs")
    before = admin.situation()
    stopped = admin("set", "digest", "sha512")
    assert (stopped.status, "keep SHA-1, which every phone knows" in stopped.err) == (1, True)
    assert "tvs set digest sha1" not in stopped.err
    assert admin.situation() == before
    admin.does("set", "phones", "with-tvs")
    admin.does("set", "digest", "sha512")
    assert digests(admin) == [Digest.SHA512, Digest.SHA512]


@pytest.mark.parametrize(
    "words",
    [
        ("utils", "ctl", "update", "CTLFile"),
        ("utils", "ctl", "set-cluster", "mixed-mode"),
        ("utils", "ctl", "reset", "localkey"),
        ("utils", "itl", "update", "ITLFile"),
        ("utils", "itl", "reset", "localkey"),
        ("ctl", "plan", "update"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("digest", ["sha1", "sha512"])
def test_no_digest_for_one_list(admin: Administrator, words: tuple[str, ...], digest: str) -> None:
    """`--digest` is wrong usage everywhere but in `init`; the error names the command for both lists."""
    done = admin(*words, "--digest", digest)
    assert done.status == 2
    plan = "ctl plan " if "plan" in words else ""
    assert f"use `tvs {plan}set digest {digest}`, which signs both lists" in done.err
    assert "--digest" not in admin(*words, "--help").out


def test_a_list_with_another_digest(admin: Administrator) -> None:
    """One list with another digest than the cluster's, as earlier commands made it: a note with its way out."""
    ctl = admin.state.ctl_file.read_bytes()
    admin.does("set", "digest", "sha256")
    admin.state.ctl_file.write_bytes(ctl)
    (note,) = planned(admin)[Code.LIST_OUTDATED]
    assert note["sentence"] == "CTLFile.tlv is signed with SHA-1; the cluster's digest is SHA-256"
    assert note["way_out"] == "tvs set digest sha256"
    admin.does("set", "digest", "sha256")
    assert digests(admin) == [Digest.SHA256, Digest.SHA256]
    assert Code.LIST_OUTDATED not in planned(admin)


def test_a_ctl_that_a_token_signed(admin: Administrator, tokens: tuple[KeyFileSigner, KeyFileSigner]) -> None:
    """Only the token can sign it again: without it the command says so and changes neither list."""
    entries = [token_entry(token.certificate) for token in tokens]
    with admin.state.lock(), admin.store() as store:
        change = propose_ctl(
            admin.state, admin.situation(), lambda given: token_source(given, entries, tokens[1], add_token=True)
        )
        commit(admin.state, store, change)
    before = admin.situation()
    refusal = admin("set", "digest", "sha256")
    assert refusal.status == 1
    assert "only a token can sign again with SHA-256: tvs set digest sha256 --token URI" in refusal.err
    assert admin.situation() == before
    admin.does("set", "digest", "sha1")  # the CTL has it already
    assert admin.situation().ctl == before.ctl


@pytest.mark.parametrize("name", ["ctl", "itl"])
def test_show_names_the_digest(admin: Administrator, name: str) -> None:
    """`show ctl` and `show itl` name it before the guide's lines, and in JSON."""
    kind = name.upper()
    shown = admin.does("show", name)
    assert shown.lines[:3] == [f"The {kind} file is signed with SHA-1.", "", f"The checksum value of the {kind} file:"]
    assert shown.lines[-1] == f"The {kind} file was verified successfully."
    assert json.loads(admin.does("show", name, "--json").out)["header"]["digest"] == "SHA-1"
