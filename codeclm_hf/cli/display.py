"""What the command line shows of a run: its plan, its counts, and what is in its directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets import Dataset
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codeclm_hf import schema
from codeclm_hf.card.shapes import ContaminationSummary
from codeclm_hf.card.statistics import VERDICTS
from codeclm_hf.cli.funnel_display import print_funnel
from codeclm_hf.run import contamination_file
from codeclm_hf.run import directory as run_directory
from codeclm_hf.run.estimate import LEAST_ACCEPTED, MOST_ACCEPTED, Requests, StageCost, plan_rounds
from codeclm_hf.run.manifest import COMPLETE, Manifest, StageUsage
from codeclm_hf.stages.contamination import Benchmark
from codeclm_hf.text import money, percentage, shorten

FEW_ROWS = 3
"""Rows of a table, and failed rows, that are shown of a run directory."""


def print_plan(
    console: Console,
    requests: Sequence[Requests],
    models: Mapping[str, str],
    directory: Path,
    *,
    costs: Sequence[StageCost] = (),
    examples: int | None = None,
) -> None:
    """Print what a run would ask and where it would write.

    Args:
        console: where it is printed.
        requests: what would be asked, by stage.
        models: the models by role.
        directory: where it would write.
        costs: about what that costs, by stage; empty where there are no prices.
        examples: rows that are to be accepted, where that is what the run goes by.
    """
    table = Table("stage", title="Requests")
    for column in ("at least", "at most", *(["about, low", "about, high"] if costs else [])):
        table.add_column(column, justify="right")
    for at, stage in enumerate(requests):
        amounts = [money(costs[at].low), money(costs[at].high)] if costs else []
        table.add_row(stage.stage, str(stage.least), str(stage.most), *amounts)
    least = sum(stage.least for stage in requests)
    most = sum(stage.most for stage in requests)
    totals = [money(sum(one.low for one in costs)), money(sum(one.high for one in costs))] if costs else []
    table.add_row("all", str(least), str(most), *totals)
    console.print(table)
    if examples is not None:
        rates = [percentage(rate) for rate in (LEAST_ACCEPTED, MOST_ACCEPTED)]
        few, many = (plan_rounds(examples, rate) for rate in (MOST_ACCEPTED, LEAST_ACCEPTED))
        console.print(
            f"reckoned with {rates[0]} to {rates[1]} of the instructions accepted, so that {examples} rows take "
            f"{few} to {many} rounds; the run goes by its own share",
            soft_wrap=True,
        )
    if costs:
        console.print(
            "costs: with answers of ordinary length; low: every instruction is decided as it is; high: each goes "
            "through all iterations; what is asked for again comes on top",
            soft_wrap=True,
        )
    _print_models(console, models)
    console.print(f"would write to {escape(str(directory))}; nothing was asked or written", soft_wrap=True)


def print_summary(console: Console, manifest: Manifest) -> None:
    """Print a finished run's counts."""
    counts = manifest.counts
    metadata = counts.metadata
    console.print(
        f"metadata: {metadata.total} ({metadata.seed} from seeds, {metadata.given} given, "
        f"{metadata.augmented} mixed and matched), {metadata.failed} failed; "
        f"instructions: {counts.instructions}",
        soft_wrap=True,
    )
    if manifest.funnel and manifest.funnel.implausible:
        console.print(
            f"implausible: {manifest.funnel.implausible} mixed metadata were left out", soft_wrap=True
        )
    if manifest.seeds and manifest.seeds.edited:
        console.print(
            f"edited: {manifest.seeds.edited} metadata came from a file that was imported", soft_wrap=True
        )
    table = Table("iteration", title="Instructions by iteration and verdict")
    for verdict in VERDICTS:
        table.add_column(verdict, justify="right")
    for row in counts.iterations:
        table.add_row(str(row.iteration), *(str(getattr(row, verdict)) for verdict in VERDICTS))
    console.print(table)
    console.print(
        "rows: " + ", ".join(f"{name} {rows}" for name, rows in counts.rows.items()), soft_wrap=True
    )
    if manifest.distributions and manifest.distributions.flags:
        console.print(f"flags: {_flags(manifest.distributions.flags)}", soft_wrap=True)
    _print_usage(console, manifest.usage or ())
    if manifest.funnel:
        print_funnel(console, manifest.funnel, manifest.usage or ())
    if manifest.cost:
        console.print(f"all answers in the journal cost {money(manifest.cost.all)}")


def _flags(by_role: Mapping[str, Mapping[str, int]]) -> str:
    """Return how many responses have each flag, such as `strong cut_off 3, refusal 1; target echo 5`."""
    parts = (
        f"{role} " + ", ".join(f"{escape(shorten(flag))} {rows}" for flag, rows in flags.items())
        for role, flags in by_role.items()
    )
    return "; ".join(parts)


def print_thoughts(console: Console, trace: Dataset) -> None:
    """Say it where a run was to keep thoughts and no model told any."""
    columns = trace.data.table.select(list(schema.REASONING["trace"])).columns
    if not any(len(column) - column.null_count for column in columns):
        console.print("thinking: no model told its thoughts; the columns for them are null", soft_wrap=True)


