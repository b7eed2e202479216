"""The tags that name versions."""

from __future__ import annotations

from collections.abc import Mapping

from codeclm_hf.errors import BadInput
from codeclm_hf.hub.repository import Repository, TagExists
from codeclm_hf.hub.snapshot import Snapshot
from codeclm_hf.hub.version import Version


def tag_version(hub: Repository, version: Version, commit: str, message: str) -> None:
    """Tag the commit of a version.

    Raises:
        BadInput: another branch has a version of this number since a moment.
        HubError: the Hub gives no answer.
    """
    try:
        hub.create_tag(version, commit, message)
    except TagExists as exc:
        raise BadInput(
            f"needs a version of its own; {version} was given to another branch of {hub.id} "
            f"at the same moment; commit {commit[:7]} stands without a tag; "
            f"run the same again with a --version above {version}"
        ) from exc


def tag_current(
    hub: Repository, branch: str, current: Snapshot, tags: Mapping[Version, str]
) -> dict[Version, str]:
    """Tag the version that stands on a branch, if whoever committed it could not do so any more.

    Args:
        hub: the repository.
        branch: the branch.
        current: what stands there.
        tags: the commits of all tags of versions.

    Returns:
        All tags of versions now.
    """
    version = Version.of_tag(current.version or "")
    if version is None or version in tags:
        return dict(tags)
    for commit in hub.commits(branch):
        if commit.title.startswith(f"{version.tag}: "):
            tag_version(hub, version, commit.id, commit.title)
            return {**tags, version: commit.id}
    return dict(tags)
