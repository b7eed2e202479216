"""The metric as a module on the Hub, which `evaluate.load("org/name")` finds there: in `evaluate`'s world, a Space."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from codeclm_hf.errors import BadInput, HubError
from codeclm_hf.evaluation import outcomes
from codeclm_hf.hub.repository import Repository
from codeclm_hf.package import VERSION

_STATISTICS = Path(outcomes.__file__)
_PAGE = '<!doctype html><meta charset="utf-8"><title>Capacity Recovery Ratio</title><pre>evaluate.load("{}")</pre>\n'


def push_metric(repo: str, *, private: bool = False, token: str | None = None) -> str:
    """Put the Capacity Recovery Ratio on the Hub, for people who have `evaluate` and not codeclm-hf.

    One commit in a static Space: the metric with the statistics that it needs, README.md and index.html. Other files
    there stay; the same metric again changes nothing.

    Args:
        repo: `org/name` of a Space, made if it is not there.
        private: whether a new Space is private.
        token: by default the one that `hf auth login` or HF_TOKEN gives.

    Returns:
        What `evaluate.load` takes: `org/name`.

    Raises:
        BadInput: it cannot be the name of a module, the Space holds something else, or the token may not write there.
        HubError: the Hub gives no answer; the same call again goes on.
    """
    if not re.fullmatch(r"([\w-]+/)?[\w-]+", repo) or repo.rpartition("/")[2] == _STATISTICS.stem:
        raise BadInput(
            "needs a name such as org/capacity_recovery, of letters, digits, - and _, because evaluate imports a "
            f"module of that name; came {repo!r}"
        )
    hub = Repository(repo, token=token)
    hub.check_access()
    hub.ask(
        hub.api.create_repo, hub.id, repo_type="space", space_sdk="static", private=private, exist_ok=True
    )
    files = hub.ask(hub.api.list_repo_files, hub.id, repo_type="space")
    # a first commit, which may hold a README, is the Hub's own
    if (
        _STATISTICS.name not in files
        and len(hub.ask(hub.api.list_repo_commits, hub.id, repo_type="space")) > 1
    ):
        raise BadInput(f"needs a Space for the metric alone; {hub.id} holds something else; name another")
    operations = [CommitOperationAdd(path, content) for path, content in _files(hub.id).items()]
    title = f"Capacity Recovery Ratio of codeclm-hf {VERSION}"
    try:
        hub.ask(hub.api.create_commit, hub.id, operations, repo_type="space", commit_message=title)
    except HfHubHTTPError as exc:  # 409 or 412
        raise HubError(f"somebody else commits to {hub.id} just now", hint="run the same again") from exc
    return hub.id


def _files(repo: str) -> dict[str, bytes]:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("codeclm_hf.cards", ""),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # the name was checked, and Markdown is no HTML
    )
    return {
        # evaluate asks for the module by the repository's name
        f"{repo.rpartition('/')[2]}.py": _STATISTICS.with_name("capacity_recovery.py").read_bytes(),
        _STATISTICS.name: _STATISTICS.read_bytes(),
        "README.md": templates.get_template("metric_card.md.jinja").render(repo=repo).encode(),
        "index.html": _PAGE.format(repo).encode(),
    }
