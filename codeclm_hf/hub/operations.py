"""What a commit of ours changes on the Hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from codeclm_hf.evaluation.bundle import FOLDER as EVALUATIONS
from codeclm_hf.hub import paths
from codeclm_hf.hub.next_version import Draft
from codeclm_hf.hub.repository import Head, Operation, Repository
from codeclm_hf.run import directory


def commit_operations(draft: Draft, head: Head) -> list[Operation]:
    """Return what makes a draft of what stands at a commit: files that are new, and files of ours that go.

    Files at paths that are not ours stay.

    Args:
        draft: the version.
        head: the commit that it goes on top of.
    """
    content = draft.content
    files: dict[str, Path | bytes] = dict(table_files(draft))
    files |= {paths.picture_path(name): picture for name, picture in content.figures.items()}
    for evaluation in content.evaluations.values():
        files |= evaluation.files
    rewritten_folders = tuple(f"{EVALUATIONS}/{name}/" for name in content.evaluations)
    return [
        CommitOperationAdd(directory.CARD, content.card.encode()),
        CommitOperationAdd(directory.MANIFEST, content.require_manifest().to_text().encode()),
        *(CommitOperationAdd(path, file) for path, file in files.items()),
        *(
            CommitOperationDelete(path)
            for path in sorted(head.files - files.keys())
            if paths.config_of(path) or paths.picture_name(path) or path.startswith(rewritten_folders)
        ),
    ]


def table_files(draft: Draft) -> dict[str, Path]:
    """Return the shards of a draft's tables by their paths on the Hub, which hold a hash of the content."""
    return {
        paths.table_path(config, file.name): file
        for config, files in draft.content.files.items()
        for file in files
    }


def holds_draft(hub: Repository, revision: str, draft: Draft) -> bool:
    """Return whether a revision holds just this draft.

    Tables, manifest and card are compared, since two manifests may be equal although rows or words are not.
    """
    head, content = hub.require_head(revision), draft.content
    return (
        {path for path in head.files if paths.config_of(path)} == set(table_files(draft))
        and hub.read_text(directory.MANIFEST, head.commit) == content.require_manifest().to_text()
        and hub.read_text(directory.CARD, head.commit) == content.card
    )


def title_line(draft: Draft, message: str | None) -> str:
    """Return one line that says what a draft changes: the caller's message, or the changes in numbers."""
    return " ".join((message or _change_summary(draft)).split())


def _change_summary(draft: Draft) -> str:
    """Return how many rows of `default` change, or of all configs where none of it does."""
    default = draft.changes.get("default")
    tables = [default] if default else list(draft.changes.values())
    counts = {kind: sum(getattr(table, kind) for table in tables) for kind in ("added", "removed", "changed")}
    numbers = [f"{count} {kind}" for kind, count in counts.items() if count]
    if numbers:
        return f"rows {', '.join(numbers)}"
    return ", ".join(f"evaluation {name}" for name in draft.content.evaluations) or "the card"
