"""What must follow a change, for people: the steps after another own certificate, and those that others share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from certstore.purposes import Purpose
from tvs.cluster.lists import signed_by_server, signed_by_token

if TYPE_CHECKING:
    from tvs.cluster.change import Change

UPDATE_LISTS: Final = "tvs utils itl update"
"""The command that makes the lists that nodes need."""
_IN_CTL: Final = (Purpose.CallManager, Purpose.CallManager_ECDSA, Purpose.CAPF)
"""Units whose certificates a CTL file has, whoever signs it."""
_PHONES: Final = "restart the phones: they fetch the new lists; let all register before another certificate changes"


def update_ctl(ctl: bytes) -> str:
    """The command that makes a CTL file anew which is this one now."""
    return f"tvs utils ctl update CTLFile{'' if signed_by_server(ctl) else ' --token URI'}"


def reload_service(node: str | None = None) -> str:
    """The step after a node's TVS certificate has changed; None for the node where the command runs."""
    where = "here" if node is None else f"on {node}"
    return f"when phones have fetched the new ITL file, {where}: systemctl reload tvs"


def steps_after_own(change: Change, unit: Purpose) -> list[str]:
    """The steps after an own certificate of a unit has changed, or is gone, in their order, for people."""
    before, after = change.before, change.after
    here, changed = before.this_node.name, _changed(change, unit)
    steps = []
    if before.subscriber is not None:
        steps.append(
            f"on {before.publisher.name}, whose key signs the trust lists, which stay as they are until then: "
            f"{UPDATE_LISTS}"
        )
    if after.ctl is not None and (change.later is not None or (unit in _IN_CTL and signed_by_token(after.ctl))):
        steps.append(f"the CTL file stays as it is until: {update_ctl(after.ctl)}")
    if steps or before.itl != after.itl:
        steps.append(_PHONES)
    if unit is Purpose.TVS:
        steps.append(reload_service(None if changed == here else changed))
    return steps


def _changed(change: Change, unit: Purpose) -> str:
    """The name of the node whose certificate a change replaces."""
    before, after = change.before, change.after
    differ = [node.name for node in before.nodes if before.own(unit, node.name) != after.own(unit, node.name)]
    return differ[0] if differ else before.this_node.name
