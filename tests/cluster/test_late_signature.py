"""A CTL file that a hardware token signs in the commit: its plan, and what is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.tokens import token_record
from ctlcache.trustlist import UnsignedList, parse_trust_list
from ctlcache.unsigned import sign_list
from ctlcache.verification import verify
from tvs.cluster.commit import commit
from tvs.cluster.lists import token_source
from tvs.cluster.proposals import propose_ctl
from tvs.errors import StateError
from tvs.manage.held import held_now
from tvs.plan.engine import plan_change
from tvs.plan.text import plan_text

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tvs.cluster.change import Change

    Tokens = tuple[KeyFileSigner, KeyFileSigner]


def proposed(admin: Administrator, tokens: Tokens) -> Change:
    """A CTL file of two tokens, the second of which is to sign it."""
    records = [token_record(token.certificate) for token in tokens]
    return propose_ctl(
        admin.state, admin.situation(), lambda now: token_source(now, records, tokens[1], add_token=True)
    )


@pytest.mark.parametrize("imported", [False, True])
def test_the_plan_is_that_of_the_signed_file(admin: Administrator, tokens: Tokens, imported: bool) -> None:
    """Whether TVS knows the tokens or not, the unsigned file has the same text of a plan as the signed one."""
    change = proposed(admin, tokens)
    if imported:
        trusted = [token.certificate for token in tokens]
        before = change.before.with_trusted(Purpose.Phone_SAST_trust, trusted)
        change = replace(change, before=before, after=change.after.with_trusted(Purpose.Phone_SAST_trust, trusted))
    assert isinstance(change.after.ctl, UnsignedList)
    signed = replace(change.after, ctl=sign_list(change.after.ctl, tokens[1]))
    held, now = held_now(admin.state), datetime.now(UTC)
    plans = [plan_change(held, change.before, after, now, title="x") for after in (change.after, signed)]
    assert plan_text(plans[0]) == plan_text(plans[1])
    assert plans[0].findings == plans[1].findings
    assert any("signed by cn=" in line.lower() for line in plans[0].lists)


def test_the_commit_signs_and_writes(admin: Administrator, tokens: Tokens) -> None:
    """The file on the disk is signed, and the returned change has it."""
    with admin.state.lock(), admin.store() as store:
        done = commit(admin.state, store, proposed(admin, tokens))
    written = admin.state.ctl_file.read_bytes()
    assert verify(written).ok
    assert done.after.ctl == written
    assert (type(done.after.ctl), done.late_signer) == (bytes, None)
    record = parse_trust_list(written).signer_record
    assert record is not None
    assert record.certificate == tokens[1].certificate


def test_a_list_that_was_never_signed_is_not_written(admin: Administrator, tokens: Tokens) -> None:
    """Without its signer the commit is refused, and phones find the files of before."""
    before = admin.state.ctl_file.read_bytes(), admin.state.itl_file.read_bytes()
    with admin.state.lock(), admin.store() as store, pytest.raises(StateError, match="does not verify"):
        commit(admin.state, store, replace(proposed(admin, tokens), late_signer=None))
    assert (admin.state.ctl_file.read_bytes(), admin.state.itl_file.read_bytes()) == before
    assert not list(admin.state.tftp.glob(".*"))
