"""A boot: files in their order, trust in each list, and the kept state."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from ctlcache.trustlist import Record, RecordTag, parse_trust_list
from proto.tlv import Element
from tvs.phone import (
    BootOutcome,
    DirectorySource,
    ListKind,
    ListOutcome,
    Phone,
    Voucher,
)
from tvs.phone.boot import boot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running

    MakePhone = Callable[..., Phone]
    Tokens = tuple[KeyFileSigner, KeyFileSigner]

NAME = "SEP001DA23B4C5D"


class Watched(DirectorySource):
    """A directory that records the names it is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    async def fetch(self, name: str, most: int) -> bytes | None:
        self.asked.append(name)
        return await super().fetch(name, most)


async def test_the_order_of_the_files(cluster: Cluster, make_phone: MakePhone) -> None:
    """The phone's own list, then that of all phones; the CTL before the ITL, the configuration last."""
    source = Watched(cluster.state.tftp)
    await boot(make_phone(), source)
    assert source.asked == [
        f"CTL{NAME}.tlv",
        "CTLFile.tlv",
        f"ITL{NAME}.tlv",
        "ITLFile.tlv",
        f"{NAME}.cnf.xml",
    ]


async def test_the_phones_own_list_wins(cluster: Cluster, make_phone: MakePhone) -> None:
    """If the server has a list for this phone, that of all phones is not fetched."""
    cluster.state.ctl_file.rename(cluster.state.ctl_file.with_name(f"CTL{NAME}.tlv"))
    source = Watched(cluster.state.tftp)
    report = await boot(make_phone(), source)
    assert (report.ctl.outcome, report.ctl.name) == (ListOutcome.UPDATED, f"CTL{NAME}.tlv")
    assert "CTLFile.tlv" not in source.asked


async def test_a_phone_without_tvs_fetches_no_itl(cluster: Cluster, make_phone: MakePhone) -> None:
    """The 7940 and the 7960 have no ITL."""
    source = Watched(cluster.state.tftp)
    await boot(make_phone("CP-7940"), source)
    assert not any(name.startswith("ITL") for name in source.asked)


async def test_a_server_that_does_not_answer_is_not_asked_again(make_phone: MakePhone, tmp_path: Path) -> None:
    """One timeout is enough for a boot."""
    source = Watched(tmp_path / "nowhere")
    report = await boot(make_phone(), source)
    assert report.outcome is BootOutcome.NOTHING
    assert report.messages == ("No Trust List installed",)
    assert source.asked == [f"CTL{NAME}.tlv"]


async def test_an_empty_server(make_phone: MakePhone, tmp_path: Path) -> None:
    """The screen names the missing files."""
    report = await boot(make_phone(), DirectorySource(tmp_path))
    assert report.outcome is BootOutcome.NOTHING
    assert report.messages == (
        "File Not Found <CTLFile.tlv>",
        "File Not Found <ITLFile.tlv>",
        "No Trust List installed",
    )


async def test_a_ctl_that_left_the_server_stays_on_the_phone(cluster: Cluster, make_phone: MakePhone) -> None:
    """Deleting the file on the server does not delete it from phones."""
    phone = make_phone()
    await boot(phone, DirectorySource(cluster.state.tftp))
    old = phone.flash.installed(ListKind.CTL)
    cluster.delete_ctl()
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert (report.outcome, report.ctl.outcome) == (BootOutcome.RUNNING, ListOutcome.NOT_FOUND)
    assert phone.flash.installed(ListKind.CTL) == old is not None


async def test_the_servers_come_from_the_configuration_of_the_last_boot(
    cluster: Cluster, make_phone: MakePhone, serve: Callable[..., Running]
) -> None:
    """A phone fetches its configuration after its lists: the servers in it count from the next boot on."""
    running = serve(cluster)
    member = f'<member priority="0"><port>{running.endpoint.port}</port><address>127.0.0.1</address></member>'
    path = cluster.state.tftp / f"{NAME}.cnf.xml"
    path.write_text(f"<device><TVS><members>{member}</members></TVS></device>")
    phone = make_phone()
    assert (await boot(phone, DirectorySource(cluster.state.tftp))).configuration == ""
    assert phone.flash.servers == (running.endpoint,)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    running.wait_for_new(f"Unique Key used for Caching :: {cluster.own(Purpose.CallManager).unique_map_id}")
    path.write_text("<device><TVS>")
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert report.ctl.vouched is not None
    assert report.ctl.vouched.voucher is Voucher.TVS
    assert re.search(r"SEP\w+\.cnf\.xml: the configuration is not well-formed XML", report.configuration)
    assert phone.flash.servers == (running.endpoint,)


async def test_an_itl_of_a_cluster_with_tokens(cluster: Cluster, make_phone: MakePhone, tokens: Tokens) -> None:
    """A CTL that tokens sign has the TFTP server as CCM+TFTP only: enough for the ITL that it signs."""
    cluster.sign_with_tokens(tokens)
    report = await boot(make_phone(), DirectorySource(cluster.state.tftp))
    assert report.itl.vouched is not None
    assert report.itl.vouched.voucher is Voucher.CTL


async def test_a_tftp_server_may_not_sign_a_ctl(
    cluster: Cluster, make_phone: MakePhone, tokens: Tokens, tmp_path: Path
) -> None:
    """The tokens' CTL has CallManager as CCM+TFTP: without an installed ITL, a CTL signed by it is refused."""
    tokenless = cluster.state.ctl_file.read_bytes()
    cluster.sign_with_tokens(tokens)
    for name, data in (("first", cluster.state.ctl_file.read_bytes()), ("second", tokenless)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CTLFile.tlv").write_bytes(data)
    phone = make_phone("CP-7960")
    await boot(phone, DirectorySource(tmp_path / "first"))
    assert (await boot(phone, DirectorySource(tmp_path / "second"))).ctl.outcome is ListOutcome.REFUSED


async def test_a_list_of_keys_without_certificates_vouches(
    make_phone: MakePhone, tokenless: bytes, assemble: Callable[..., bytes], tmp_path: Path
) -> None:
    """An installed record with the signer's PUBLICKEY alone is enough to check what it signed."""
    trust_list = parse_trust_list(tokenless)
    keys = [
        Record(_resized(tuple(element for element in record.elements if element.tag != RecordTag.CERTIFICATE)))
        for record in trust_list.records
    ]
    phone, source = make_phone(), DirectorySource(tmp_path)
    (tmp_path / "CTLFile.tlv").write_bytes(assemble(trust_list.header.elements, keys))
    assert (await boot(phone, source)).ctl.outcome is ListOutcome.UPDATED
    (tmp_path / "CTLFile.tlv").write_bytes(tokenless)
    report = await boot(phone, source)
    assert report.ctl.vouched is not None
    assert report.ctl.vouched.voucher is Voucher.CTL


def _resized(elements: tuple[Element, ...]) -> tuple[Element, ...]:
    """A record's elements with the right RECORDLENGTH, the first element."""
    size = sum(3 + len(element.value) for element in elements)
    return (Element(elements[0].tag, size.to_bytes(2)), *elements[1:])
