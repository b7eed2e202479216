"""The command line, as a person types it: real servers, a process of its own where it matters, one line for errors."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from support import command_line
from support.command_line import Cli
from support.command_process import cli, command, refusal_of, start
from support.model_server import StandIn

WorldOf = Callable[..., tuple[StandIn, StandIn]]
cli_here = command_line.cli
"""The fixture, which runs a command in this process; `cli` starts one of its own."""


@pytest.fixture
def typed(world_of: WorldOf, tmp_path: Path, seeds_file: Path) -> list[object]:
    """A small run's words."""
    strong, target = world_of(tgi=False)
    return ["run", seeds_file, "--strong", strong.url, "--target", target.url, "--out", tmp_path / "out",
            "--num-instructions", 8, "--num-metadata", 4]  # fmt: skip


def test_a_run_from_a_file_to_a_data_set(typed: list[object], tmp_path: Path) -> None:
    """One line makes a data set, with plain progress lines where there is no terminal; again, it asks nothing."""
    first = subprocess.run(command(*typed), capture_output=True, text=True, timeout=120, check=False)
    assert first.returncode == 0, first.stderr
    for stage, rows in (("encode", 4), ("rubrics", 4), ("decode", 4), ("tailor", 8)):
        assert re.search(
            rf"^{stage}: {rows}/{rows} rows, .* requests/s, .* tokens/s(?!.* left)", first.stderr, re.M
        )
    assert "8" in first.stdout
    table = load_dataset(str(tmp_path / "out"), "default", split="train")
    assert f"default {len(table)}" in first.stdout
    again = cli(*typed)
    assert again.returncode == 0
    assert "tailor: 8/8 rows, 0.0 requests/s" in again.stderr


def test_inspect_shows_what_there_is(typed: list[object], tmp_path: Path) -> None:
    """Counts by stage, iteration and verdict, and a few rows."""
    cli(*typed)
    shown = cli("inspect", tmp_path / "out")
    assert shown.returncode == 0, shown.stderr
    for words in (
        "instructions: 8",
        "accept_strong",
        "exhausted",
        "won by",
        "response: The",
        "capacity recovery ratio",
    ):
        assert words in shown.stdout
    assert "needs a run directory" in refusal_of(cli("inspect", tmp_path / "nowhere"))


def test_a_dry_run_prints_the_plan_and_writes_nothing(typed: list[object], tmp_path: Path) -> None:
    """Requests a stage at the least and at the most, the models, and where it would write."""
    shown = cli(*typed, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"encode\W+4\W+12\b", shown.stdout)
    assert re.search(r"respond\W+16\W+128\b", shown.stdout)
    assert "would write to" in shown.stdout
    assert "seeds: layout `prompt`: the column `instruction`; 6 seeds\n" in shown.stdout
    assert not (tmp_path / "out").exists()


