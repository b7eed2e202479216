"""The command line: parse, call, print."""

from __future__ import annotations

import logging
import os
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console

from codeclm_hf.cli import card, evaluate, hub, journal
from codeclm_hf.cli.options import Concurrency, GiveUpAfter, MaxRequests, MaxTokens, PriceIn, PriceOut
from codeclm_hf.endpoints.defaults import GIVE_UP_AFTER
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
    THRESHOLD,
    check_settings,
)
from codeclm_hf.text import did_you_mean

if TYPE_CHECKING:
    from codeclm_hf.endpoints.protocol import Endpoint
    from codeclm_hf.run.pipeline import CodecLM

app = typer.Typer(
    name="codeclm-hf",
    help="Turn a few seed instructions into a data set tailored to a task and to a model (CodecLM).",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(journal.app, name="journal")
app.add_typer(hub.app)
app.add_typer(card.app)
app.add_typer(evaluate.app)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

DEMO_MODEL = "local:smollm2-135m-instruct"
DEMO_SETTINGS: dict[str, Any] = {
    "iterations": 3,
    "threshold": 0.1,
    "scoring": "expected",
    "max_new_tokens": 64,
}
DEMO_SIZES: dict[str, Any] = {"num_instructions": 8, "num_metadata": 8}


def _config(context: typer.Context, path: Path | None) -> Path | None:
    if path is None:
        return None
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise BadInput(
            f"needs a YAML file of options; {path} cannot be read ({' '.join(str(exc).split())})"
        ) from exc
    if not isinstance(given, dict):
        raise BadInput(f"needs a YAML mapping of options in {path}; came a {type(given).__name__}")
    known = {str(option.name) for option in context.command.params} - {"config"}
    options = {str(name).replace("-", "_"): value for name, value in given.items()}
    for name in options:
        if name not in known:
            raise BadInput(
                f"needs options that run knows; {path} has {name!r}{did_you_mean(name, sorted(known))}"
            )
    context.default_map = options
    return path


@app.command()
def run(
    seeds: Annotated[
        str | None,
        typer.Argument(
            help="A .jsonl/.json/.csv/.parquet/.txt file, a request log, a folder, a pattern, hf://…, or a Hub id."
        ),
    ] = None,
    strong: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help="http(s)://HOST:PORT of TGI, vLLM, …, several with commas, or local:MODEL.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="The model that the data set is for; as --strong.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run directory; the same command resumes it.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="Who scores; the strong model by default.")
    ] = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="FILE", help="Use cases and skills written by hand.")
    ] = None,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="The seeds' column.")] = None,
    layout: Annotated[
        str,
        typer.Option(metavar="NAME", help="The seeds' layout: alpaca, messages, traffic, …; auto tells it."),
    ] = "auto",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out seeds of another layout.")] = False,
    split: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Of files train (all), validation (20 %) or test; of a Hub data set its own."
        ),
    ] = "train",
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="The revision of a Hub data set.")
    ] = None,
    num_metadata: Annotated[
        int, typer.Option(help="Metadata after mixing and matching; at most one an instruction.")
    ] = NUM_METADATA,
    num_instructions: Annotated[int, typer.Option(help="Basic instructions, in all.")] = NUM_INSTRUCTIONS,
    num_rubrics: Annotated[int, typer.Option(help="Rubrics, and so actions, a metadata.")] = NUM_RUBRICS,
    iterations: Annotated[
        int, typer.Option(help="Most versions of an instruction that are judged, 1 to 4.")
    ] = ITERATIONS,
    threshold: Annotated[
        float, typer.Option(help="Keep what lies strictly beyond this gap, 0 to 9.")
    ] = THRESHOLD,
    no_self_rubrics: Annotated[
        bool, typer.Option("--no-self-rubrics", help="Judge every instruction once, as it is.")
    ] = False,
    no_contrastive_filter: Annotated[
        bool,
        typer.Option("--no-contrastive-filter", help="Improve every instruction to the end and keep it."),
    ] = False,
    metadata_fraction: Annotated[
        float, typer.Option(help="Share of the metadata to use, the total held constant.")
    ] = METADATA_FRACTION,
    strong_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The served model's name; for TGI, whose tokenizer to use."),
    ] = None,
    target_model: Annotated[str | None, typer.Option(metavar="NAME", help="The same for the target.")] = None,
    judge_model: Annotated[str | None, typer.Option(metavar="NAME", help="The same for the judge.")] = None,
    strong_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The environment variable that holds the strong server's token."),
    ] = None,
    target_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The same for the target.")
    ] = None,
    judge_key_env: Annotated[str | None, typer.Option(metavar="NAME", help="The same for the judge.")] = None,
    scoring: Annotated[
        str, typer.Option(help="discrete, the paper's, or expected, from the token log-probabilities.")
    ] = SCORING,
    temperature: Annotated[
        float, typer.Option(help="Of every answer but the judge's, who is greedy.")
    ] = TEMPERATURE,
    max_new_tokens: Annotated[int, typer.Option(help="Most tokens of a response.")] = MAX_NEW_TOKENS,
    prompts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder whose NAME.jinja replace our prompts.")
    ] = None,
    concurrency: Concurrency = None,
    give_up_after: GiveUpAfter = GIVE_UP_AFTER,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE.yaml", help="These options in a file.", callback=_config, is_eager=True),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Make a tailored data set, or go on making it: the same command again resumes."""
    from codeclm_hf.cli import display
    from codeclm_hf.endpoints.budget import Budget
    from codeclm_hf.endpoints.connect import endpoint, key_in
    from codeclm_hf.run import directory as run_directory
    from codeclm_hf.run.pipeline import CodecLM

    if not strong or not target or out is None:
        missing = [
            name for name, value in (("--strong", strong), ("--target", target), ("--out", out)) if not value
        ]
        raise BadInput(f"needs {', '.join(missing)}; came none")
    settings: dict[str, Any] = {
        "num_rubrics": num_rubrics,
        "iterations": iterations,
        "threshold": threshold,
        "self_rubrics": not no_self_rubrics,
        "contrastive_filter": not no_contrastive_filter,
        "scoring": scoring,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "prompts": prompts,
        "seed": seed,
    }
    sizes: dict[str, Any] = {
        "num_instructions": num_instructions,
        "num_metadata": num_metadata,
        "metadata_fraction": metadata_fraction,
    }
    budget = Budget(max_requests=max_requests, max_tokens=max_tokens, price_in=price_in, price_out=price_out)
    # What costs nothing is checked first: settings, folder, seeds; then the servers.
    check_settings(**settings, **sizes)
    run_directory.check(out)
    reading = {"column": column, "layout": layout, "skip_bad": skip_bad, "split": split, "revision": revision}
    given = _inputs(seeds, metadata, **reading)

    def connect(target: str, model: str | None, key_env: str | None) -> Endpoint:
        key = key_in(key_env)
        return endpoint(
            target, model=model, api_key=key, concurrency=concurrency, give_up_after=give_up_after
        )

    codec = CodecLM(
        strong=connect(strong, strong_model, strong_key_env),
        target=connect(target, target_model, target_key_env),
        judge=connect(judge, judge_model, judge_key_env) if judge else None,
        **settings,
    )
    if dry_run:
        display.plan(_out, codec.plan(**given, **sizes), codec.models, out)
        return
    _run(codec, out, budget=budget, **given, **sizes)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run directory.")] = Path("codeclm-demo"),
) -> None:
    """Run the whole method on an embedded 135M model and six shipped seeds."""
    from codeclm_hf.endpoints.connect import endpoint
    from codeclm_hf.run import directory as run_directory
    from codeclm_hf.run.pipeline import CodecLM

    _err.print(
        "A 135M model plays strong, target and judge. As a judge it gives both answers the same number, so here the\n"
        "scores are the means of its score distributions (--scoring expected), and the threshold is "
        f"{DEMO_SETTINGS['threshold']},\nnot 3. This shows the machinery; the judge's choices are near noise."
    )
    run_directory.check(out)
    with resources.as_file(resources.files("codeclm_hf.cli") / "demo.jsonl") as path:
        given = _inputs(str(path), None)
    model = endpoint(DEMO_MODEL)
    _run(CodecLM(strong=model, target=model, **DEMO_SETTINGS), out, **given, **DEMO_SIZES)


