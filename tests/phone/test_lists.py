"""Refused lists: damaged, too large, or with a digest that the model cannot verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.trustlist import PHONE_LIMIT
from tests.fixtures.refusals import assert_kept, booted, ctl_of
from tvs.phone import (
    DirectorySource,
    ListKind,
    ListOutcome,
    Refusal,
)
from tvs.phone.boot import boot

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.refusals import Said
    from tvs.phone import Phone

    MakePhone = Callable[..., Phone]
    PutCtl = Callable[[bytes], DirectorySource]
    Plan = Callable[..., Said]


@pytest.mark.parametrize(
    ("damage", "refusal"),
    [
        (lambda data: data[: len(data) // 2], Refusal.DAMAGED),
        (lambda _: b"", Refusal.DAMAGED),
        (lambda _: b"<html>404</html>", Refusal.DAMAGED),
        (lambda data: data[:-1] + b"\x02", Refusal.BAD_SIGNATURE),
    ],
    ids=["cut", "empty", "something else", "one byte"],
)
async def test_a_damaged_file(
    cluster: Cluster,
    make_phone: MakePhone,
    put_ctl: PutCtl,
    plan: Plan,
    damage: Callable[[bytes], bytes],
    refusal: Refusal,
) -> None:
    """A truncated, empty, foreign or altered file is refused before any server is asked."""
    phone = await booted(make_phone(), cluster)
    old = cluster.state.ctl_file.read_bytes()
    source = put_ctl(damage(old))
    assert plan(phone).loses("list-damaged", refusal)
    assert_kept(phone, await boot(phone, source), old, refusal)


async def test_a_damaged_file_is_not_taken_as_the_first(
    cluster: Cluster, make_phone: MakePhone, put_ctl: PutCtl
) -> None:
    """'On trust' means any signer, but not any file."""
    data = bytearray(cluster.state.ctl_file.read_bytes())
    data[-100] ^= 1
    phone = make_phone()
    report = await boot(phone, put_ctl(bytes(data)))
    assert report.ctl.refusal is Refusal.BAD_SIGNATURE
    assert phone.flash.installed(ListKind.CTL) is None


async def test_a_list_over_64_kb(
    cluster: Cluster, make_phone: MakePhone, stranger: KeyFileSigner, put_ctl: PutCtl, plan: Plan
) -> None:
    """A list of 70 nodes is a good list, but too large for every phone, also as its first."""
    phone = await booted(make_phone(), cluster)
    large = ctl_of(stranger, nodes=70)
    assert len(large) > PHONE_LIMIT
    old = cluster.state.ctl_file.read_bytes()
    source = put_ctl(large)
    assert plan(phone).loses("list-too-large", Refusal.TOO_LARGE)
    assert_kept(phone, await boot(phone, source), old, Refusal.TOO_LARGE)
    assert (await boot(make_phone(), source)).ctl.refusal is Refusal.TOO_LARGE


async def test_a_list_of_64_kb_is_loaded(
    make_phone: MakePhone, make_signer: Callable[..., KeyFileSigner], put_ctl: PutCtl
) -> None:
    """39 nodes fit, up to 65,536 bytes."""
    size = 1000
    left = PHONE_LIMIT - len(ctl_of(make_signer("CN=s", "01", 2048, size=size), nodes=39))
    data = ctl_of(make_signer("CN=s", "01", 2048, size=size + left // 40), nodes=39)
    assert PHONE_LIMIT - 40 < len(data) <= PHONE_LIMIT
    report = await boot(make_phone(), put_ctl(data))
    assert report.ctl.outcome is ListOutcome.UPDATED


async def test_a_digest_that_a_7900_does_not_know(cluster: Cluster, make_phone: MakePhone, plan: Plan) -> None:
    """An 8861 verifies SHA-512, a 7975 does not."""
    phone = await booted(make_phone("CP-7975"), cluster)
    old = cluster.state.ctl_file.read_bytes()
    said = plan(phone, "set", "digest", "sha512", phones="tls1.0")
    assert said.loses("digest-unknown", Refusal.DIGEST)
    cluster.set_digest("sha512")
    source = DirectorySource(cluster.state.tftp)
    assert_kept(phone, await boot(phone, source), old, Refusal.DIGEST)
    assert (await boot(make_phone("CP-8861"), source)).ctl.outcome is ListOutcome.UPDATED
