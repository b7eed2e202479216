"""Options that several commands have, each said once; the defaults stand beside them where they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _model(role: str) -> Any:
    """Return the option `--ROLE-model`."""
    return typer.Option(
        metavar="NAME",
        help=f"The {role} model's name, where its server has several; for TGI, the model whose tokenizer "
        "to use.",
    )


def _key_env(role: str) -> Any:
    """Return the option `--ROLE-key-env`."""
    return typer.Option(
        metavar="NAME", help=f"The environment variable that holds the token for the {role} model's server."
    )


def _header(role: str) -> Any:
    """Return the option `--ROLE-header`."""
    return typer.Option(
        metavar='"NAME: VALUE"',
        help=f"A header for every request to the {role} model's server; a word $NAME in it is that environment "
        "variable's value. Several times for several headers.",
    )


def _extra(role: str) -> Any:
    """Return the option `--ROLE-extra`."""
    return typer.Option(
        metavar="FILE|JSON",
        help=f'Fields for every request to the {role} model, such as {{"reasoning_effort": "low"}}: a JSON '
        "object, or a file with one.",
    )


def _system(role: str) -> Any:
    """Return the option `--ROLE-system`."""
    return typer.Option(
        metavar="TEXT|FILE",
        help=f"The system prompt that the {role} model answers instructions with; the name of a file that is "
        "there stands for what it holds.",
    )


StrongModel = Annotated[str | None, _model("strong")]
TargetModel = Annotated[str | None, _model("target")]
JudgeModel = Annotated[str | None, _model("judge")]
CandidateModel = Annotated[str | None, _model("candidate")]
ReferenceModel = Annotated[str | None, _model("reference")]
StrongKeyEnv = Annotated[str | None, _key_env("strong")]
TargetKeyEnv = Annotated[str | None, _key_env("target")]
JudgeKeyEnv = Annotated[str | None, _key_env("judge")]
CandidateKeyEnv = Annotated[str | None, _key_env("candidate")]
ReferenceKeyEnv = Annotated[str | None, _key_env("reference")]
StrongHeader = Annotated[list[str] | None, _header("strong")]
TargetHeader = Annotated[list[str] | None, _header("target")]
JudgeHeader = Annotated[list[str] | None, _header("judge")]
CandidateHeader = Annotated[list[str] | None, _header("candidate")]
ReferenceHeader = Annotated[list[str] | None, _header("reference")]
StrongExtra = Annotated[str | None, _extra("strong")]
TargetExtra = Annotated[str | None, _extra("target")]
JudgeExtra = Annotated[str | None, _extra("judge")]
CandidateExtra = Annotated[str | None, _extra("candidate")]
ReferenceExtra = Annotated[str | None, _extra("reference")]
StrongSystem = Annotated[str | None, _system("strong")]
TargetSystem = Annotated[str | None, _system("target")]
CandidateSystem = Annotated[str | None, _system("candidate")]
ReferenceSystem = Annotated[str | None, _system("reference")]

Column = Annotated[
    str | None, typer.Option(metavar="NAME", help="The column that holds the instructions; found by default.")
]
Layout = Annotated[
    str,
    typer.Option(metavar="NAME", help="The layout of the rows: alpaca, messages, traffic, …; auto finds it."),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out rows of another layout instead of stopping.")
]
Split = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Which split to read. Files have train (all rows), validation (20 % of them) and test (the "
        "rest); a Hub data set has its own.",
    ),
]
Revision = Annotated[
    str | None, typer.Option(metavar="REV", help="The branch, tag or commit of a Hub data set to read.")
]
Temperature = Annotated[
    float, typer.Option(help="The sampling temperature of the answers; the judge always answers greedily.")
]
MaxNewTokens = Annotated[int, typer.Option(help="A response has at most this many tokens.")]
ThinkingTokens = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="A model that is seen to think gets N tokens for it on top of an answer's, and four times as many "
        "where that was too few.",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Keep at most N requests in flight at each server; by default what it takes, or 64."
    ),
]
GiveUpAfter = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="Stop, with exit code 3, when a model has not answered for so many seconds."
    ),
]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="A request that takes longer is given up and sent again."),
]
AllowFallback = Annotated[
    bool,
    typer.Option(
        "--allow-fallback",
        help="Let a gateway have another model answer, and record that; without it the run stops there.",
    ),
]
MaxRequests = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Stop, with exit code 4, when --out holds N answers, those of earlier runs included.",
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Stop, with exit code 4, when prompts and answers in --out have N tokens together."
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        metavar="AMOUNT",
        help="Stop, with exit code 4, when the answers in --out cost so much; every model needs a price.",
    ),
]
ModelPrice = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="MODEL=IN,OUT",
        help="The prices of a million prompt tokens and of a million answer tokens of one model: a role, such "
        "as strong, or the model's name. Several times for several models.",
    ),
]
PriceIn = Annotated[
    float | None,
    typer.Option(help="The price of a million prompt tokens of every model without a --price of its own."),
]
PriceOut = Annotated[
    float | None,
    typer.Option(help="The price of a million answer tokens of every model without a --price of its own."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]

Decontaminate = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SET[:COLUMN]",
        help="Keep out what shares words with this evaluation set: a file, a folder, hf://… or the id of a Hub "
        "data set, of which the test split is read. Several times for several sets.",
    ),
]
AllowMatch = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID",
        help="Keep the text with this id in contamination.jsonl although it shares words with an evaluation "
        "set. Several times for several texts.",
    ),
]

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A run directory.")]
Repo = Annotated[str, typer.Argument(metavar="REPO", help="A data set on the Hub, as org/name.")]
Message = Annotated[
    str | None, typer.Option(metavar="M", help="One line that says what is new, for the log of versions.")
]
Number = Annotated[
    str | None, typer.Option(metavar="1.2.0", help="The version's number; by default the next one.")
]
Bump = Annotated[
    str,
    typer.Option(
        help="Which part of the number goes up: major, minor, patch, or auto, as the changes call for."
    ),
]
AllowSecrets = Annotated[
    bool, typer.Option("--allow-secrets", help="Go on although the texts seem to hold secrets.")
]
AllowIncomplete = Annotated[
    bool, typer.Option("--allow-incomplete", help="Go on although the run accepted nothing.")
]
Redact = Annotated[
    bool,
    typer.Option("--redact", help="Write [EMAIL], [PHONE] and [IP] in place of personal data in the texts."),
]
