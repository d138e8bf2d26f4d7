"""Plans by command, ITL files that other signers made, files put in place."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from ctlcache.builder import build_trust_list
from ctlcache.entries import itl_entries
from tests.fixtures.refusals import AHEAD

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tvs.plan.model import Code

    Findings = dict[str, list[dict[str, str]]]

ALL = "with-tvs,tls1.0,without-tvs"


def settings(admin: Administrator, **values: str) -> None:
    """Writes the service's settings, which the plan reads too."""
    lines = [f'{name} = "{value}"\n' for name, value in values.items()]
    (admin.state.path / "tvs.toml").write_text("".join(lines))


def planned(admin: Administrator, *words: object) -> Findings:
    """The findings of `tvs ctl plan --json` by code; its exit status says whether one of them is an error."""
    done = admin("ctl", "plan", *words, "--json")
    plan = json.loads(done.out)
    errors = [finding for finding in plan["findings"] if finding["severity"] == "error"]
    assert done.status == (1 if errors else 0), done.err
    assert plan["safe"] is not bool(errors)
    found: Findings = {}
    for finding in plan["findings"]:
        assert finding["sentence"]
        assert finding["way_out"]
        found.setdefault(finding["code"], []).append(finding)
    return found


def worst(found: Findings, code: Code) -> str:
    """The severity of a finding: that of the first, which is the worst."""
    return found[code][0]["severity"]


def itl_of(admin: Administrator, signer: KeyFileSigner) -> bytes:
    """An ITL with the cluster's TVS, and another signer as its only SAST."""
    node = admin.situation().cluster_nodes[0]
    entries = itl_entries(node, [node], sast=[signer.certificate], capf=None, mixed_mode=True)
    return build_trust_list(entries, signer, timestamp=int(time.time()) + AHEAD, file_name="ITLFile.tlv")


def saved(der: bytes, path: Path) -> Path:
    """A certificate as a file."""
    path.write_bytes(der)
    return path


def replaced(path: Path, data: bytes) -> None:
    """Puts another list in place; the one before stays as NAME.1, which phones may hold for a day."""
    path.rename(path.with_name(f"{path.name}.1"))
    path.write_bytes(data)
