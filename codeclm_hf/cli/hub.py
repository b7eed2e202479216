"""The commands that speak with the Hub: publish, log, diff, pull, rollback, blame, contribute, merge."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from codeclm_hf.errors import BadInput
from codeclm_hf.exports.formats import FORMATS
from codeclm_hf.text import ROWS_SHOWN

app = typer.Typer()
_out = Console(highlight=False)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A run directory.")]
Repo = Annotated[str, typer.Argument(metavar="REPO", help="org/name of a data set on the Hub.")]
Message = Annotated[str | None, typer.Option(metavar="M", help="One line for the log.")]
Number = Annotated[
    str | None, typer.Option(metavar="1.2.0", help="The version's number; the next one by default.")
]
Bump = Annotated[str, typer.Option(help="auto, major, minor or patch.")]
AllowSecrets = Annotated[
    bool, typer.Option("--allow-secrets", help="Although the texts seem to hold secrets.")
]
AllowIncomplete = Annotated[bool, typer.Option("--allow-incomplete", help="A run that accepted nothing.")]
Redact = Annotated[
    bool, typer.Option("--redact", help="Put [EMAIL], [PHONE], [IP] where personal data stand.")
]


@app.command()
def publish(
    directory: Directory,
    repo: Repo,
    version: Number = None,
    bump: Bump = "auto",
    message: Message = None,
    private: Annotated[bool, typer.Option("--private", help="Of a new repository.")] = False,
    branch: Annotated[str, typer.Option(metavar="B", help="Made at main if it is not there.")] = "main",
    create_pr: Annotated[bool, typer.Option("--create-pr", help="As codeclm-hf contribute.")] = False,
    license: Annotated[
        str | None, typer.Option(metavar="L", help="The card's license, such as cc-by-4.0.")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(metavar="L", help="The card's languages, such as en,de; by default what is detected."),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="What evaluate made, to stand beside the data; may be given again."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Leave out the latest version's rows that DIR does not have.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Add to a repository that codeclm-hf did not make.")
    ] = False,
    allow_incomplete: AllowIncomplete = False,
    allow_secrets: AllowSecrets = False,
    redact: Redact = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Work it out and send nothing.")] = False,
) -> None:
    """Put a run directory on the Hub as the next version: one commit, one tag, read back and compared."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import publish as publishing

    if create_pr:
        given = (
            *(version, bump != "auto", private, branch != "main", license, language, evaluation),
            *(replace, adopt, dry_run),
        )
        if any(given):
            raise BadInput(
                "needs --create-pr with --message, --redact or an --allow at most; a merge settles the rest"
            )
        contribute(directory, repo, message, allow_incomplete, allow_secrets, redact)
        return
    done = publishing.publish(
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
    hub_display.published(_out, done)


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

    done = pull_requests.contribute(
        directory,
        repo,
        message=message,
        allow_incomplete=allow_incomplete,
        allow_secrets=allow_secrets,
        redact=redact,
    )
    hub_display.published(_out, done)


@app.command()
def merge(
    repo: Repo,
    pr: Annotated[int | None, typer.Option(metavar="N", help="The pull request's number.")] = None,
    ours: Annotated[bool, typer.Option("--ours", help="In a conflict, the row on main.")] = False,
    theirs: Annotated[
        bool, typer.Option("--theirs", help="In a conflict, the row in the pull request.")
    ] = False,
    conflicts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written where there are conflicts; edited, it ends them."),
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
    done = pull_requests.merge(
        repo,
        pr=pr,
        take="current" if ours else "incoming" if theirs else None,
        conflicts_file=conflicts,
        version=version,
        bump=bump,
        message=message,
        allow_secrets=allow_secrets,
    )
    hub_display.published(_out, done)


@app.command()
def log(repo: Repo) -> None:
    """List the versions of a data set: when, who, rows, what changed, which models."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import history

    hub_display.log(_out, history.log(repo))


@app.command()
def diff(
    repo: Repo,
    before: Annotated[str, typer.Argument(metavar="A", help="A version, tag, branch or commit.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one, or a run directory here.")],
    limit: Annotated[int, typer.Option(help="Most rows of a kind and config to show.")] = ROWS_SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show which rows differ between two versions, and how far use cases and skills moved."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import diff as diffs
    from codeclm_hf.hub.fetch import fetch_any, revision_name
    from codeclm_hf.hub.repository import Repository
    from codeclm_hf.hub.snapshot import read_run_directory
    from codeclm_hf.run import directory as run_directory

    if limit < 0:
        raise BadInput(f"needs a limit of 0 or more; came {limit}")
    hub = Repository(repo)
    with tempfile.TemporaryDirectory(prefix="codeclm-hf-") as scratch:
        sides = [
            fetch_any(hub, hub.require_head(revision_name(name)), Path(scratch) / side)
            if not (Path(name) / run_directory.MANIFEST).is_file()
            else read_run_directory(Path(name))
            for side, name in (("before", before), ("after", after))
        ]
        found = diffs.compare(sides[0], sides[1], (before, after), limit=limit)
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False, default=str))
    else:
        hub_display.diff(_out, found)


@app.command()
def pull(
    repo: Annotated[
        str, typer.Argument(metavar="REPO[@REV]", help="org/name, and a version, tag, branch or commit.")
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
) -> None:
    """Make a run directory of a version: a run in it adds to its rows."""
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
            metavar="DIR_OR_REPO[@REV]", help="A run directory, or org/name on the Hub and its version."
        ),
    ],
    to: Annotated[str, typer.Option(metavar="LAYOUT", help=f"One of {', '.join(FORMATS)}.")],
    out: Annotated[Path, typer.Option(metavar="PATH", help="A folder for the files.")],
    eval_fraction: Annotated[
        float, typer.Option(help="Share of the rows in files of their own, by whole use cases.")
    ] = 0.0,
) -> None:
    """Write a data set as a trainer reads it."""
    from codeclm_hf.exports.export import export as export_data_set

    for file, rows in export_data_set(source, out, to=to, eval_fraction=eval_fraction).items():
        _out.print(f"{out / file}: {rows} rows", soft_wrap=True, markup=False)


@app.command()
def rollback(
    repo: Repo,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The one to go back to.")],
    message: Message = None,
) -> None:
    """Publish an older version's content as a new version; the history stays."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import history

    hub_display.published(_out, history.rollback(repo, version, message=message))


@app.command()
def blame(repo: Repo, id: Annotated[str, typer.Argument(metavar="ID", help="A row's id.")]) -> None:
    """Show which version brought a row, from which seeds, models and prompts."""
    from codeclm_hf.cli import hub_display
    from codeclm_hf.hub import history

    hub_display.blame(_out, history.blame(repo, id))
