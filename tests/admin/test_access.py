"""Who may read the admin port: the addresses of this machine, the forms of a token, and files that are no good."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tvs.admin.access import NO_TOKEN_FILE, NOT_SHOWN, UNUSABLE, Access, is_loopback
from tvs.admin.token import MAX_TOKEN_FILE, TokenError, read_token

TOKEN = "dG9rZW4tb2YtdGhlLXRlc3Rz+/=="  # noqa: S105 - of these tests
OUTSIDE = "192.0.2.10"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A token file as an administrator makes it."""
    path = tmp_path / "admin.token"
    path.touch(0o600)
    path.write_text(TOKEN + "\n")
    return path


def basic(password: str, user: str = "operator") -> str:
    """The header of a browser."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_without_a_token_file() -> None:
    """This machine reads everything, other machines /healthz only."""
    access = Access(None)
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert access.refusal("/", local_address=address, authorization="") is None
    for address in (OUTSIDE, "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.10"):
        assert access.refusal("/healthz", local_address=address, authorization="") is None
        for path in ("/", "/status.json", "/metrics", "/readyz", "/healthz/", "//healthz", "/other"):
            assert access.refusal(path, local_address=address, authorization=f"Bearer {TOKEN}") is NO_TOKEN_FILE


@pytest.mark.parametrize("address", ["127.0.0.1", OUTSIDE])
@pytest.mark.parametrize(
    "shown",
    [
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN} ",
        basic(TOKEN),
        basic(TOKEN, user=""),
        basic(TOKEN).replace("Basic", "BASIC"),
    ],
)
def test_token_is_shown(file: Path, address: str, shown: str) -> None:
    """Whoever shows it, in one of the two ways, reads everything."""
    assert Access(file).refusal("/metrics", local_address=address, authorization=shown) is None


@pytest.mark.parametrize("address", ["127.0.0.1", OUTSIDE])
@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}=",
        f"Bearer {TOKEN.lower()}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Digest {TOKEN}",
        basic(TOKEN[1:]),
        basic("", user=TOKEN),
        "Basic " + base64.b64encode(TOKEN.encode()).decode(),
        f"Basic {TOKEN}",
        "Basic =",
        "Basic \xe9\xff",
        "Bearer \xe9\xff\u20ac",
    ],
)
def test_token_is_not_shown(file: Path, address: str, shown: str) -> None:
    """Whoever does not show it is asked for it, on this machine too."""
    assert Access(file).refusal("/metrics", local_address=address, authorization=shown) is NOT_SHOWN


def test_replaced_token(file: Path) -> None:
    """A new token counts from the next request on, and the old one no more; nobody is let in meanwhile without one."""
    access = Access(file)

    def refused(token: str) -> object:
        return access.refusal("/", local_address=OUTSIDE, authorization=f"Bearer {token}")

    assert refused(TOKEN) is None
    new = file.with_name("new")
    new.touch(0o600)
    new.write_text("another-token-of-the-tests")
    new.replace(file)
    assert refused(TOKEN) is NOT_SHOWN
    assert refused("another-token-of-the-tests") is None
    file.chmod(0o644)
    assert refused("another-token-of-the-tests") is UNUSABLE
    file.chmod(0o640)
    assert refused("another-token-of-the-tests") is None
    file.unlink()
    assert refused("another-token-of-the-tests") is UNUSABLE


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "one line of 16 or more"),
        (b"\n\n", "one line of 16 or more"),
        (b"too-short-token", "one line of 16 or more"),
        (b"two words of one token", "one line of 16 or more"),
        (b"first-line-of-two\nsecond-line-of-two\n", "one line of 16 or more"),
        ("tökens-of-umlauts-are-none".encode(), "one line of 16 or more"),
        (b"=" * 20, "one line of 16 or more"),
        (b"a" * (MAX_TOKEN_FILE + 1), f"more than {MAX_TOKEN_FILE} bytes"),
    ],
)
def test_files_that_hold_no_token(file: Path, content: bytes, sentence: str) -> None:
    """A sentence names the file and what to do; nobody is let in."""
    file.write_bytes(content)
    with pytest.raises(TokenError, match=sentence) as raised:
        read_token(file)
    assert str(file) in str(raised.value)
    shown = f"Bearer {content.decode('latin-1').strip()}"
    assert Access(file).refusal("/", local_address=OUTSIDE, authorization=shown) is UNUSABLE


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o660, 0o620, 0o601])
def test_files_of_others(file: Path, mode: int) -> None:
    """A file that others can read, or that a group can write, is refused with the command that mends it."""
    file.chmod(mode)
    with pytest.raises(TokenError, match=f"chmod 0640 {file}"):
        read_token(file)


def test_no_regular_file(tmp_path: Path) -> None:
    """A directory, a device and nothing at all are refused at once."""
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(TokenError, match="cannot be read"):
            read_token(path)
    with pytest.raises(TokenError, match="not a regular file"):
        read_token(Path("/dev/zero"))


def test_loopback() -> None:
    """Addresses with a zone, and IPv4 addresses of IPv6 sockets, are what they are."""
    assert is_loopback("::ffff:127.1.2.3")
    assert not any(map(is_loopback, ("0.0.0.0", "::", "fe80::1%lo", "::ffff:10.0.0.1")))  # noqa: S104 - not a listener