@app.command()
def inspect(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run directory.")]) -> None:
    """Show what is in a run directory: counts by stage, iteration and verdict, and a few rows."""
    from codeclm_hf.cli import display

    display.inspect(_out, directory)


def _inputs(seeds: str | None, metadata: str | None, **reading: Any) -> dict[str, Any]:
    from codeclm_hf.builders import load_metadata, load_seeds  # the command line alone reads files
    from codeclm_hf.cli import display

    if seeds is None and metadata is None:
        raise BadInput("needs SEEDS, or --metadata FILE; came neither")
    found = load_seeds(seeds, **reading) if seeds is not None else None
    if found is not None:
        display.seeds(_out, found)
    return {
        "seeds": found,
        "metadata": load_metadata(metadata) if metadata is not None else None,
    }


def _run(codec: CodecLM, out: Path, **arguments: Any) -> None:
    from codeclm_hf.card.statistics import VERDICTS
    from codeclm_hf.cli import display
    from codeclm_hf.run.manifest import Manifest

    with display.running(_err, out) as live:
        codec.run(out=out, on_progress=live, **arguments)
    manifest = Manifest.read(out)
    display.summary(_out, manifest)
    if not any(
        getattr(iteration, verdict)
        for iteration in manifest.counts.iterations
        for verdict in VERDICTS
        if verdict != "failed"
    ):
        raise CodecLMError(f"every row failed; codeclm-hf inspect {out} shows why")
    if not manifest.counts.rows["default"]:
        _out.print(
            f"nothing was accepted: no gap lies beyond {codec.threshold:g}; the trace has every judgement",
            soft_wrap=True,
        )
        return
    _out.print(f'load_dataset("{out}", "default", split="train")', soft_wrap=True, markup=False)


def main() -> None:
    """Run the command line; what is wrong is one line and its exit code."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # we need its tokenizers, not its models
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # a run has bars of its own
    for name in ("huggingface_hub", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)  # their retries are no news to the user; the error is
    try:
        sys.exit(app(standalone_mode=False))
    except CodecLMError as exc:
        _fail(str(exc), exc.exit_code)
    except OSError as exc:
        if exc.errno is None:
            raise
        _fail(f"{exc.strerror}: {exc.filename or 'this machine'}", 1)
    except _USAGE_ERROR as exc:
        _fail(f"{exc.format_message().rstrip('.')}; see codeclm-hf --help", 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped before anything was asked", 130)


# typer carries its own copy of click or uses the installed one, by version; this is click's ClickException in both.
_USAGE_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def _fail(words: str, code: int) -> None:
    print("error:", " ".join(words.split()), file=sys.stderr)
    sys.exit(code)
