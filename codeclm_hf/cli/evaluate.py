"""`codeclm-hf evaluate`, `compare` and `judge-check`: how candidates do, and whether a judge can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codeclm_hf import text
from codeclm_hf.card.captions import ratio
from codeclm_hf.cli import display
from codeclm_hf.cli.options import Concurrency, GiveUpAfter, MaxRequests, MaxTokens, PriceIn, PriceOut
from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.endpoints.connect import endpoint, is_endpoint, key_in
from codeclm_hf.endpoints.pool import GIVE_UP_AFTER
from codeclm_hf.endpoints.protocol import Endpoint
from codeclm_hf.errors import CodecLMError
from codeclm_hf.evaluation import compare as two_evaluations
from codeclm_hf.evaluation import report, run
from codeclm_hf.evaluation.join import Benchmark
from codeclm_hf.evaluation.judge_check import check_judge, needed
from codeclm_hf.evaluation.paired import Agreement
from codeclm_hf.evaluation.run import Evaluation
from codeclm_hf.settings import check_settings

app = typer.Typer()
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)
LISTED = 3
"""Instructions without a response that are named."""


@app.command()
def evaluate(
    benchmark: Annotated[
        str,
        typer.Argument(
            metavar="BENCHMARK",
            help="Instructions: a file, a folder, a pattern, hf://…, or a Hub id; as run's seeds.",
        ),
    ],
    candidate: Annotated[
        str,
        typer.Option(metavar="ENDPOINT", help="The model to measure; or a file or Hub id of its responses."),
    ],
    reference: Annotated[
        str, typer.Option(metavar="ENDPOINT", help="The model to measure against; or its responses.")
    ],
    judge: Annotated[
        str, typer.Option(metavar="ENDPOINT", help="Who scores, after a check; as --strong of run.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder; the same command resumes it.")],
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Results by use_case, skill or source; by default the first."),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Take the scores of a judge that failed its check.")
    ] = False,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="The benchmark's column.")] = None,
    layout: Annotated[
        str, typer.Option(metavar="NAME", help="The benchmark's layout; auto tells it.")
    ] = "auto",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows of another layout.")] = False,
    split: Annotated[
        str,
        typer.Option(metavar="NAME", help="Of files train (all), or test (80 %); of a Hub data set its own."),
    ] = "train",
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="The revision of a Hub data set.")
    ] = None,
    candidate_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The served model's name.")
    ] = None,
    reference_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The same for the reference.")
    ] = None,
    judge_model: Annotated[str | None, typer.Option(metavar="NAME", help="The same for the judge.")] = None,
    candidate_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The environment variable that holds the candidate server's token."
        ),
    ] = None,
    reference_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The same for the reference.")
    ] = None,
    judge_key_env: Annotated[str | None, typer.Option(metavar="NAME", help="The same for the judge.")] = None,
    temperature: Annotated[float, typer.Option(help="Of the answers; the judge is greedy.")] = 0.7,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.")] = 2048,
    prompts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder whose compare.jinja replaces our prompt.")
    ] = None,
    concurrency: Concurrency = None,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    seed: Annotated[int, typer.Option(help="Each request's own seed follows from it.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Measure how often a candidate answers as well as a reference: its Capacity Recovery Ratio, with intervals."""
    from codeclm_hf.builders import load_responses, load_seeds  # the command line alone reads files

    budget = Budget(max_requests=max_requests, max_tokens=max_tokens, price_in=price_in, price_out=price_out)
    settings: dict[str, Any] = {
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "prompts": prompts,
    }
    # What costs nothing is checked first: settings, folder, files; then the servers.
    check_settings(**settings)
    run.check(out)
    instructions = load_seeds(
        benchmark, column=column, layout=layout, skip_bad=skip_bad, split=split, revision=revision
    )
    _out.print(f"benchmark: {escape(text.shorten(instructions.info.description))}", soft_wrap=True)
    sides = {
        "candidate": (candidate, candidate_model, candidate_key_env),
        "reference": (reference, reference_model, reference_key_env),
    }
    given: dict[str, Any] = {
        role: load_responses(target, role=role)
        for role, (target, *_) in sides.items()
        if not is_endpoint(target)
    }

    def connect(target: str, model: str | None, key_env: str | None) -> Endpoint:
        key = key_in(key_env)
        return endpoint(
            target, model=model, api_key=key, concurrency=concurrency, give_up_after=give_up_after
        )

    given |= {role: connect(*side) for role, side in sides.items() if role not in given}

    measured = Evaluation(
        **given,
        judge=connect(judge, judge_model, judge_key_env),
        seed=seed,
        **settings,
    )
    found = measured.joined(instructions)
    found.by(by)
    _joined(found)
    if dry_run:
        display.plan(_out, measured.plan(instructions), measured.models, out)
        return
    with display.running(_err, out) as live:
        results = measured.run(instructions, out=out, by=by, anyway=anyway, budget=budget, on_progress=live)
    _results(results)
    if not results["overall"]["comparisons"]:
        raise CodecLMError(f"nothing could be judged; {out / 'README.md'} shows why")
    _out.print(f"report: {out / 'README.md'}", soft_wrap=True, markup=False)


