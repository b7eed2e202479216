"""`codeclm-hf judge-check`: whether a judge can be trusted, before anything is spent on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from codeclm_hf.endpoints.connect import endpoint, key_in
from codeclm_hf.judge_check import JudgeReport, check_judge, needed

app = typer.Typer()
_out = Console(highlight=False)
_NAMES = {
    "readable": "judgements that can be read",
    "accuracy": "obviously better answers found",
    "order_bias": "points for being shown first",
    "order_disagreement": "winners that depend on the order",
    "length_bias": "longer, worse answers rated no lower",
    "injection_rate": "answers that tell it how to rate, rated no lower",
}


@app.command(name="judge-check")
def judge_check(
    judge: Annotated[str, typer.Option(metavar="ENDPOINT", help="The judge; as --strong of run.")],
    judge_model: Annotated[str | None, typer.Option(metavar="NAME", help="The served model's name.")] = None,
    judge_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment variable that holds the server's token.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder whose judge.jinja replaces our prompt.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(metavar="N", help="Most requests in flight.")] = None,
) -> None:
    """Ask a judge about pairs of answers whose better one is known; exit code 1 if it is unfit."""
    report = check_judge(
        endpoint(judge, model=judge_model, api_key=key_in(judge_key_env), concurrency=concurrency), prompts=prompts
    )
    _show(report)
    needed(report)
    _out.print(f"the judge {report.judge} is fit", soft_wrap=True, markup=False)


def _show(report: JudgeReport) -> None:
    for name, words in _NAMES.items():
        value = getattr(report, name)
        told = "not known" if value is None else f"{value:+.1f}" if name == "order_bias" else f"{value:.0%}"
        _out.print(f"{told:>9}  {words}", soft_wrap=True, markup=False)
    if report.error is not None:
        _out.print(report.error, soft_wrap=True, markup=False)
