"""Logs of release 9.x, in which each line is framed, and verifications whose names documents have cut.

The verifications are those of the published technote 118699, the query is the guide's.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proto.messages import MessageType, TrustStatus
from tests.fixtures.replaying import requests_in, trusting
from tests.replay.questions.test_tracelog import GUIDE, TOKEN_ISSUER
from tvs.replay.questions.model import Expected, Question, SourceError
from tvs.replay.questions.sources import read_log
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.replaying import Replayed
    from tests.fixtures.running import Running
    from tvs.replay.questions.model import Recording

PUBLISHED = Path(__file__).parent / "data" / "framed-9x.txt"
"""The technote's lines, each in its frame."""
TRUSTED_ISSUER = "CN=cucm10;OU=TAC;O=Cisco;L=Blore;ST=KN;C=IN"
TRUSTED_SERIAL = "6F969D5B784D0448980F7557A90A6344"
REFUSED_ISSUER = "CN=cucmpub9;OU=TAC;O=Cisco;L=Bangalore;ST=KN;C=IN"
REFUSED_SERIAL = "62E09123B09A61D20E77BE5BF5A82CD4"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Recording]:
    """Reads a log of these lines."""

    def reading(text: str) -> Recording:
        path = tmp_path / "tvs.log"
        path.write_text(text)
        return read_log(path)

    return reading


def framed(text: str) -> str:
    """Trace lines of 10.5 as 9.x frames them, each in one line."""
    lines = re.sub(r"\n(?!\d\d:)", " ", text).splitlines()
    records = [re.fullmatch(r"(\d\d:\d\d:\d\d\.\d{3}) \| debug (.*)", line) for line in lines]
    return "".join(
        f"{record[1]} |-->debug\n{record[1]} |   debug {record[2]}\n{record[1]} |<--debug\n"
        for record in records
        if record is not None
    )


def verification(serial: str, issuer: str) -> Question:
    """The question about a certificate that a log names."""
    return Question(request=MessageType.CERT_VERIFICATION_REQ, issuer=issuer, serial=bytes.fromhex(serial))


def test_the_published_verifications() -> None:
    """The trusted one has its serial number in its own line, the refused one inside the MAP ID alone."""
    recording = read_log(PUBLISHED)
    trusted, refused = (recording.asked[ask.asked] for ask in recording.asks)
    assert trusted.question == verification(TRUSTED_SERIAL, TRUSTED_ISSUER)
    assert trusted.expected is not None
    assert trusted.expected.status is TrustStatus.TRUSTED
    assert refused.question == verification(REFUSED_SERIAL, REFUSED_ISSUER)
    assert refused.expected == Expected(status=TrustStatus.NOT_TRUSTED, roles=())
    assert [round(ask.at, 3) for ask in recording.asks] == [0.0, 6632.564]
    assert [phone.address for phone in recording.phones] == ["10.106.111.121", ""], "the excerpts show it of the first"
    assert not recording.left_out


def test_the_guides_query_in_frames(read: Callable[..., Recording]) -> None:
    """The eToken query of the guide is the same with a frame around each line."""
    scene = GUIDE.read_text().split("```\n")[2]
    assert "This is SAST eToken cert" in scene
    recording = read(framed(scene))
    (asked,) = recording.asked
    assert asked == read(scene).asked[0]
    assert (asked.question.serial.hex().upper(), asked.question.issuer) == ("83E9080000005545AF31", TOKEN_ISSUER)
    assert asked.expected is not None
    assert (asked.expected.status, asked.expected.roles) == (TrustStatus.TRUSTED, (0,))


WHOLE = [verification(TRUSTED_SERIAL, TRUSTED_ISSUER), verification(REFUSED_SERIAL, REFUSED_ISSUER)]


def test_the_guides_query_in_frames_is_replayed(
    cluster: Cluster,
    serve: Callable[..., Running],
    replay: Callable[..., Replayed],
    with_tokens: bytes,
    tmp_path: Path,
) -> None:
    """A service of the guide's cluster gives the answer that the framed log shows."""
    write_atomically(cluster.state.ctl_file, with_tokens)
    log = tmp_path / "9.x.log"
    log.write_text(framed(GUIDE.read_text().split("```\n")[2]))
    running = serve(cluster)
    done = replay("--server", running.endpoint, *trusting(cluster), "--from", log, "--speed", "max")
    assert (done.status, done.result["answered"], done.result["failures"]) == (0, 1, {}), done.out
    (asked,) = requests_in(running.log, at_least=1)
    assert asked[2:] == ("83E9080000005545AF31", f'"{TOKEN_ISSUER}"', "trusted", "ctl", "0")


