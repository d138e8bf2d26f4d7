"""README and docs name modules, files and pages that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = "tvs|certstore|ctlcache|proto"
FILES = {"tvs.db", "tvs.toml", "tvs.service", "tvs.rules.yml"}
"""Files whose names look like modules of ours."""
FILTERS = set(re.findall(r'"(tvs\.[\w.]+)"', (ROOT / "deploy/wireshark/tvs.lua").read_text("utf-8")))
"""Display filters of Wireshark, which look like modules of ours."""


def _resolves(dotted: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for name in parts[size:]:
            fields = getattr(found, "__dataclass_fields__", {})
            if name not in fields and not hasattr(found, name):
                return False
            found = getattr(found, name, None)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_exist(page: Path) -> None:
    """A module, class or function that a page names can be imported under that name."""
    named = set(re.findall(rf"`((?:{PACKAGES})(?:\.\w+)+)`", page.read_text("utf-8"))) - FILES - FILTERS
    assert [name for name in sorted(named) if not _resolves(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_exist(page: Path) -> None:
    """A file, a folder or a module of the project that a page names by its path is there."""
    named = set(re.findall(rf"`((?:{PACKAGES}|tests|deploy|docs)/[\w./-]*)`", page.read_text("utf-8")))
    missing = [name for name in sorted(named) if not (ROOT / name).exists() and not _resolves(name.replace("/", "."))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link leads to a file, and its fragment to a heading of that page."""
    broken = []
    for target in re.findall(r"\]\(([^)#\s:]*(?:#[\w-]+)?)\)", page.read_text("utf-8")):
        name, _, fragment = target.partition("#")
        path = (page.parent / name) if name else page
        if not path.exists() or (fragment and fragment not in _anchors(path)):
            broken.append(target)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_no_merge_is_left_over(page: Path) -> None:
    """No line marks a conflict of a merge."""
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.read_text("utf-8"), re.MULTILINE) == []


def test_every_display_filter_is_described() -> None:
    """The page about Wireshark names each filter of the dissector, but those of the header's first bytes."""
    named = set(re.findall(r"`(tvs\.[\w.]+)`", (ROOT / "docs/wireshark.md").read_text("utf-8")))
    assert FILTERS - named == {"tvs.discriminator", "tvs.version", "tvs.reserved", "tvs.element", "tvs.rest"}
    assert named - FILTERS == set()
