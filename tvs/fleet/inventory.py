"""An inventory of phones: a table as text, as the Unified CM's reports and spreadsheets write it."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

from certstore.devices import MAX_DEVICES, Device
from proto.text import printable
from tvs.errors import StateError
from tvs.fleet.batches import MAX_DEVICE
from tvs.fleet.names import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_INVENTORY: Final = 64 * 1024 * 1024
"""Bytes of a file, at most: 200,000 phones with every column of a report."""
MAX_DESCRIPTION: Final = 128
"""Characters of a description that are kept, as in the Unified CM."""
_COLUMNS: Final = {
    "name": ("device name", "devicename", "name", "phone", "device", "mac address", "mac"),
    "model": ("device type", "model", "phone model", "product", "phone type", "type", "model name"),
    "description": ("description", "device description", "comment"),
}
"""Heads of columns, in lower case, the first ones first."""
_NUMBER: Final = re.compile(r"(?:CISCO|[CD]P)(?:[ -]|UNIFIED|IP|PHONE)*([0-9]{4})(?![0-9]).*|([0-9]{4})G?")
_MAC: Final = re.compile(r"[0-9A-F]{12}")
_DELIMITERS: Final = ",;\t"


class InventoryError(StateError):
    """The file is not an inventory. Each sentence says which line, and what it should be."""


def read_inventory(data: bytes, source: str, now: int) -> list[Device]:
    """The phones of an inventory.

    The first line names the columns: that of the names must be there (``Device Name``, ``Name``, ``MAC Address``),
    those of the models (``Device Type``, ``Model``) and descriptions may. A file of names only needs no such line.
    Columns are separated by commas, semicolons or tabs.

    Args:
        data: the file, UTF-8 or, as spreadsheets write it, UTF-16 with its mark; else Latin 1.
        source: the file, for sentences.
        now: the time of day, seconds since 1970.

    Raises:
        InventoryError: there is no phone, no column of names, a name that none can have, or too many phones.
    """
    rows = list(_rows(_text(data), source))
    if not rows:
        raise InventoryError(f"{source}: there is no line; an inventory has a line for each phone")
    number, first = rows[0]
    columns = _columns(first)
    if "name" in columns:
        rows = rows[1:]
    elif _is_name(first[0]) and len(first) == 1:
        columns = {"name": 0}
    else:
        raise InventoryError(
            f"{source}: line {number} names no column of phones: one must be Device Name, Name or MAC Address"
        )
    found: dict[str, Device] = {}
    for number, row in rows:
        device = _device(row, columns, f"{source}: line {number}", now)
        found[device.name] = device
        if len(found) > MAX_DEVICES:
            raise InventoryError(f"{source}: has more than {MAX_DEVICES} phones, which is the most that are recorded")
    if not found:
        raise InventoryError(f"{source}: there is no phone below the line with the columns' names")
    return [*found.values()]


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _rows(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    head = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)  # other marks of a line's end are text
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InventoryError(f"{source}: line {reader.line_num}: {error}") from None
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells


def _columns(cells: Sequence[str]) -> dict[str, int]:
    """The places of the columns that the line names."""
    heads = [" ".join(re.split(r"[\s_]+", cell.lower())) for cell in cells]
    found = {}
    for column, names in _COLUMNS.items():
        place = next((heads.index(name) for name in names if name in heads), None)
        if place is not None:
            found[column] = place
    return found


def _device(row: Sequence[str], columns: dict[str, int], where: str, now: int) -> Device:
    cells = {column: row[place] if place < len(row) else "" for column, place in columns.items()}
    text = cells["name"]
    if not _is_name(text):
        shown = printable(text)[:MAX_DEVICE]
        raise InventoryError(
            f"{where}: {shown!r} is not a phone's name, such as SEPB000B4BA0AEE, of 1 to {MAX_DEVICE} characters"
        )
    address = re.sub(r"[:.\-]", "", text).upper()
    name, model = identity(f"SEP{address}" if _MAC.fullmatch(address) else text)
    return Device(
        name=name,
        model=_model(cells.get("model", "")) or model,
        description=printable(cells.get("description", ""))[:MAX_DESCRIPTION],
        listed=now,
    )


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= MAX_DEVICE and text.isprintable() and " " not in text


def _model(text: str) -> str:
    """The model as phones name it: ``CP-8861`` of ``Cisco 8861``; empty for another product."""
    match = _NUMBER.fullmatch(text.upper())
    return f"CP-{match[1] or match[2]}" if match else ""