@app.command(name="judge-check")
def judge_check(
    judge: Annotated[str, typer.Option(metavar="ENDPOINT", help="The judge; as --strong of run.")],
    judge_model: Annotated[str | None, typer.Option(metavar="NAME", help="The served model's name.")] = None,
    judge_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The environment variable that holds the server's token."),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder whose judge.jinja replaces our prompt.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(metavar="N", help="Most requests in flight.")] = None,
) -> None:
    """Ask a judge about pairs of answers whose better one is known; exit code 1 if it is unfit."""
    found = check_judge(
        endpoint(judge, model=judge_model, api_key=key_in(judge_key_env), concurrency=concurrency),
        prompts=prompts,
    )
    for told, what in report.judged(vars(found)):
        _out.print(f"{told:>9}  {what}", soft_wrap=True, markup=False)
    if found.error is not None:
        _out.print(found.error, soft_wrap=True, markup=False)
    needed(found)
    _out.print(f"the judge {found.judge} is fit", soft_wrap=True, markup=False)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A folder that evaluate made.")],
    after: Annotated[
        Path,
        typer.Argument(
            metavar="AFTER", help="Another, of another candidate; or of another judge, nothing else."
        ),
    ],
) -> None:
    """Say whether a candidate does better than another on the same instructions, or how far two judges agree."""
    found = two_evaluations.compare(after, before)
    if isinstance(found, Agreement):
        what = f"the judges agree on {found.agreed} of {found.comparisons} instructions; Cohen's κ {found.kappa:.2f}"
        _out.print(f"{what} ({found.low:.2f} to {found.high:.2f})", soft_wrap=True)
    else:
        for folder, ratio, alone in (
            (before, found.second_ratio, found.only_second), (after, found.first_ratio, found.only_first)
        ):  # fmt: skip
            _out.print(
                f"{text.percentage(ratio):>7}  {folder}, which alone recovers {alone}",
                soft_wrap=True,
                markup=False,
            )
        points, low, high = (100 * share for share in (found.difference, found.low, found.high))
        _out.print(f"{points:+.1f} points ({low:+.1f} to {high:+.1f}) on {found.instructions} instructions; "
                   f"sign test p = {found.p_value:.3g}", soft_wrap=True)  # fmt: skip
    if found.unreadable:
        _out.print(f"not judged on both sides, and left out: {found.unreadable}", soft_wrap=True)


def _joined(found: Benchmark) -> None:
    """Print which instructions lack a response, before anything is asked."""
    usable = sum(instruction is not None for instruction in found.rows["instruction"])
    for role, without in found.missing.items():
        if without:
            some = "; ".join(text.shorten(instruction, 60) for instruction in without[:LISTED])
            more = f"; and {len(without) - LISTED} more" if len(without) > LISTED else ""
            _out.print(f"no {role} response to {len(without)} of {usable} instructions: {some}{more}",
                       soft_wrap=True, markup=False)  # fmt: skip
        if found.others[role]:
            _out.print(f"{found.others[role]} {role} responses are to other instructions", soft_wrap=True)


def _results(results: dict[str, Any]) -> None:
    by = (results["by"] or "").replace("_", " ")
    table = Table(by, title="How often the candidate does as well as the reference")
    for column in ("judged", "wins", "ties", "losses", "capacity recovery (95 %)", "not judged"):
        table.add_column(column, justify="right")
    rows = [(report.called(one), one) for one in results["groups"]]
    for name, one in [*rows, ("all", results["overall"])]:
        counts = [str(one[name]) for name in ("comparisons", "wins", "ties", "losses")]
        table.add_row(escape(name), *counts, ratio(one), str(one["not_judged"]))
    _out.print(table)
    failed = "" if results["judge"]["fit"] else " (failed its check)"
    for role, model in results["models"].items():
        _out.print(f"{role}: {model}{failed if role == 'judge' else ''}", soft_wrap=True, markup=False)
    if why := report.why(results):
        _out.print(f"not judged, and counted nowhere: {why}", soft_wrap=True)
