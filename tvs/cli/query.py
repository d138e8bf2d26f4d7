"""`tvs query`: asks a Trust Verification Service as a phone does, and prints the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from proto.roles import role_name
from proto.text import printable
from tvs.cli import values
from tvs.cli.common import FAILED, NO_ANSWER, OK, USAGE, CommandError, handled_by, json_option, say, say_json
from tvs.client.defaults import QUERY_DEVICE
from tvs.config.endpoint import DEFAULT_PORT

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands
    from tvs.client.connection import TVSClient
    from tvs.client.question import JudgedAnswer, TVSQuestion

_EPILOG = """\
examples:
  ask for the signer of a CTL file, as a phone does when it does not know the signer:
    tvs query --server 192.0.2.10 --trust ITLFile.tlv --ctl CTLFile.tlv
  ask for a certificate's identity, or whether exactly this certificate is trusted:
    tvs query --server 192.0.2.10 --trust ITLFile.tlv --certificate server.pem [--verify]
  ask for names and a serial number:
    tvs query --server 192.0.2.10 --trust ITLFile.tlv \\
        --subject 'CN=pub;OU=TAC;O=Cisco' --issuer 'CN=pub;OU=TAC;O=Cisco' --serial 70CAF64E090751B9DF22F49F754FC5BB

exit statuses: 0 trusted, 1 not trusted, 2 wrong usage, 3 no answer.
"""


def add_commands(commands: Commands) -> None:
    """Adds `query`."""
    from tvs.client.defaults import DEFAULT_TIMEOUT

    parser = commands.add_parser(
        "query",
        help="ask a service, as a phone does",
        description="Asks a Trust Verification Service.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--server",
        type=values.server(DEFAULT_PORT),
        required=True,
        metavar="HOST[:PORT]",
        help="the service (port 2445)",
    )
    trust = parser.add_mutually_exclusive_group(required=True)
    trust.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        help="an ITL, a CTL or a PEM that vouches for the server's certificate",
    )
    trust.add_argument("--insecure", action="store_true", help="take any server's certificate")
    parser.add_argument("--ctl", type=Path, metavar="FILE", help="ask for the signer of this CTL or ITL file")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="ask for this certificate (PEM or DER)")
    parser.add_argument(
        "--verify", action="store_true", help="with --certificate: ask whether exactly this one is trusted"
    )
    parser.add_argument("--subject", metavar="NAME", help="subject name in CTL form (CN=…;OU=…)")
    parser.add_argument("--issuer", metavar="NAME", help="issuer name in CTL form")
    parser.add_argument("--serial", metavar="HEX", help="serial number, hex digits")
    parser.add_argument("--device", default=QUERY_DEVICE, help="the phone's name (default: %(default)s)")
    parser.add_argument(
        "--timeout",
        type=values.seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="for each step (default: %(default)g)",
    )
    json_option(parser)
    handled_by(parser, _query)


def _query(arguments: argparse.Namespace) -> int:
    import asyncio

    from tvs.client.connection import TVSClient
    from tvs.client.question import QuestionError
    from tvs.client.trust import NoAnswer, ServerTrust

    try:
        question = _question(arguments)
        trust = ServerTrust(anyone=True) if arguments.insecure else ServerTrust.from_file(arguments.trust)
    except (QuestionError, ValueError) as error:
        raise CommandError(str(error), USAGE) from None
    try:
        answer = asyncio.run(
            _ask(TVSClient(arguments.server, trust, timeout=arguments.timeout), question, arguments.device)
        )
    except QuestionError as error:
        raise CommandError(str(error), USAGE) from None
    except NoAnswer as error:
        raise CommandError(str(error), NO_ANSWER) from None
    if arguments.json:
        say_json(_as_json(answer))
    else:
        _say_answer(answer)
    return OK if answer.confirmed else FAILED


async def _ask(client: TVSClient, question: TVSQuestion, device: str) -> JudgedAnswer:
    from tvs.client.question import ask

    async with client:
        return await ask(client, question, device=device)


def _question(arguments: argparse.Namespace) -> TVSQuestion:
    from tvs.client.question import certificate_question, identity_question, signer_question

    names = [arguments.subject, arguments.issuer, arguments.serial]
    ways = [
        arguments.ctl is not None,
        arguments.certificate is not None,
        any(name is not None for name in names),
    ]
    if sum(ways) != 1:
        raise CommandError("say what to ask for: --ctl, --certificate, or --subject with --issuer and --serial", USAGE)
    if arguments.verify and arguments.certificate is None:
        raise CommandError("--verify goes with --certificate", USAGE)
    if arguments.ctl is not None:
        return signer_question(arguments.ctl)
    if arguments.certificate is not None:
        return certificate_question(arguments.certificate, verify=arguments.verify)
    if None in names:
        raise CommandError("--subject, --issuer and --serial go together", USAGE)
    return identity_question(*names)


def _as_json(answer: JudgedAnswer) -> dict[str, object]:
    question, response = answer.question, answer.response
    return {
        "trusted": answer.trusted,
        "subject": printable(question.subject),
        "issuer": printable(question.issuer),
        "serial": question.serial.hex().upper(),
        "roles": [{"code": role, "name": role_name(role)} for role in response.roles],
        "time_to_live": response.time_to_live,
        "certificates": [{"bytes": len(der), "sha1": _sha1(der), "der": der.hex()} for der in answer.certificates],
        "signs_the_list": answer.signs_the_list,
    }


def _say_answer(answer: JudgedAnswer) -> None:
    question, response = answer.question, answer.response
    say("Trusted" if answer.trusted else "Not trusted")
    say(f"  Subject       {printable(question.subject)}")
    say(f"  Issuer        {printable(question.issuer)}")
    say(f"  Serial        {question.serial.hex().upper()}")
    if not answer.trusted:
        return
    say(f"  Roles         {', '.join(f'{role} {role_name(role)}' for role in response.roles)}")
    if response.time_to_live is not None:
        say(f"  Time to live  {response.time_to_live} s")
    for der in answer.certificates:
        say(f"  Certificate   {len(der)} bytes, SHA-1 {_sha1(der)}")
    if answer.signs_the_list is not None:
        signed = "is signed" if answer.signs_the_list else "is NOT signed"
        say(f"  Signature     the file {signed} with this certificate's key")
    if answer.lacks_signer_role:
        say("  Warning       without role 0 (SAST) a phone does not take a file from this signer")


def _sha1(data: bytes) -> str:
    import hashlib

    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
