"""`codeclm-hf evaluate`, `compare` and `judge-check`: how candidates do, and whether a judge can be trusted."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codeclm_hf import text
from codeclm_hf.cli.options import Concurrency, GiveUpAfter, MaxRequests, MaxTokens, PriceIn, PriceOut
from codeclm_hf.endpoints.defaults import GIVE_UP_AFTER
from codeclm_hf.errors import CodecLMError
from codeclm_hf.settings import check_settings

if TYPE_CHECKING:
    from codeclm_hf.endpoints.protocol import Endpoint
    from codeclm_hf.evaluation.join import Benchmark
    from codeclm_hf.evaluation.results import EvaluationResults, Result

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
    from codeclm_hf.cli import display
    from codeclm_hf.endpoints.budget import Budget
    from codeclm_hf.endpoints.connect import endpoint, is_endpoint, key_in
    from codeclm_hf.evaluation.run import Evaluation, check_folder

    budget = Budget(max_requests=max_requests, max_tokens=max_tokens, price_in=price_in, price_out=price_out)
    settings: dict[str, Any] = {
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "prompts": prompts,
    }
    # What costs nothing is checked first: settings, folder, files; then the servers.
    check_settings(**settings)
    check_folder(out)
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

    evaluation = Evaluation(
        **given,
        judge=connect(judge, judge_model, judge_key_env),
        seed=seed,
        **settings,
    )
    joined = evaluation.join(instructions)
    joined.grouping(by)
    _print_missing_responses(joined)
    if dry_run:
        display.plan(_out, evaluation.plan(joined), asdict(evaluation.models), out)
        return
    with display.running(_err, out) as live:
        results = evaluation.run(joined, out=out, by=by, anyway=anyway, budget=budget, on_progress=live)
    _print_results(results)
    if not results.overall.comparisons:
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
    from codeclm_hf.endpoints.connect import endpoint, key_in
    from codeclm_hf.evaluation.judge_check import check_judge, require_fit
    from codeclm_hf.evaluation.report import judge_findings

    report = check_judge(
        endpoint(judge, model=judge_model, api_key=key_in(judge_key_env), concurrency=concurrency),
        prompts=prompts,
    )
    for value, what in judge_findings(report):
        _out.print(f"{value:>9}  {what}", soft_wrap=True, markup=False)
    if report.error is not None:
        _out.print(report.error, soft_wrap=True, markup=False)
    require_fit(report)
    _out.print(f"the judge {report.judge} is fit", soft_wrap=True, markup=False)


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
    from codeclm_hf.evaluation.compare import compare_evaluations
    from codeclm_hf.evaluation.paired import JudgeAgreement

    found = compare_evaluations(after, before)
    if isinstance(found, JudgeAgreement):
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


def _print_missing_responses(benchmark: Benchmark) -> None:
    """Print which instructions lack a response, before anything is asked."""
    from codeclm_hf.stages.compare import ROLES

    usable = benchmark.count_complete(asked=ROLES)
    for role, missing in benchmark.without_response.items():
        if missing:
            some = "; ".join(text.shorten(instruction, 60) for instruction in missing[:LISTED])
            more = f"; and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
            words = f"no {role} response to {len(missing)} of {usable} instructions: {some}{more}"
            _out.print(words, soft_wrap=True, markup=False)
        if others := benchmark.other_responses[role]:
            _out.print(f"{others} {role} responses are to other instructions", soft_wrap=True)


def _print_results(results: EvaluationResults) -> None:
    """Print the ratios as a table, who was compared, and what could not be judged."""
    from codeclm_hf.evaluation.report import group_label

    grouping = (results.by or "").replace("_", " ")
    table = Table(grouping, title="How often the candidate does as well as the reference")
    for column in ("judged", "wins", "ties", "losses", "capacity recovery (95 %)", "not judged"):
        table.add_column(column, justify="right")
    for group in results.groups:
        table.add_row(escape(group_label(group)), *_cells(group))
    table.add_row("all", *_cells(results.overall))
    _out.print(table)
    failed = "" if results.judge.fit else " (failed its check)"
    for role, model in asdict(results.models).items():
        _out.print(f"{role}: {model}{failed if role == 'judge' else ''}", soft_wrap=True, markup=False)
    if reasons := results.not_judged.summary:
        _out.print(f"not judged, and counted nowhere: {reasons}", soft_wrap=True)


def _cells(result: Result) -> list[str]:
    from codeclm_hf.card.captions import ratio

    counts = (result.comparisons, result.wins, result.ties, result.losses)
    return [*map(str, counts), ratio(result), str(result.not_judged)]