def _print_usage(console: Console, usage: Sequence[StageUsage]) -> None:
    """Print a table of answers and tokens, by stage and model."""
    table = Table("stage", "model", title="What it is made of")
    think = any(row.thinking_tokens for row in usage)
    for column in ("answers", "prompt tokens", "completion tokens", *(["of thoughts"] if think else [])):
        table.add_column(column, justify="right")
    totals = [0, 0, 0, 0]
    for row in usage:
        numbers = (row.answers, row.prompt_tokens, row.completion_tokens, row.thinking_tokens)
        table.add_row(row.stage, escape(row.model), *_counts(numbers, think, estimated=bool(row.estimated)))
        totals = [total + number for total, number in zip(totals, numbers, strict=True)]
    estimated = sum(row.estimated for row in usage)
    table.add_row("all", "", *_counts(totals, think, estimated=bool(estimated)))
    console.print(table)
    if estimated:
        console.print(
            f"~: the servers counted no tokens of {estimated} answers; theirs are estimated", soft_wrap=True
        )


def _counts(numbers: Sequence[int], think: bool, *, estimated: bool) -> list[str]:
    """Return answers and tokens as a row of the table says them."""
    answers, *tokens = numbers if think else numbers[:-1]
    return [str(answers), *(f"~{number}" if estimated else str(number) for number in tokens)]


def print_seeds(console: Console, table: Dataset) -> None:
    """Print what was read as seeds."""
    console.print(f"seeds: {escape(shorten(table.info.description))}", soft_wrap=True)


def print_benchmark(console: Console, benchmark: Benchmark) -> None:
    """Print what was read as an evaluation set."""
    texts = sum(map(bool, benchmark.texts))
    words = f"{texts:,} text{'s' if texts != 1 else ''}"
    if benchmark.unreadable:
        words += f"; {escape(shorten(benchmark.unreadable))}"
    console.print(f"evaluation set: {escape(shorten(benchmark.name))}, {words}", soft_wrap=True)


def print_contamination(console: Console, found: ContaminationSummary, directory: Path) -> None:
    """Print how many texts shared words with an evaluation set, and which ids allowed none."""
    removed = ", ".join(f"{kind} {number}" for kind, number in found.removed.items())
    words = f"shared with evaluation sets: removed {removed or 'nothing'}"
    words += f"; allowed {found.allowed}" if found.allowed else ""
    if found.removed or found.allowed:
        words += f"; {escape(str(directory / contamination_file.FILE))} shows the words"
    console.print(words, soft_wrap=True)
    if found.unmatched:
        console.print(f"allowed, but nowhere found: {', '.join(found.unmatched)}", soft_wrap=True)


def print_run_directory(console: Console, directory: Path) -> None:
    """Print what is in a run directory: counts, and a few rows.

    Raises:
        BadInput: it is no run directory, or its tables are not whole.
    """
    manifest = Manifest.read(directory)
    _print_models(console, manifest.models)
    if manifest.status != COMPLETE:
        console.print(
            "the run is not finished: the same codeclm-hf run command goes on with it", soft_wrap=True
        )
        return
    print_summary(console, manifest)
    if manifest.contamination is not None:
        print_contamination(console, manifest.contamination, directory)
    tables = run_directory.read_tables(directory, manifest)
    _print_target_recovery(console, tables["trace"])
    for row in tables["default"].select(range(min(FEW_ROWS, len(tables["default"])))):
        console.rule(
            f"{row['id']}: {row['winner']} won by {abs(row['gap'] or 0):.2f} in iteration {row['iteration']}"
        )
        for name in ("use_case", "skills", "instruction", "response"):
            value = row[name] if isinstance(row[name], str) else ", ".join(row[name])
            console.print(f"[bold]{name}[/bold]: {escape(shorten(value))}", soft_wrap=True)
    failures = [row["error"] for name in ("metadata", "trace") for row in tables[name] if row["error"]]
    for error in failures[:FEW_ROWS]:
        console.print(f"failed: {escape(shorten(error))}", soft_wrap=True)
    if len(failures) > FEW_ROWS:
        console.print(f"… and {len(failures) - FEW_ROWS} more failed rows")


def _print_models(console: Console, models: Mapping[str, str]) -> None:
    for role, model in models.items():
        console.print(f"{role}: {escape(model)}", soft_wrap=True)


def _print_target_recovery(console: Console, trace: Dataset) -> None:
    """Print how often the target does as well as the strong model on the basic instructions already."""
    # Imported here, since a run uses this module for its progress, and needs nothing of the evaluation.
    from codeclm_hf.evaluation.basic_instructions import target_recovery

    recovery = target_recovery(trace)
    if recovery is None:
        return
    console.print(
        f"target against strong on the {recovery.comparisons} basic instructions that were judged: "
        f"{recovery.wins} wins, {recovery.ties} ties, {recovery.losses} losses; "
        f"capacity recovery ratio {percentage(recovery.capacity_recovery_ratio)}",
        soft_wrap=True,
    )
