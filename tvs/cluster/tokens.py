"""Hardware tokens that sign the CTL file: found, checked against the present file, logged in to when they sign."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ctlcache.pkcs11.defaults import DEFAULT_MODULE, TIME_LIMIT
from ctlcache.pkcs11.lazy import LazyTokenSigner
from ctlcache.pkcs11.module import TokenModule
from ctlcache.pkcs11.pin import PinFile
from ctlcache.tokens import held_tokens, with_tokens
from ctlcache.trustlist import parse_trust_list
from proto.errors import RemoteProtocolError
from proto.roles import TrustRole
from tvs.cluster.lists import check_tokens, token_source
from tvs.errors import StateError
from tvs.system.owner import as_caller
from tvs.units import CTL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ctlcache.entries import ListEntry
    from ctlcache.pkcs11.module import AskPin
    from ctlcache.pkcs11.token import Token, TokenCertificate
    from ctlcache.pkcs11.uri import TokenUri
    from tvs.cluster.lists import CtlSource
    from tvs.cluster.proposals import MakeCtlSource
    from tvs.cluster.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChoice:
    """The tokens of a new CTL file besides those of the present one.

    Attributes:
        uris: the tokens, one or more; the last one signs, as the last one that is inserted does in the CTL Client.
        ask_pin: returns the signer's PIN, if its URI does not name a file.
        add_token: whether tokens may be new to the present CTL file.
        module: the PKCS#11 module of tokens whose URI does not name one.
        time_limit: whole seconds that a module may take for one request.
    """

    uris: tuple[TokenUri, ...]
    ask_pin: AskPin
    add_token: bool = False
    module: str = DEFAULT_MODULE
    time_limit: int = TIME_LIMIT


@dataclass(frozen=True, slots=True)
class _Inserted:
    uri: TokenUri
    module: TokenModule
    token: Token
    item: TokenCertificate


@contextmanager
def inserted_tokens(choice: TokenChoice) -> Iterator[MakeCtlSource]:
    """Finds the tokens and yields the CTL source for `propose_ctl`; they can sign inside the with-block.

    Raises `TokenError` for a token that is not plugged in. The source raises it and `StateError` likewise. No PIN is
    used until the list is signed, in `tvs.cluster.commit`.
    """
    with ExitStack() as stack:
        modules: dict[str, TokenModule] = {}
        found = []
        for uri in choice.uris:
            path = uri.module_path or choice.module
            if path not in modules:
                modules[path] = stack.enter_context(TokenModule(path, time_limit=choice.time_limit))
            token = modules[path].find(uri)
            found.append(_Inserted(uri, modules[path], token, token.certificate(uri)))
        yield partial(_source, choice, found)


def _source(choice: TokenChoice, found: Sequence[_Inserted], situation: Situation) -> CtlSource:
    tokens = with_tokens(_held(situation.ctl), [inserted.item.certificate.der for inserted in found])
    check_tokens(situation, tokens, add_token=choice.add_token)
    last = found[-1]
    ask_pin = choice.ask_pin if last.uri.pin_file is None else PinFile(last.uri.pin_file)
    signer = LazyTokenSigner(last.module, last.token, last.item, partial(_ask_as_caller, ask_pin))
    return token_source(situation, tokens, signer, add_token=choice.add_token)


def _ask_as_caller(ask_pin: AskPin, token: Token) -> str:
    """The PIN from a file or a terminal of the caller, whose rights the commit of a change does not have."""
    with as_caller():
        return ask_pin(token)


def _held(ctl: bytes | None) -> tuple[ListEntry, ...]:
    """The tokens of the present CTL file, which keep their records."""
    try:
        return () if ctl is None else held_tokens(parse_trust_list(ctl))
    except RemoteProtocolError as error:
        raise StateError(f"{CTL_NAME} is damaged: {error}; delete it with: tvs file delete tftp {CTL_NAME}") from None


# -- plugged-in tokens ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenToken:
    """A certificate on a plugged-in token, as the cluster knows it.

    Attributes:
        token: the token.
        item: the certificate; None for a token without one.
        in_ctl: whether the present CTL file has it as a security token.
        signs_ctl: whether it signed the present CTL file.
        trusted: whether TVS vouches for it as a security token when phones ask, from its database.
    """

    token: Token
    item: TokenCertificate | None
    in_ctl: bool = False
    signs_ctl: bool = False
    trusted: bool = False


def seen_tokens(situation: Situation, tokens: Iterable[Token]) -> list[SeenToken]:
    """Each certificate on these tokens, as the cluster knows it. Raises `StateError` for a damaged CTL file."""
    held, signer = _ctl_tokens(situation.ctl)
    seen = []
    for token in tokens:
        for item in token.certificates:
            der = item.certificate.der
            trusted = TrustRole.SAST in situation.roles(der)
            seen.append(SeenToken(token=token, item=item, in_ctl=der in held, signs_ctl=der == signer, trusted=trusted))
        if not token.certificates:
            seen.append(SeenToken(token=token, item=None))
    return seen


def _ctl_tokens(ctl: bytes | None) -> tuple[set[bytes | None], bytes | None]:
    """The certificates of the present CTL file's tokens, and its signer's."""
    held = {entry.certificate for entry in _held(ctl)}
    record = None if ctl is None else parse_trust_list(ctl).signer_record
    return held, None if record is None else record.certificate
