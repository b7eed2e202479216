"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Concurrency = Annotated[int | None, typer.Option(metavar="N", help="Most requests in flight at each server.")]
GiveUpAfter = Annotated[
    float, typer.Option(metavar="SECONDS", help="Stop, with exit code 3, after so long without an answer.")
]
MaxRequests = Annotated[
    int | None, typer.Option(metavar="N", help="Stop, with exit code 4, at so many answers in all in --out.")
]
MaxTokens = Annotated[
    int | None, typer.Option(metavar="N", help="The same for tokens, prompts and answers together.")
]
PriceIn = Annotated[float | None, typer.Option(help="Of a million prompt tokens; shows the cost.")]
PriceOut = Annotated[float | None, typer.Option(help="Of a million tokens of answers.")]
