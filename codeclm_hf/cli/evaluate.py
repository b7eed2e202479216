"""`codeclm-hf evaluate`, `compare` and `judge-check`: how candidates do, and whether a judge is fit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from codeclm_hf.cli.options import (
    AllowFallback,
    CandidateExtra,
    CandidateHeader,
    CandidateKeyEnv,
    CandidateModel,
    CandidateSystem,
    Column,
    Concurrency,
    DryRun,
    GiveUpAfter,
    JudgeExtra,
    JudgeHeader,
    JudgeKeyEnv,
    JudgeModel,
    Layout,
    MaxCost,
    MaxNewTokens,
    MaxRequests,
    MaxTokens,
    ModelPrice,
    PriceIn,
    PriceOut,
    ReferenceExtra,
    ReferenceHeader,
    ReferenceKeyEnv,
    ReferenceModel,
    ReferenceSystem,
    Revision,
    SkipBad,
    Split,
    Temperature,
    ThinkingTokens,
    Timeout,
)
from codeclm_hf.cli.request_options import read_extra, read_system
from codeclm_hf.cli.roles import AllRoles, RoleOptions
from codeclm_hf.endpoints.defaults import DEFAULT_TIMEOUT, GIVE_UP_AFTER, THINKING_TOKENS
from codeclm_hf.errors import CodecLMError
from codeclm_hf.settings import MAX_NEW_TOKENS, TEMPERATURE, check_settings
from codeclm_hf.text import shorten

app = typer.Typer()
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)


@app.command()
def evaluate(
    benchmark: Annotated[
        str,
        typer.Argument(
            metavar="BENCHMARK",
            help="The instructions to answer, read as run reads seeds: a file, a folder, a pattern, hf://…, "
            "or the id of a Hub data set.",
        ),
    ],
    candidate: Annotated[
        str,
        typer.Option(
            metavar="ENDPOINT",
            help="The model to measure, in the form of --strong of run; or a file or Hub id with its "
            "responses.",
        ),
    ],
    reference: Annotated[
        str,
        typer.Option(metavar="ENDPOINT", help="The model to measure it against, or its responses."),
    ],
    judge: Annotated[
        str,
        typer.Option(
            metavar="ENDPOINT", help="The model that scores; it is checked before anything is asked."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="The folder for the results; the same command goes on where an earlier one stopped.",
        ),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Group the results by use_case, skill or source; by default by the first that there is.",
        ),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Go on although the judge fails its check; the report says so.")
    ] = False,
    column: Column = None,
    layout: Layout = "auto",
    skip_bad: SkipBad = False,
    split: Split = "train",
    revision: Revision = None,
    candidate_model: CandidateModel = None,
    reference_model: ReferenceModel = None,
    judge_model: JudgeModel = None,
    candidate_key_env: CandidateKeyEnv = None,
    reference_key_env: ReferenceKeyEnv = None,
    judge_key_env: JudgeKeyEnv = None,
    candidate_header: CandidateHeader = None,
    reference_header: ReferenceHeader = None,
    judge_header: JudgeHeader = None,
    candidate_extra: CandidateExtra = None,
    reference_extra: ReferenceExtra = None,
    judge_extra: JudgeExtra = None,
    candidate_system: CandidateSystem = None,
    reference_system: ReferenceSystem = None,
    temperature: Temperature = TEMPERATURE,
    max_new_tokens: MaxNewTokens = MAX_NEW_TOKENS,
    thinking_tokens: ThinkingTokens = THINKING_TOKENS,
    allow_fallback: AllowFallback = False,
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder with a prompt of yours; its compare.jinja replaces ours."),
    ] = None,
    concurrency: Concurrency = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    price: ModelPrice = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    seed: Annotated[int, typer.Option(help="The seed of every request follows from this number.")] = 0,
    dry_run: DryRun = False,
) -> None:
    """Measure how often a candidate answers as well as a reference (Capacity Recovery), with intervals."""
    from codeclm_hf.builders import load_responses, load_seeds  # the command line alone reads files
    from codeclm_hf.cli import display, evaluate_display
    from codeclm_hf.cli.progress_display import live_progress
    from codeclm_hf.endpoints.budget import Budget
    from codeclm_hf.endpoints.connect import is_endpoint
    from codeclm_hf.endpoints.prices import read_prices
    from codeclm_hf.evaluation.run import Evaluation, check_folder
    from codeclm_hf.run.estimate import plan_costs

    budget = Budget(
        max_requests=max_requests,
        max_tokens=max_tokens,
        max_cost=max_cost,
        prices=read_prices(price or ()),
        price_in=price_in,
        price_out=price_out,
    )
    # What costs nothing is checked first: settings, folder, files; then the servers.
    check_settings(temperature=temperature, max_new_tokens=max_new_tokens, prompts=prompts)
    check_folder(out)
    instructions = load_seeds(
        benchmark, column=column, layout=layout, skip_bad=skip_bad, split=split, revision=revision
    )
    _out.print(f"benchmark: {escape(shorten(instructions.info.description))}", soft_wrap=True)
    candidate_responses = None if is_endpoint(candidate) else load_responses(candidate, role="candidate")
    reference_responses = None if is_endpoint(reference) else load_responses(reference, role="reference")
    all_roles = AllRoles(
        concurrency=concurrency,
        timeout=timeout,
        give_up_after=give_up_after,
        thinking_tokens=thinking_tokens,
        allow_fallback=allow_fallback,
    )
    candidate_options = RoleOptions(
        "candidate",
        candidate_model,
        candidate_key_env,
        candidate_header,
        read_extra(candidate_extra, "--candidate-extra"),
    )
    reference_options = RoleOptions(
        "reference",
        reference_model,
        reference_key_env,
        reference_header,
        read_extra(reference_extra, "--reference-extra"),
    )
    judge_options = RoleOptions(
        "judge", judge_model, judge_key_env, judge_header, read_extra(judge_extra, "--judge-extra")
    )
    evaluation = Evaluation(
        candidate=(
            candidate_options.connect(candidate, all_roles)
            if candidate_responses is None
            else candidate_responses
        ),
        reference=(
            reference_options.connect(reference, all_roles)
            if reference_responses is None
            else reference_responses
        ),
        judge=judge_options.connect(judge, all_roles),
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        candidate_system=read_system(candidate_system, "--candidate-system"),
        reference_system=read_system(reference_system, "--reference-system"),
        prompts=prompts,
        seed=seed,
    )
    joined = evaluation.join(instructions)
    joined.grouping(by)
    evaluate_display.print_missing_responses(_out, joined)
    if dry_run:
        evaluation.take_prices(budget)
        requests, models = evaluation.plan(joined), asdict(evaluation.models)
        sides = {"candidate": candidate_responses, "reference": reference_responses}
        costs = plan_costs(
            requests,
            budget=budget,
            models=models,
            responders=[role for role, responses in sides.items() if responses is None],
            max_new_tokens=max_new_tokens,
            explained=True,
        )
        display.print_plan(_out, requests, models, out, costs=costs)
        return
    with live_progress(_err, out) as show:
        results = evaluation.run(joined, out=out, by=by, anyway=anyway, budget=budget, on_progress=show)
    evaluate_display.print_results(_out, results)
    if not results.overall.comparisons:
        raise CodecLMError(f"nothing could be judged; {out / 'README.md'} shows why")
    _out.print(f"report: {out / 'README.md'}", soft_wrap=True, markup=False)


@app.command(name="judge-check")
def judge_check(
    judge: Annotated[
        str, typer.Option(metavar="ENDPOINT", help="The judge, in the same form as --strong of run.")
    ],
    judge_model: JudgeModel = None,
    judge_key_env: JudgeKeyEnv = None,
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder with a prompt of yours; its judge.jinja replaces ours."),
    ] = None,
    judge_header: JudgeHeader = None,
    judge_extra: JudgeExtra = None,
    thinking_tokens: ThinkingTokens = THINKING_TOKENS,
    allow_fallback: AllowFallback = False,
    concurrency: Concurrency = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER,
) -> None:
    """Ask a judge about pairs of answers whose better one is known; exit code 1 if it is unfit."""
    from codeclm_hf.cli import evaluate_display
    from codeclm_hf.cli.progress_display import live_progress
    from codeclm_hf.evaluation.judge_check import check_judge, require_fit

    all_roles = AllRoles(
        concurrency=concurrency,
        timeout=timeout,
        give_up_after=give_up_after,
        thinking_tokens=thinking_tokens,
        allow_fallback=allow_fallback,
    )
    options = RoleOptions(
        "judge", judge_model, judge_key_env, judge_header, read_extra(judge_extra, "--judge-extra")
    )
    endpoint = options.connect(judge, all_roles)
    with live_progress(_err) as show:
        report = check_judge(endpoint, prompts=prompts, on_progress=show)
    evaluate_display.print_judge_report(_out, report)
    require_fit(report)
    _out.print(f"the judge {report.judge} is fit", soft_wrap=True, markup=False)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A folder that evaluate made.")],
    after: Annotated[
        Path,
        typer.Argument(
            metavar="AFTER",
            help="Another such folder, which differs in the candidate alone, or in the judge alone.",
        ),
    ],
) -> None:
    """Say which of two candidates does better on the same instructions, or how far two judges agree."""
    from codeclm_hf.cli import evaluate_display
    from codeclm_hf.evaluation.compare import compare_evaluations

    evaluate_display.print_comparison(_out, compare_evaluations(after, before), before=before, after=after)