@pytest.mark.parametrize("width", range(40, 130, 3))
def test_wrapped_at_any_width(read: Callable[..., Recording], width: int) -> None:
    """Wrapped by a document, also within a name or a number, both are read whole: their lengths stand beside them."""
    lines = PUBLISHED.read_text().splitlines()
    recording = read("\n".join("\n".join(textwrap.wrap(line, width, break_on_hyphens=False)) for line in lines))
    assert [recording.asked[ask.asked].question for ask in recording.asks] == WHOLE
    assert not recording.left_out


@pytest.mark.parametrize("word", ["issuerName : ", "serialNumber : ", "Unique MAP ID : "])
@pytest.mark.parametrize("end", ["start", "end"])
def test_a_line_that_lost_an_end(read: Callable[..., Recording], word: str, end: str) -> None:
    """However many characters a value lost at its end, or at its start with some before it: never a wrong query."""
    for line in PUBLISHED.read_text().splitlines():
        before, found, value = line.partition(word)
        for lost in range(1, len(value)) if found else ():
            cut = f"{word[:-4]}{value[lost:]}" if end == "start" else f"{word}{value[:-lost]}"
            recording = read(PUBLISHED.read_text().replace(line, f"{before}{cut}"))
            assert all(asked.question in WHOLE for asked in recording.asked), cut
            assert len(recording.asks) + sum(recording.left_out.values()) == 2, cut


REFUSED = """\
05:54:47.836 |   debug tvsGetIssuerNameFromX509 - issuerName : {issuer}
05:54:47.836 |   debug CertificateCTLCache::getCertificateInformation - Looking up the certificate cache using \
Unique MAP ID : {map_id}
05:54:47.836 |   debug getCertificateInformation(cert) : certificate not found
"""


@pytest.mark.parametrize(
    ("issuer", "map_id"),
    [
        ("CN=cucmpub9;OU=TAC;O=Ci", REFUSED_SERIAL + REFUSED_ISSUER),
        (f"{REFUSED_ISSUER} and Length: 49", f"{REFUSED_SERIAL}CN=cucmpub9;OU="),
        ("CN=cucmpub9;OU=TAC;O=Cisco;L=Bangalore;", f"{REFUSED_SERIAL}{REFUSED_ISSUER}, len : 81"),
    ],
    ids=["issuer cut", "MAP ID cut", "issuer cut at a semicolon"],
)
def test_one_name_is_cut(read: Callable[..., Recording], issuer: str, map_id: str) -> None:
    """As long as one of the two lines has the whole issuer, the query is read from both."""
    (asked,) = read(REFUSED.format(issuer=issuer, map_id=map_id)).asked
    assert asked.question == verification(REFUSED_SERIAL, REFUSED_ISSUER)


