"""What is shown while a command is on its way."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from datasets import Dataset
from rich.console import Console

from codeclm_hf import Evaluation, endpoint
from codeclm_hf.cli.progress_display import LiveProgress, live_progress
from codeclm_hf.run.progress import Progress
from support.command_line import Cli
from support.judges import Serve, good, judging

START = Progress(
    stage="compare", done=0, total=100, to_ask=100, asked=0, row_seconds=0.0, accepted=0, requests=0, tokens=0
)


def shown(events: list[tuple[float, Progress]], *, terminal: bool = False, at: float | None = None) -> str:
    """What stands there after these reports, each with the time at which it comes."""
    written, now = io.StringIO(), [0.0]
    console = Console(file=written, force_terminal=terminal, width=120, color_system=None)
    show = LiveProgress(console, lambda: now[0])
    for now[0], progress in events:  # the clock's time
        show(progress)
    if terminal:
        now[0] = at or now[0]
        console.print(show._bars.get_renderable())
    return written.getvalue()


def slow(done: int, *, replayed: int = 0, every: float = 60.0) -> list[tuple[float, Progress]]:
    """Rows of a slow server, one after the other, after some that were in the journal."""
    first = [(0.01 * n, replace(START, done=n)) for n in range(replayed + 1)]
    return first + [
        (every * n, replace(START, done=replayed + n, asked=n, requests=4 * n, tokens=9 * n, row_seconds=every))
        for n in range(1, done + 1)
    ]  # fmt: skip


def test_a_slow_server_is_never_about_to_be_done() -> None:
    """After 90 replayed rows, each of the last ten takes a minute: the lines say so, and the last says nothing."""
    lines = shown(slow(10, replayed=90)).splitlines()
    assert lines[0] == "compare: 0/100 rows"
    assert not any(" left" in line for line in lines[:10]), "nothing was asked yet"
    assert lines[-1].startswith("compare: 100/100 rows, 4.0 requests/min,") and " left" not in lines[-1]
    assert shown(slow(5, replayed=90), terminal=True).count("about 5 min left") == 1
    assert "about 9 min left" in shown(slow(5, replayed=90), terminal=True, at=540.0)


@pytest.mark.parametrize(
    ("done", "every", "left"),
    [
        (2, 60.0, ""), (10, 60.0, "about 90 min left"), (50, 1.0, "about 1 min left"),
        (90, 1.0, "less than a minute left"), (30, 600.0, "about 12 h left"),
    ],
)  # fmt: skip
def test_the_time_left_is_said_sensibly(done: int, every: float, left: str) -> None:
    """In minutes or hours, not before there is something to go by."""
    told = shown(slow(done, every=every), terminal=True)
    assert re.findall(r"(?:about|less)[\w ]* left", told) == ([left] if left else [])


def test_the_check_of_a_judge_shows_its_progress(serve: Serve, cli: Cli) -> None:
    """As a run does; what it found stands alone on stdout."""
    told = cli("judge-check", "--judge", serve(judging(good), tgi=False).url)
    assert re.search(r"^judge's check: 0/36 rows$", told.stderr, re.M)
    assert re.search(r"^judge's check: 36/36 rows, .* requests/s, .* tokens/s$", told.stderr, re.M)
    assert "rows" not in told.stdout


def test_an_evaluation_shows_the_check_and_then_the_comparisons(
    serve: Serve, cli: Cli, tmp_path: Path
) -> None:
    """Each with its own numbers."""
    judge, model = serve(judging(good), tgi=False), serve(lambda *_: "fine", tgi=False)
    benchmark = tmp_path / "b.jsonl"
    benchmark.write_text("".join(json.dumps({"instruction": f"Number {n}."}) + "\n" for n in range(10)))
    sides = ["--candidate", model.url, "--reference", model.url, "--judge", judge.url]
    told = cli("evaluate", benchmark, *sides, "--out", tmp_path / "out", "--anyway").stderr
    stages = re.findall(r"^([\w' ]+): \d+/(\d+) rows", told, re.M)
    assert list(dict.fromkeys(stages)) == [("judge's check", "36"), ("compare", "10")]


def test_only_rows_that_were_asked_count(serve: Serve, tmp_path: Path) -> None:
    """Neither those without a response, nor those that the journal holds when the same is called again."""
    judge = serve(judging(good), tgi=False)
    texts = [f"Number {n}." for n in range(9)]
    sides = {
        role: Dataset.from_dict({"instruction": texts, "response": ["fine", "", None] * 3})
        for role in ("candidate", "reference")
    }
    evaluation = Evaluation(judge=endpoint(judge.url), **sides)
    last: list[Progress] = []
    for _ in range(2):
        heard: list[Progress] = []
        evaluation.run(
            Dataset.from_dict({"instruction": texts}), out=tmp_path / "out", on_progress=heard.append
        )
        last.append(heard[-1])
    assert [(one.stage, one.done, one.total, one.to_ask, one.asked) for one in last] == [
        ("compare", 9, 9, 3, 3),
        ("compare", 9, 9, 3, 0),
    ]


def test_ctrl_c_says_what_is_kept(tmp_path: Path) -> None:
    """Where something is; the check of a judge keeps nothing."""
    for directory, words in ((tmp_path, "every answer that came is kept in"), (None, "stopped\n")):
        written = io.StringIO()
        with pytest.raises(typer.Exit) as stopped, live_progress(Console(file=written, width=500), directory):
            raise KeyboardInterrupt
        assert stopped.value.exit_code == 130
        assert words in written.getvalue()


def test_a_stage_that_gets_more_rows_counts_on() -> None:
    """Rounds of instructions are one bar, whose total grows; the line says how many of the wanted are accepted."""
    begun = replace(START, stage="tailor", total=10, wanted=30, cost=0.0)
    first = replace(begun, done=10, accepted=4, cost=1.5)
    more = replace(first, total=40)
    last = replace(more, done=40, accepted=30, cost=6.25, projected=6.5)
    events = [(0.0, begun), (1.0, first), (2.0, more), (4.0, last)]
    lines = shown(events).splitlines()
    assert [line.partition(" rows")[0] for line in lines] == [
        "tailor: 0/10",
        "tailor: 10/10",
        "tailor: 10/40",
        "tailor: 40/40",
    ]
    assert lines[-1].endswith("30 accepted of 30, cost 6.25 of about 6.50")
    assert "40/40" in shown(events, terminal=True)
