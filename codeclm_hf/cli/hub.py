"""The commands of versions: publish, contribute, merge, log, diff, pull, export, rollback and blame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from codeclm_hf.cli.options import (
    AllowIncomplete,
    AllowSecrets,
    Bump,
    Directory,
    DryRun,
    Message,
    Number,
    Redact,
    Repo,
)
from codeclm_hf.errors import BadInput
from codeclm_hf.exports.formats import FORMATS
from codeclm_hf.text import ROWS_SHOWN

app = typer.Typer()
_out = Console(highlight=False)


@app.command()
def publish(
    directory: Directory,
    repo: Repo,
    version: Number = None,
    bump: Bump = "auto",
    message: Message = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    branch: Annotated[
        str, typer.Option(metavar="B", help="The branch to publish to; made of main if it is not there.")
    ] = "main",
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead, as codeclm-hf contribute does.")
    ] = False,
    license: Annotated[
        str | None, typer.Option(metavar="L", help="The license to put on the card, such as cc-by-4.0.")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="L", help="The languages to put on the card, such as en,de; by default those detected."
        ),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="A folder that evaluate made, to publish beside the data; for several, repeat it.",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Publish the rows of DIR alone, without those that only the latest version has."
        ),
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Add to a repository that codeclm-hf did not make.")
    ] = False,
    allow_incomplete: AllowIncomplete = False,
    allow_secrets: AllowSecrets = False,
    redact: Redact = False,
    dry_run: DryRun = False,
) -> None:
    """Put a run directory on the Hub as the next version: one commit, one tag, read back and compared."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import publish as publishing

    if create_pr:
        version_options = (
            *(version, bump != "auto", private, branch != "main", license, language, evaluation),
            *(replace, adopt, dry_run),
        )
        if any(version_options):
            raise BadInput(
                "needs --create-pr with --message, --redact or an --allow at most; a merge settles the rest"
            )
        contribute(directory, repo, message, allow_incomplete, allow_secrets, redact)
        return
    result = publishing.publish(
        directory,
        repo,
        version=version,
        bump=bump,
        message=message,
        private=private,
        branch=branch,
        license=license,
        language=language,
        evaluations=evaluation or (),
        replace=replace,
        adopt=adopt,
        allow_incomplete=allow_incomplete,
        allow_secrets=allow_secrets,
        redact=redact,
        dry_run=dry_run,
    )
    hub_display.print_publish_result(_out, result)


@app.command()
def contribute(
    directory: Directory,
    repo: Repo,
    message: Message = None,
    allow_incomplete: AllowIncomplete = False,
    allow_secrets: AllowSecrets = False,
    redact: Redact = False,
) -> None:
    """Open a pull request with a run directory's rows; it says what it changes."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import pull_requests

    result = pull_requests.contribute(
        directory,
        repo,
        message=message,
        allow_incomplete=allow_incomplete,
        allow_secrets=allow_secrets,
        redact=redact,
    )
    hub_display.print_publish_result(_out, result)


@app.command()
def merge(
    repo: Repo,
    pr: Annotated[
        int | None, typer.Option(metavar="N", help="The number of the pull request; required.")
    ] = None,
    ours: Annotated[bool, typer.Option("--ours", help="In a conflict, take the row on main.")] = False,
    theirs: Annotated[
        bool, typer.Option("--theirs", help="In a conflict, take the row of the pull request.")
    ] = False,
    conflicts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the conflicts to this file; edit it and run the same command again to decide them.",
        ),
    ] = None,
    version: Number = None,
    bump: Bump = "auto",
    message: Message = None,
    allow_secrets: AllowSecrets = False,
) -> None:
    """Merge a pull request row by row, as a new version, and close it."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import pull_requests

    if pr is None:
        raise BadInput("needs --pr N, the pull request's number; came none")
    if ours + theirs + (conflicts is not None) > 1:
        raise BadInput("needs one of --ours, --theirs and --conflicts at most; came more")
    result = pull_requests.merge(
        repo,
        pr=pr,
        take="current" if ours else "incoming" if theirs else None,
        conflicts_file=conflicts,
        version=version,
        bump=bump,
        message=message,
        allow_secrets=allow_secrets,
    )
    hub_display.print_publish_result(_out, result)


@app.command()
def log(repo: Repo) -> None:
    """List the versions of a data set: when, who, rows, what changed, which models."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import history

    hub_display.print_log(_out, history.log(repo))


@app.command()
def diff(
    repo: Repo,
    before: Annotated[str, typer.Argument(metavar="A", help="A version, a tag, a branch or a commit.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another of these, or a run directory.")],
    limit: Annotated[
        int, typer.Option(help="For each table, show at most so many added, removed and changed rows each.")
    ] = ROWS_SHOWN,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the difference as JSON, for programs.")
    ] = False,
) -> None:
    """Show which rows differ between two versions, and how far use cases and skills moved."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub.diff import compare_versions

    difference = compare_versions(repo, before, after, limit=limit)
    if as_json:
        print(json.dumps(difference.as_json(), ensure_ascii=False, default=str))
    else:
        hub_display.print_diff(_out, difference)


@app.command()
def pull(
    repo: Annotated[
        str,
        typer.Argument(
            metavar="REPO[@REV]",
            help="A data set on the Hub as org/name, and a version, a tag, a branch or a commit.",
        ),
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
) -> None:
    """Download a version as a run directory; a run in it adds to its rows."""
    from codeclm_hf.hub import pull as pulling

    name, _, revision = repo.partition("@")
    content = pulling.pull(name, directory, revision=revision or None)
    what = f"version {content.version}" if content.version else "no version of codeclm-hf"
    _out.print(f"{name}, {what}, is in {directory}", soft_wrap=True, markup=False)


@app.command()
def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR_OR_REPO[@REV]",
            help="A run directory, or a data set on the Hub as org/name and its version.",
        ),
    ],
    to: Annotated[str, typer.Option(metavar="LAYOUT", help=f"The layout to write: {', '.join(FORMATS)}.")],
    out: Annotated[Path, typer.Option(metavar="PATH", help="The folder for the files.")],
    eval_fraction: Annotated[
        float,
        typer.Option(
            help="Put this share of the rows, by whole use cases, into files of their own for evaluation."
        ),
    ] = 0.0,
) -> None:
    """Write a data set in the layout that a trainer reads."""
    from codeclm_hf.exports.export import export as export_data_set

    for file, rows in export_data_set(source, out, to=to, eval_fraction=eval_fraction).items():
        _out.print(f"{out / file}: {rows} rows", soft_wrap=True, markup=False)


@app.command()
def rollback(
    repo: Repo,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version to go back to.")],
    message: Message = None,
) -> None:
    """Publish an older version's content as a new version; the history stays."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import history

    hub_display.print_publish_result(_out, history.rollback(repo, version, message=message))


@app.command()
def blame(repo: Repo, id: Annotated[str, typer.Argument(metavar="ID", help="A row's id.")]) -> None:
    """Show which version brought a row, from which seeds, models and prompts."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import history

    hub_display.print_blame(_out, history.blame(repo, id))
