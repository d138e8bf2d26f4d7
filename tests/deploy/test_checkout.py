"""What may be released: a clean checkout with a changelog entry and no tag of another version."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from deploy.release.checkout import inspect
from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram


def git(root: Path, *words: str) -> None:
    """Runs git without anybody's settings."""
    who = ["-c", "user.name=N", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", root, *who, *words], check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path, require_program: RequireProgram) -> Path:
    """A small checkout that may be released as 1.2.3."""
    require_program("git")
    (tmp_path / "tvs").mkdir()
    (tmp_path / "tvs" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-11-28\n")
    git(tmp_path, "init")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-m", "one")
    return tmp_path


def refusal(root: Path) -> str:
    """The words with which a checkout is refused."""
    with pytest.raises(ReleaseError) as caught:
        inspect(root)
    return str(caught.value)


def test_a_clean_checkout_is_accepted(root: Path) -> None:
    """Version and time come from the commit; a matching tag, and tags that are not versions, change nothing."""
    git(root, "tag", "v1.2.3")
    git(root, "tag", "verified")
    found = inspect(root)
    assert (found.version, len(found.commit), found.time > 0) == ("1.2.3", 40, True)


@pytest.mark.parametrize("name", ["new.py", "CHANGELOG.md"])
def test_a_dirty_tree_is_refused(root: Path, name: str) -> None:
    """A file that is new or changed is named, in a trial too."""
    with (root / name).open("a") as file:
        file.write("\n")
    assert name in refusal(root)
    with pytest.raises(ReleaseError, match="not committed"):
        inspect(root, trial=True)


def test_a_change_that_git_hides_is_refused(root: Path) -> None:
    """`git update-index --assume-unchanged` does not bring a changed file past the check."""
    git(root, "update-index", "--assume-unchanged", "CHANGELOG.md")
    assert "CHANGELOG.md" in refusal(root)


@pytest.mark.parametrize("entry", ["## [Unreleased]\n", "## [1.2.30] - 2026-11-28\n", "## [1.2.3]\n"])
def test_a_version_without_changelog_entry_is_refused(root: Path, entry: str) -> None:
    """The entry has the very version and a date; a trial does without."""
    (root / "CHANGELOG.md").write_text(entry)
    git(root, "commit", "--all", "-m", "two")
    assert "## [1.2.3] - YYYY-MM-DD" in refusal(root)
    assert inspect(root, trial=True).version == "1.2.3"


def test_a_tag_of_another_version_is_refused(root: Path) -> None:
    """HEAD must not be tagged as another version."""
    git(root, "tag", "v1.2.4")
    assert "v1.2.4" in refusal(root)


def test_a_version_is_released_once(root: Path) -> None:
    """A tag of this version on an earlier commit means that it is out."""
    git(root, "tag", "v1.2.3")
    git(root, "commit", "--allow-empty", "-m", "two")
    assert "belongs to another commit" in refusal(root)