def test_seeds_of_a_layout_and_a_split(typed: list[object], tmp_path: Path) -> None:
    """The layout can be named, rows of another one left out, and a split of the file be taken; it is said in a line."""
    rows = [{"conversations": [{"from": "human", "value": f"Question {n}?"}]} for n in range(40)]
    (tmp_path / "chats.json").write_text(json.dumps([*rows, {"instruction": "other", "input": ""}]))
    words = [
        "run",
        tmp_path / "chats.json",
        *typed[2:],
        "--layout",
        "sharegpt",
        "--skip-bad",
        "--split",
        "validation",
    ]
    shown = cli(*words, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert re.search(
        r"seeds: layout `sharegpt`: .*; 40 seeds, 1 row of another layout was left out\n", shown.stdout
    )


def test_a_configuration_file_gives_what_the_line_does_not(typed: list[object], tmp_path: Path) -> None:
    """Options of the file hold unless the line gives them too; both spellings of a name will do."""
    (tmp_path / "run.yaml").write_text(
        "threshold: 1.5\nnum_rubrics: 2\nno-contrastive-filter: true\niterations: 2\nthinking: keep\n"
        "strong-extra:\n  top_p: 0.9\njudge_extra: '{\"top_k\": 5}'\ntarget-system: Be brief.\n"
    )
    result = cli(*typed, "--config", tmp_path / "run.yaml", "--num-rubrics", 3, "--judge", typed[3])
    assert result.returncode == 0, result.stderr
    config = json.loads((tmp_path / "out" / "codeclm.json").read_text())["config"]
    assert (config["threshold"], config["num_rubrics"], config["contrastive_filter"]) == (1.5, 3, False)
    assert (config["thinking"], config["target_system"]) == ("keep", "Be brief.")
    assert config["extra"] == {"strong": {"top_p": 0.9}, "judge": {"top_k": 5}}
    assert "\nthinking: no model told its thoughts; the columns for them are null\n" in result.stdout


def test_metadata_alone_from_a_file(typed: list[object], tmp_path: Path) -> None:
    """`--metadata FILE` without SEEDS is a whole run."""
    (tmp_path / "metadata.yaml").write_text("- use_case: letters\n  skills: [formal tone, brevity]\n")
    words = [typed[0], *typed[2:], "--metadata", tmp_path / "metadata.yaml", "--num-metadata", 1]
    result = cli(*words)
    assert result.returncode == 0, result.stderr
    assert load_dataset(str(tmp_path / "out"), "metadata", split="train")["origin"][:] == ["given"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere.jsonl"], r"nowhere\.jsonl"),
        (["empty.jsonl"], "needs at least one instruction"),
        (
            ["prompts.jsonl", "--column", "instruction"],
            r"needs a column `instruction`; prompts.jsonl has `prompt`; pass --column prompt",
        ),
        (["mixed.jsonl"], r"1 of 2 rows .*mixed\.jsonl:1 looks like `prompt` .*pass --skip-bad"),
        (["prompts.jsonl", "--layout", "promt"], "there is no `promt`; did you mean prompt?"),
        (["seeds.jsonl", "--threshold", "9.5"], "needs threshold from 0 to 9; came 9.5"),
        (
            ["seeds.jsonl", "--strong-extra", '{"stream": true}'],
            "--strong-extra beside .*; came stream; leave",
        ),
        (["seeds.jsonl", "--judge-extra", '{"top_p": 1}'], "needs --judge beside --judge-extra"),
        (["seeds.jsonl", "--judge-model=m"], "needs --judge beside --judge-model"),
        (["seeds.jsonl", "--judge-key-env", "KEY"], "needs --judge beside --judge-key-env"),
        (["seeds.jsonl", "--judge-header", "api-key: x"], "needs --judge beside --judge-header"),
        (
            ["seeds.jsonl", "--target-system", "no/such.txt"],
            "--target-system .* there is no file no/such.txt",
        ),
        (["seeds.jsonl", "--thinking-tokens", "-1"], "needs thinking-tokens of at least 0; came -1"),
        (["seeds.jsonl", "--thinking", "keeps"], "needs a thinking of strip or keep; came 'keeps'"),
        (["seeds.jsonl", "--num-examples", "0"], "needs num-examples from 1 to 100000000; came 0"),
        (
            ["seeds.jsonl", "--num-examples", "9", "--num-instructions", "20"],
            "needs num-examples or num-instructions; came 9 and 20; leave one out",
        ),
        (["seeds.jsonl", "--iterations", "0"], "needs iterations from 1 to 4; came 0"),
        (["seeds.jsonl", "--strong", "http://127.0.0.1:9"], "does not answer"),
        (["seeds.jsonl", "--strong", "smollm2"], "needs an endpoint like http"),
        (["seeds.jsonl", "--strong-key-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE; it is not set"),
        (
            ["seeds.jsonl", "--metadata", "no_skills.jsonl"],
            r"no_skills\.jsonl, row 1: the skills are missing",
        ),
        (["seeds.jsonl", "--config", "wrong.yaml"], "'treshold'; did you mean threshold?"),
        (["seeds.jsonl", "--config", "broken.yaml"], "needs a YAML file of options"),
        (
            ["seeds.jsonl", "--config", "date.yaml"],
            "needs fields that JSON can hold .*; put a date in quotes",
        ),
        (["seeds.jsonl", "--out", "taken"], "holds something else; name another --out"),
        ([], "needs SEEDS, or --metadata FILE"),
        (["seeds.jsonl", "--max-requests", "0"], "needs max-requests of at least 1; came 0"),
        (
            ["seeds.jsonl", "--give-up-after", "inf"],
            "needs seconds to give up after, of at least 0; came inf",
        ),
        (["seeds.jsonl", "--give-up-after", "-1"], "needs seconds to give up after, of at least 0; came -1"),
        (["seeds.jsonl", "--threshold", "abc"], "Invalid value for '--threshold'"),
        (["seeds.jsonl", "--bogus", "1"], "--bogus"),
        (["seeds.jsonl", "--config", "typed.yaml"], "Invalid value for '--threshold'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    typed: list[object], tmp_path: Path, words: list[str], line: str, cli_here: Cli
) -> None:
    """Each says what is needed, what came and what to do; nothing is written."""
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "x"}\n')
    (tmp_path / "mixed.jsonl").write_text(
        '{"prompt": "x"}\n{"messages": [{"role": "user", "content": "y"}]}\n'
    )
    (tmp_path / "no_skills.jsonl").write_text('{"use_case": "x"}\n')
    (tmp_path / "wrong.yaml").write_text("treshold: 2\n")
    (tmp_path / "typed.yaml").write_text("threshold: abc\n")
    (tmp_path / "broken.yaml").write_text("a: [\n")
    (tmp_path / "date.yaml").write_text("strong-extra: {since: 2026-12-01}\n")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    line_typed = [
        word if not (tmp_path / str(word)).exists() and not str(word).endswith("l") else tmp_path / word
        for word in words
    ]
    result = cli_here("run", *line_typed[:1], *typed[2:], *line_typed[1:])
    assert re.search(line, refusal_of(result))
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_server_of_something_else_and_a_refused_token_are_one_line(
    serve: Any, typed: list[object], tmp_path: Path
) -> None:
    """401, with its hint, and a web server that is no LLM server."""
    locked = serve(lambda *_: "hi", tgi=False, token="right")
    assert "give a valid token" in refusal_of(cli(*typed, "--strong", locked.url))
    assert "give a valid token" in refusal_of(
        cli(*typed, "--strong", locked.url, "--strong-key-env", "KEY", KEY="wr0ng")
    )
    locked.tgi, locked.token = False, None
    other = serve(lambda *_: "hi", tgi=False)
    assert "needs an LLM server" in refusal_of(cli(*typed, "--strong", other.url + "/blog"))
    other.unknown.clear()
    assert not (tmp_path / "out").exists()


def test_a_token_from_the_environment_opens_and_is_written_nowhere(
    serve: Any, typed: list[object], tmp_path: Path
) -> None:
    """The key of `--strong-key-env` is used, and is in no file and no output."""
    strong = serve(lambda *_: "hi", tgi=False, token="s3cret")
    result = cli(*typed, "--strong", strong.url, "--strong-key-env", "KEY", KEY="s3cret")
    assert strong.asked[0]["headers"]["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in result.stdout + result.stderr
    assert not [
        path for path in (tmp_path / "out").rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()
    ]


def test_when_every_row_fails_the_exit_code_says_so(serve: Any, typed: list[object], tmp_path: Path) -> None:
    """Exit code 1, with where to look."""
    strong = serve(lambda *_: "no", tgi=False)
    result = cli(*typed, "--strong", strong.url)
    assert result.returncode == 1
    assert "every row failed; codeclm-hf inspect" in result.stderr
    assert "the model answered 'no'" in cli("inspect", tmp_path / "out").stdout


def test_a_server_that_dies_stops_the_run_with_exit_code_3(
    world_of: WorldOf, typed: list[object], tmp_path: Path
) -> None:
    """One line says which server and why; the run directory is there to go on with."""
    servers = world_of(tgi=False)
    servers[1].script = [(403, "", "text/plain", {})]
    result = cli(*typed, "--strong", servers[0].url, "--target", servers[1].url)
    assert result.returncode == 2
    assert "answered 403" in result.stderr.splitlines()[-1]
    assert "not finished" in cli("inspect", tmp_path / "out").stdout
    servers[1].script = []
    assert cli(*typed, "--strong", servers[0].url, "--target", servers[1].url).returncode == 0


def test_a_server_that_answers_nothing_stops_the_run_with_exit_code_3(
    world_of: WorldOf, typed: list[object], tmp_path: Path
) -> None:
    """After --give-up-after seconds the last line says which server, why, and to run again."""
    servers = world_of(tgi=False)
    servers[1].fault = lambda _: (503, "", "text/plain", {})
    words = [*typed, "--strong", servers[0].url, "--target", servers[1].url, "--give-up-after", 0.1]
    result = cli(*words)
    assert result.returncode == 3
    assert re.search(
        rf"^error: {servers[1].url} answered 503; gave up after 0.1 s .*; run again",
        result.stderr.splitlines()[-1],
    )
    assert "not finished" in cli("inspect", tmp_path / "out").stdout
    servers[1].fault = None
    assert cli(*words).returncode == 0


def test_a_spent_budget_is_exit_code_4(typed: list[object], tmp_path: Path) -> None:
    """The line says which option to raise; with a larger one the same command goes on, and shows what it costs."""
    result = cli(*typed, "--max-requests", 20)
    assert result.returncode == 4
    assert "the budget of 20 requests is spent" in result.stderr.splitlines()[-1]
    assert "give a larger --max-requests" in result.stderr.splitlines()[-1]
    result = cli(*typed, "--max-requests", 1000, "--price-in", 1e6, "--price-out", 0)
    assert result.returncode == 0, result.stderr
    tokens = re.search(r"all answers in the journal cost (\d+)\.00", result.stdout)
    assert tokens is not None
    assert re.search(rf"tailor: 8/8 rows, .*cost {tokens[1]}\.00 of about {tokens[1]}\.00", result.stderr)


def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(
    world_of: WorldOf, typed: list[object], tmp_path: Path
) -> None:
    """Exit code 130 and two clauses; the same command then asks only the rest."""
    servers = world_of(tgi=False)
    strong = servers[0]
    honest, process = strong.answer, None

    def interrupt(messages: list[dict[str, str]], how: dict[str, Any]) -> Any:
        if len(strong.asked) == 12:
            process.send_signal(signal.SIGINT)
            strong.script = [
                (503, "", "text/plain", {})
            ] * 1000  # the run is waiting when the interrupt comes
        return honest(messages, how)

    strong.answer = interrupt
    words = [*typed, "--strong", servers[0].url, "--target", servers[1].url, "--concurrency", 1]
    process = start(*words)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "run the same command again to go on" in err.splitlines()[-1]
    assert "Traceback" not in err
    strong.answer, strong.script = honest, []
    assert cli(*words).returncode == 0
    bodies = [json.dumps(asked["body"], sort_keys=True) for asked in strong.asked]
    # with one slot, at most the one request in flight at the interrupt is asked twice
    assert len(bodies) - len(set(bodies)) <= 1


@pytest.mark.parametrize(
    "manifest",
    [
        '{"codeclm_hf": 1}',
        '["codeclm_hf"]',
        "no JSON",
        '{"codeclm_hf": 1, "models": {}, "status": "complete"}',
        '{"codeclm_hf": 1, "models": {}, "status": "complete", "config": {}, "counts": {}, "usage": {"strong": {}}}',
    ],
)
def test_a_broken_run_directory_is_one_line(tmp_path: Path, manifest: str) -> None:
    """A manifest that no run wrote is refused by inspect."""
    (tmp_path / "codeclm.json").write_text(manifest)
    assert "needs a manifest that a run wrote" in refusal_of(cli("inspect", tmp_path))


def test_a_damaged_table_is_one_line(typed: list[object], tmp_path: Path) -> None:
    """A table that is torn or gone is named, not shown as empty."""
    cli(*typed)
    (table,) = (tmp_path / "out" / "data" / "trace").iterdir()
    table.write_bytes(b"PAR1")
    assert "needs the table `trace`" in refusal_of(cli("inspect", tmp_path / "out"))
    table.unlink()
    assert "rows of `trace`" in refusal_of(cli("inspect", tmp_path / "out"))


def test_when_nothing_is_accepted_the_output_says_so(typed: list[object]) -> None:
    """No table is advertised that is not there."""
    shown = cli(*typed, "--threshold", 9, "--iterations", 1)
    assert shown.returncode == 0
    assert "nothing was accepted: no gap lies beyond 9" in shown.stdout
    assert "load_dataset" not in shown.stdout


def test_help_names_every_option_of_the_contract() -> None:
    """The spelling is a contract."""
    shown = cli("run", "--help").stdout
    for option in ("--strong", "--target", "--out", "--judge", "--metadata", "--column", "--layout", "--skip-bad",
                   "--split", "--revision",
                   "--num-metadata", "--num-instructions", "--num-rubrics", "--iterations", "--threshold",
                   "--no-self-rubrics", "--no-contrastive-filter", "--metadata-fraction", "--strong-model",
                   "--target-model", "--temperature", "--max-new-tokens", "--concurrency", "--seed", "--config",
                   "--dry-run", "--give-up-after", "--max-requests", "--max-tokens", "--price-in",
                   "--price-out"):  # fmt: skip
        assert option in shown
