"""`codeclm-hf run`, `demo` and `inspect`: make a data set in a run directory, and look at it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
import yaml
from rich.console import Console

from codeclm_hf.cli.options import (
    AllowFallback,
    AllowMatch,
    Column,
    Concurrency,
    Decontaminate,
    Directory,
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
    Revision,
    SkipBad,
    Split,
    StrongExtra,
    StrongHeader,
    StrongKeyEnv,
    StrongModel,
    StrongSystem,
    TargetExtra,
    TargetHeader,
    TargetKeyEnv,
    TargetModel,
    TargetSystem,
    Temperature,
    ThinkingTokens,
    Timeout,
)
from codeclm_hf.cli.request_options import read_extra, read_system
from codeclm_hf.cli.roles import AllRoles, RoleOptions
from codeclm_hf.endpoints.defaults import DEFAULT_TIMEOUT, GIVE_UP_AFTER, THINKING_TOKENS
from codeclm_hf.errors import BadInput, CodecLMError
from codeclm_hf.settings import (
    ITERATIONS,
    MAX_NEW_TOKENS,
    METADATA_FRACTION,
    NUM_INSTRUCTIONS,
    NUM_METADATA,
    NUM_RUBRICS,
    SCORING,
    TEMPERATURE,
    THINKING,
    THRESHOLD,
    MethodSettings,
    Sizes,
    check_settings,
)
from codeclm_hf.text import did_you_mean, single_line

if TYPE_CHECKING:
    from datasets import Dataset

    from codeclm_hf.endpoints.budget import Budget
    from codeclm_hf.run.pipeline import CodecLM
    from codeclm_hf.stages.contamination import Benchmark

app = typer.Typer()
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

DEMO_MODEL = "local:smollm2-135m-instruct"
DEMO_SYSTEM = "Answer in one short sentence."
"""Without it the demo's model writes until it is cut off, and a response that was cut off is never judged."""
DEMO_SETTINGS: MethodSettings = {
    "iterations": 3,
    "threshold": 0.05,
    "scoring": "expected",
    "max_new_tokens": 64,
    "strong_system": DEMO_SYSTEM,
    "target_system": DEMO_SYSTEM,
}
DEMO_SIZES: Sizes = {"num_instructions": 8, "num_metadata": 8}


def _read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the options of a configuration file as the defaults of those that are not on the command line."""
    if path is None:
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise BadInput(
            f"needs a YAML file of options; {path} cannot be read ({single_line(str(exc))})"
        ) from exc
    if not isinstance(content, dict):
        raise BadInput(f"needs a YAML mapping of options in {path}; came a {type(content).__name__}")
    names = {str(option.name) for option in context.command.params} - {"config"}
    options = {str(name).replace("-", "_"): value for name, value in content.items()}
    for name in options:
        if name not in names:
            raise BadInput(
                f"needs options that run knows; {path} has {name!r}{did_you_mean(name, sorted(names))}"
            )
    try:
        context.default_map = {name: _as_typed(name, value) for name, value in options.items()}
    except TypeError as exc:
        raise BadInput(f"needs fields that JSON can hold in {path}; {exc}; put a date in quotes") from exc
    return path


def _as_typed(name: str, value: Any) -> Any:
    """Return an option's value in YAML as it would be typed: headers and prices one by one, objects as JSON."""
    if name.endswith("_header"):
        lines = [f"{header}: {text}" for header, text in value.items()] if isinstance(value, dict) else value
        return [lines] if isinstance(lines, str) else lines
    if name == "price":
        lines = (
            [_price_as_typed(model, pair) for model, pair in value.items()]
            if isinstance(value, dict)
            else value
        )
        return [lines] if isinstance(lines, str) else lines
    if name in ("decontaminate", "allow_match"):
        return [value] if isinstance(value, str) else value
    return json.dumps(value) if isinstance(value, dict) else value


def _price_as_typed(model: object, prices: Any) -> str:
    return f"{model}={','.join(map(str, prices)) if isinstance(prices, list) else prices}"


