"""Putting the metric on the Hub, in a Space, where `evaluate.load("org/name")` finds it."""

from __future__ import annotations

from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from codeclm_hf.errors import BadInput, HubError
from codeclm_hf.evaluation.metric_module import STATISTICS, check_module_name, module_files
from codeclm_hf.hub.repository import Repository
from codeclm_hf.package import VERSION


def push_metric(repo: str, *, private: bool = False, token: str | None = None) -> str:
    """Put the Capacity Recovery Ratio on the Hub, for people who have `evaluate` and not codeclm-hf.

    One commit in a static Space: the metric with the statistics that it needs, README.md and index.html.
    Other files there stay; the same metric again changes nothing.

    Args:
        repo: `org/name` of a Space, made if it is not there.
        private: whether a new Space is private.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Returns:
        What `evaluate.load` takes: `org/name`.

    Raises:
        BadInput: it cannot be the name of a module, the Space holds something else, or the token may not
            write there.
        HubError: the Hub gives no answer; the same call again goes on.
    """
    check_module_name(repo)
    hub = Repository(repo, token=token)
    hub.check_access()
    hub.ask(
        hub.api.create_repo, hub.id, repo_type="space", space_sdk="static", private=private, exist_ok=True
    )
    is_ours = STATISTICS in hub.ask(hub.api.list_repo_files, hub.id, repo_type="space")
    # a first commit, which may hold a README, is the Hub's own
    if not is_ours and len(hub.ask(hub.api.list_repo_commits, hub.id, repo_type="space")) > 1:
        raise BadInput(f"needs a Space for the metric alone; {hub.id} holds something else; name another")
    operations = [CommitOperationAdd(path, content) for path, content in module_files(hub.id).items()]
    title = f"Capacity Recovery Ratio of codeclm-hf {VERSION}"
    try:
        hub.ask(hub.api.create_commit, hub.id, operations, repo_type="space", commit_message=title)
    except HfHubHTTPError as exc:  # 409 or 412
        raise HubError(f"somebody else commits to {hub.id} just now", hint="run the same again") from exc
    return hub.id