@pytest.mark.parametrize(
    ("issuer", "map_id", "reason"),
    [
        (
            f"{REFUSED_ISSUER} and Length: 49",
            REFUSED_ISSUER[2:],
            f"whole serial number of a certificate by {REFUSED_ISSUER}",
        ),
        (f"{REFUSED_ISSUER} and Length: 49", REFUSED_SERIAL[:15], "whole serial number of a certificate by"),
        (
            f"{REFUSED_ISSUER} and Length: 49",
            REFUSED_SERIAL[1:] + REFUSED_ISSUER,
            "whole serial number of a certificate",
        ),
        (
            f"{REFUSED_ISSUER} and Length: 49",
            f"{REFUSED_SERIAL[2:]}{REFUSED_ISSUER}, len : 81",
            "whole serial number of a certificate",
        ),
        ("CN=cucm and Length: 49", f"{REFUSED_SERIAL}CN=cucm", f"whole issuer of the certificate {REFUSED_SERIAL}"),
        ("CN=cucm", f"{REFUSED_SERIAL}CN=cucmpub9, len : 81", f"whole issuer of the certificate {REFUSED_SERIAL}"),
        ("CN=cucm and Length: 49", "cucmpub9;OU=TAC", "does not show serial number and issuer"),
        (
            f"{REFUSED_ISSUER} and Length: 49",
            f"{REFUSED_SERIAL}CN=another;OU=TAC",
            "whole serial number of a certificate",
        ),
    ],
    ids=["no serial", "no issuer", "half a byte lost", "a byte lost", "cut", "cut, len", "nothing", "another issuer"],
)
def test_what_cannot_be_read_is_reported(read: Callable[..., Recording], issuer: str, map_id: str, reason: str) -> None:
    """The reason says what the log shows and what it does not; no query is made of it."""
    whole = framed(GUIDE.read_text().split("```\n")[2])
    recording = read(whole + REFUSED.format(issuer=issuer, map_id=map_id))
    assert len(recording.asks) == 1
    (found,) = recording.left_out
    assert reason in found
    with pytest.raises(SourceError, match="holds no whole query: the log does not show"):
        read(REFUSED.format(issuer=issuer, map_id=map_id))


QUERY = """\
17:21:51.831 | debug tvsHandleQueryCertReq
17:21:51.832 | debug tvsHandleQueryCertReq : Issuer Name is: {issuer}
17:21:51.832 | debug tvsHandleQueryCertReq : Serial Number is: 6B1D
17:21:51.832 | debug CertificateDBCACHE::getCertificateInformation - Looking up the certificate cache using {map_id}
17:21:51.832 | debug CertificateDBCACHE::getCertificateInformation - Found entry {{rolecount : 2}}
"""


@pytest.mark.parametrize(
    ("issuer", "map_id", "whole"),
    [
        ("CN=a;O=Cisco;L=Kra", "Unique MAPco;L=Krakow;C=PL", True),
        ("CN=a;O=Cisco;", "Unique MAPsco;L=Krakow;C=PL", True),
        ("CN=a;O=Cisco;L=Kra", "Unique MAP ID : 6B1DCN=a;O=Cisco;L=Krakow;C=PL", True),
        ("CN=a;O=Cisco;L=Krakow;C=PL", "Unique MAP ID : 6B1DCN=a;O=Ci", True),
        ("CN=a;O=Ci", "Unique MAPL=Krakow;C=PL", False),
        ("CN=a;O=Ci", "Unique MAP ID : 6B1DCN=b;O=Cisco;L=Krakow;C=PL", False),
    ],
)
def test_a_query_whose_issuer_is_cut(read: Callable[..., Recording], issuer: str, map_id: str, whole: bool) -> None:
    """The issuer is put together from both lines if they overlap or agree; otherwise the query is left out."""
    scene = framed(GUIDE.read_text().split("```\n")[2])
    recording = read(scene + framed(QUERY.format(issuer=issuer, map_id=map_id)))
    found = [asked.question.issuer for asked in recording.asked[1:]]
    assert found == (["CN=a;O=Cisco;L=Krakow;C=PL"] if whole else [])
    assert list(recording.left_out) == (
        [] if whole else ["the log does not show the whole issuer of the certificate 6B1D"]
    )


def test_a_serial_number_before_an_issuer_that_looks_like_digits(read: Callable[..., Recording]) -> None:
    """C and E are digits and types of names: the issuer's own line tells where the serial number ends."""
    for serial, issuer in (("0AD0", "C=IN;O=x"), ("0A", "DC=in;DC=x"), ("0ADC", "E=a;C=b"), ("0C", "CN=c")):
        text = REFUSED.format(issuer=f"{issuer} and Length: {len(issuer)}", map_id=serial + issuer)
        (asked,) = read(text).asked
        assert asked.question == verification(serial, issuer)


def test_many_cut_names_are_counted_together(read: Callable[..., Recording]) -> None:
    """A log of cut lines gives a bounded number of reasons."""
    cut = "".join(
        REFUSED.format(issuer=f"CN=x{number} and Length: 99", map_id=f"{number:04X}CN=") for number in range(99)
    )
    recording = read(framed(GUIDE.read_text().split("```\n")[2]) + cut)
    assert len(recording.left_out) <= 21
    assert sum(recording.left_out.values()) == 99