@app.command()
def run(
    seeds: Annotated[
        str | None,
        typer.Argument(
            help="The seed instructions: a .jsonl, .json, .csv, .parquet or .txt file, a request log, a "
            "folder, a pattern, hf://…, or the id of a Hub data set."
        ),
    ] = None,
    strong: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help="The strong model: http(s)://HOST:PORT of TGI, vLLM, …, several with commas between them, "
            "or local:MODEL.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT", help="The model that the data set is for, in the same form as --strong."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The run directory; the same command goes on where an earlier one stopped."
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(metavar="ENDPOINT", help="The model that scores; by default the strong one."),
    ] = None,
    metadata: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Use cases and skills that you wrote, with the seeds or in place of them."
        ),
    ] = None,
    use_cases: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The use cases that seeds may have, one a line: encode chooses among them."
        ),
    ] = None,
    skills: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The skills that seeds may need, one a line: encode chooses among them."
        ),
    ] = None,
    column: Column = None,
    layout: Layout = "auto",
    skip_bad: SkipBad = False,
    split: Split = "train",
    revision: Revision = None,
    decontaminate: Decontaminate = None,
    allow_match: AllowMatch = None,
    num_metadata: Annotated[
        int,
        typer.Option(
            help="How many metadata (each a use case and its skills) there are after mixing and matching; at "
            "most one for each instruction."
        ),
    ] = NUM_METADATA,
    num_instructions: Annotated[
        int, typer.Option(help="How many basic instructions to make, in all.")
    ] = NUM_INSTRUCTIONS,
    num_examples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Make instructions until exactly N rows are accepted, in place of a number of instructions.",
        ),
    ] = None,
    num_rubrics: Annotated[
        int, typer.Option(help="How many rubrics, and an action for each, a metadata gets.")
    ] = NUM_RUBRICS,
    iterations: Annotated[
        int,
        typer.Option(
            help="How many versions of an instruction are judged at most, the basic one included; 1 to 4."
        ),
    ] = ITERATIONS,
    threshold: Annotated[
        float,
        typer.Option(help="Keep an instruction when the gap of the scores is larger than this, 0 to 9."),
    ] = THRESHOLD,
    no_self_rubrics: Annotated[
        bool,
        typer.Option("--no-self-rubrics", help="Make no rubrics: judge every instruction once, as it is."),
    ] = False,
    no_contrastive_filter: Annotated[
        bool,
        typer.Option(
            "--no-contrastive-filter", help="Judge nothing: improve every instruction to the end and keep it."
        ),
    ] = False,
    metadata_fraction: Annotated[
        float,
        typer.Option(help="The share of the metadata to use; the number of instructions stays the same."),
    ] = METADATA_FRACTION,
    strong_model: StrongModel = None,
    target_model: TargetModel = None,
    judge_model: JudgeModel = None,
    strong_key_env: StrongKeyEnv = None,
    target_key_env: TargetKeyEnv = None,
    judge_key_env: JudgeKeyEnv = None,
    strong_header: StrongHeader = None,
    target_header: TargetHeader = None,
    judge_header: JudgeHeader = None,
    strong_extra: StrongExtra = None,
    target_extra: TargetExtra = None,
    judge_extra: JudgeExtra = None,
    strong_system: StrongSystem = None,
    target_system: TargetSystem = None,
    scoring: Annotated[
        str,
        typer.Option(
            help="Which scores count: discrete, the numbers that the judge writes, as in the paper; or "
            "expected, the mean of its probabilities for each number."
        ),
    ] = SCORING,
    check_metadata: Annotated[
        bool,
        typer.Option(
            "--check-metadata",
            help="Ask the strong model whether each mixed metadata is plausible, and leave out those that are not.",
        ),
    ] = False,
    metadata_only: Annotated[
        bool,
        typer.Option(
            "--metadata-only",
            help="Stop once the metadata have their rubrics, to edit them; the same command without it goes on.",
        ),
    ] = False,
    thinking: Annotated[
        str,
        typer.Option(
            help="What becomes of what models think before they answer: strip leaves it out; keep gives it "
            "columns of its own, reasoning in default, strong_reasoning and target_reasoning in trace."
        ),
    ] = THINKING,
    temperature: Temperature = TEMPERATURE,
    max_new_tokens: MaxNewTokens = MAX_NEW_TOKENS,
    thinking_tokens: ThinkingTokens = THINKING_TOKENS,
    allow_fallback: AllowFallback = False,
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder with prompts of yours; its NAME.jinja replaces ours."),
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
    seed: Annotated[int, typer.Option(help="Everything that is random follows from this number.")] = 0,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="A file with any of these options; the command line wins over it.",
            callback=_read_config,
            is_eager=True,
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Make a tailored data set; the same command goes on where an earlier one stopped."""
    from codeclm_hf.cli import display
    from codeclm_hf.endpoints.budget import Budget
    from codeclm_hf.endpoints.prices import read_prices
    from codeclm_hf.run import directory as run_directory
    from codeclm_hf.run.estimate import instructions_for, plan_costs
    from codeclm_hf.run.pipeline import CodecLM
    from codeclm_hf.stages.contamination import check_allowed

    if not strong or not target or out is None:
        required = (("--strong", strong), ("--target", target), ("--out", out))
        raise BadInput(f"needs {', '.join(name for name, value in required if not value)}; came none")
    settings: MethodSettings = {
        "num_rubrics": num_rubrics,
        "iterations": iterations,
        "threshold": threshold,
        "self_rubrics": not no_self_rubrics,
        "contrastive_filter": not no_contrastive_filter,
        "scoring": scoring,
        "thinking": thinking,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "strong_system": read_system(strong_system, "--strong-system"),
        "target_system": read_system(target_system, "--target-system"),
        "use_cases": _read_names(use_cases, "use_case"),
        "skills": _read_names(skills, "skill"),
        "check_metadata": check_metadata,
        "prompts": prompts,
        "seed": seed,
    }
    extra = {
        role: read_extra(typed, f"--{role}-extra")
        for role, typed in (("strong", strong_extra), ("target", target_extra), ("judge", judge_extra))
    }
    if not judge:
        of_the_judge = {"model": judge_model, "key-env": judge_key_env, "header": judge_header}
        for name, typed in {**of_the_judge, "extra": judge_extra}.items():
            if typed:
                raise BadInput(
                    f"needs --judge beside --judge-{name}; without one the strong model judges as it is asked"
                )
    sizes: Sizes = {
        "num_instructions": num_instructions,
        "num_examples": num_examples,
        "num_metadata": num_metadata,
        "metadata_fraction": metadata_fraction,
    }
    budget = Budget(
        max_requests=max_requests,
        max_tokens=max_tokens,
        max_cost=max_cost,
        prices=read_prices(price or ()),
        price_in=price_in,
        price_out=price_out,
    )
    # What costs nothing is checked first: settings, folder, seeds, evaluation sets; then the servers.
    check_settings(**settings, **sizes)
    run_directory.check(out)
    check_allowed(allow_match or (), decontaminate or ())
    inputs = _read_inputs(
        seeds, metadata, column=column, layout=layout, skip_bad=skip_bad, split=split, revision=revision
    )
    benchmarks = _read_benchmarks(decontaminate or ())
    all_roles = AllRoles(
        concurrency=concurrency,
        timeout=timeout,
        give_up_after=give_up_after,
        thinking_tokens=thinking_tokens,
        allow_fallback=allow_fallback,
    )
    codec = CodecLM(
        strong=RoleOptions("strong", strong_model, strong_key_env, strong_header, extra["strong"]).connect(
            strong, all_roles
        ),
        target=RoleOptions("target", target_model, target_key_env, target_header, extra["target"]).connect(
            target, all_roles
        ),
        judge=(
            RoleOptions("judge", judge_model, judge_key_env, judge_header, extra["judge"]).connect(
                judge, all_roles
            )
            if judge
            else None
        ),
        **settings,
    )
    if dry_run:
        codec.take_prices(budget)
        requests = codec.plan(inputs.seeds, metadata=inputs.metadata, metadata_only=metadata_only, **sizes)
        costs = plan_costs(
            requests,
            budget=budget,
            models=codec.models,
            responders=("strong", "target") if codec.contrastive_filter else ("strong",),
            max_new_tokens=max_new_tokens,
            instructions=instructions_for(num_examples) if num_examples else (num_instructions,) * 2,
        )
        display.print_plan(_out, requests, codec.models, out, costs=costs, examples=num_examples)
        return
    inputs = inputs._replace(benchmarks=benchmarks, allow_match=tuple(allow_match or ()))
    if metadata_only:
        _make_metadata(codec, inputs, sizes, out, budget)
        return
    _run_codec(codec, inputs, sizes, out, budget)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run directory.")] = Path("codeclm-demo"),
) -> None:
    """Run the whole method on an embedded 135M model and six shipped seeds."""
    from codeclm_hf.endpoints.connect import endpoint
    from codeclm_hf.run import directory as run_directory
    from codeclm_hf.run.pipeline import CodecLM

    _err.print(
        "A 135M model plays strong, target and judge. "
        "As a judge it gives both answers the same number, so here the\n"
        "scores are the means of its score distributions (--scoring expected), and the threshold is "
        f"{DEMO_SETTINGS['threshold']},\nnot 3. This shows the machinery; the judge's choices are near noise."
    )
    run_directory.check(out)
    with resources.as_file(resources.files("codeclm_hf.cli") / "demo.jsonl") as path:
        inputs = _read_inputs(str(path), None)
    model = endpoint(DEMO_MODEL)
    _run_codec(CodecLM(strong=model, target=model, **DEMO_SETTINGS), inputs, DEMO_SIZES, out)


@app.command()
def inspect(directory: Directory) -> None:
    """Show what is in a run directory: counts, what became of every instruction, and a few rows."""
    from codeclm_hf.cli import display

    display.print_run_directory(_out, directory)


class _Inputs(NamedTuple):
    """What a run starts from, as it was read from files."""

    seeds: Dataset | None
    metadata: list[dict[str, Any]] | None
    benchmarks: Sequence[Benchmark] = ()
    allow_match: Sequence[str] = ()


def _read_benchmarks(names: Sequence[str]) -> list[Benchmark]:
    """Read evaluation sets, and print how many texts they have."""
    from codeclm_hf.builders import load_benchmark
    from codeclm_hf.cli import display

    benchmarks = [load_benchmark(name) for name in dict.fromkeys(names)]
    for benchmark in benchmarks:
        display.print_benchmark(_out, benchmark)
    return benchmarks


def _read_inputs(seeds: str | None, metadata: str | None, **reading: Any) -> _Inputs:
    """Read what a run starts from, and print what the seeds are.

    Args:
        seeds: what `load_seeds` takes.
        metadata: what `load_metadata` takes.
        reading: further arguments of `load_seeds`.
    """
    from codeclm_hf.builders import load_metadata, load_seeds  # the command line alone reads files
    from codeclm_hf.cli import display

    if seeds is None and metadata is None:
        raise BadInput("needs SEEDS, or --metadata FILE; came neither")
    table = load_seeds(seeds, **reading) if seeds is not None else None
    if table is not None:
        display.print_seeds(_out, table)
    return _Inputs(table, load_metadata(metadata) if metadata is not None else None)


def _read_names(path: str | None, column: str) -> tuple[str, ...]:
    """Return the names of a list; none where there is no list."""
    from codeclm_hf.builders import load_names

    return load_names(path, column) if path is not None else ()


def _make_metadata(codec: CodecLM, inputs: _Inputs, sizes: Sizes, out: Path, budget: Budget) -> None:
    """Make the metadata of a run alone, and print how to go on."""
    from codeclm_hf.cli.progress_display import live_progress

    with live_progress(_err, out) as show:
        tables = codec.run(
            inputs.seeds,
            metadata=inputs.metadata,
            metadata_only=True,
            out=out,
            budget=budget,
            on_progress=show,
            **sizes,
        )
    made = tables["metadata"]
    failed = made["use_case"].count(None)
    if failed == len(made):
        raise CodecLMError(f"every seed failed, the first one so: {made['error'][0]}")
    _out.print(
        f"made {len(made) - failed} metadata, {failed} failed; to edit them: codeclm-hf metadata export {out} "
        "FILE.csv; to go on: the same command without --metadata-only",
        soft_wrap=True,
        markup=False,
    )


def _run_codec(
    codec: CodecLM, inputs: _Inputs, sizes: Sizes, out: Path, budget: Budget | None = None
) -> None:
    """Run the method, and print what came of it."""
    from codeclm_hf.cli import display
    from codeclm_hf.cli.progress_display import live_progress
    from codeclm_hf.run.manifest import Manifest

    with live_progress(_err, out) as show:
        tables = codec.run(
            inputs.seeds,
            metadata=inputs.metadata,
            decontaminate=inputs.benchmarks,
            allow_match=inputs.allow_match,
            out=out,
            budget=budget,
            on_progress=show,
            **sizes,
        )
    manifest = Manifest.read(out)
    display.print_summary(_out, manifest)
    if manifest.contamination is not None:
        display.print_contamination(_out, manifest.contamination, out)
    if codec.thinking == "keep":
        display.print_thoughts(_out, tables["trace"])
    # the tables hold the rows that were pulled into the folder, too
    accepted = manifest.funnel.accepted if manifest.funnel else manifest.counts.rows["default"]
    if manifest.funnel and manifest.funnel.shortfall:
        wanted = manifest.config.num_examples
        words = f"accepted {accepted} of {wanted} examples: {manifest.funnel.shortfall}"
        if not accepted:
            raise CodecLMError(f"{words}; codeclm-hf inspect {out} shows what became of every instruction")
        _out.print(f"{words}; a larger set needs other seeds or metadata", soft_wrap=True, markup=False)
    if not manifest.counts.judged:
        raise CodecLMError(f"every row failed; codeclm-hf inspect {out} shows why")
    if not accepted:
        _out.print(
            f"nothing was accepted: no gap lies beyond {codec.threshold:g}; the trace has every judgement",
            soft_wrap=True,
        )
        return
    _out.print(f'load_dataset("{out}", "default", split="train")', soft_wrap=True, markup=False)
