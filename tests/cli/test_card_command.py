"""`codeclm-hf card`, as a person types it."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from urllib.request import url2pathname

import pytest

from codeclm_hf.card.render import split_card
from codeclm_hf.hub.publish import publish
from support.command_line import Cli, output_of, refusal_of
from support.hub_server import Hub
from support.run_directories import REPO, repo, run_directory_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_directory_of(tmp_path / "run", ["one", "two"])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the browser was given, which it opens all."""
    given: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not given.append(address))
    return given


def broken(run: Path) -> Path:
    card = run / "README.md"
    card.write_text(card.read_text().replace("tags:\n", "license: mut\ntags:\n- 2024\n"))
    return run


def test_where_the_card_is(cli: Cli, run: Path) -> None:
    """Without options it says where the card is, and what is wrong with it, which is no failure."""
    assert output_of(cli("card", run)) == f"the card is {run / 'README.md'}\n"
    lines = output_of(cli("card", broken(run))).splitlines()
    assert lines[0] == f"the card is {run / 'README.md'}"
    assert lines[1].startswith("README.md:11: needs a value of license that the Hub knows; came 'mut'")
    assert lines[2].startswith("README.md:13: needs text for tags; came 2024")


def test_a_check_that_a_script_can_use(cli: Cli, run: Path) -> None:
    """`--check` ends with exit code 2 where there are problems, each a line with its place, and says so where not."""
    assert output_of(cli("card", run, "--check")) == f"the front matter of {run / 'README.md'} is fine\n"
    result = cli("card", broken(run), "--check")
    assert refusal_of(result) == "error: needs front matter without problems; came 2"
    assert [line.split(":")[:2] for line in result.stdout.splitlines()] == [
        ["README.md", "11"],
        ["README.md", "13"],
    ]


def test_the_page_is_written(cli: Cli, run: Path, tmp_path: Path, opened: list[str]) -> None:
    """`--html` writes the page, again where it stands already, readable for all, and opens nothing."""
    page = tmp_path / "card.html"
    for _ in range(2):
        assert output_of(cli("card", run, "--html", page)) == f"the card is a page in {page}\n"
    assert "A data set tailored with CodecLM" in page.read_text(encoding="utf-8")
    assert page.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.html", "run"]
    assert opened == []


def test_the_page_is_opened(
    cli: Cli, run: Path, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--open` gives the browser the page that was written, or one of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    page = tmp_path / "a card.html"
    output_of(cli("card", run, "--html", page, "--open"))
    assert opened == [page.as_uri()]
    assert output_of(cli("card", run, "--open")) == ""
    own = Path(url2pathname(opened[1].removeprefix("file://")))
    assert own.parent == tmp_path
    assert own.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_no_browser(cli: Cli, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no browser can be started, the one line says where the page is."""
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    line = refusal_of(cli("card", run, "--open"), code=1)
    assert line.startswith("error: no browser could be started; the page is in ")
    assert "tailored with CodecLM" in Path(line.rsplit(" ", 1)[1]).read_text(encoding="utf-8")
    Path(line.rsplit(" ", 1)[1]).unlink()


def test_what_is_wrong_is_one_line(cli: Cli, run: Path, tmp_path: Path) -> None:
    """No run directory, no card, a card that is no text, a page that cannot be written: exit code 2, and no file."""
    assert "needs a run directory with a codeclm.json" in refusal_of(cli("card", tmp_path))
    assert "needs a run directory with a codeclm.json" in refusal_of(cli("card", tmp_path / "nowhere"))
    before = (run / "README.md").read_bytes()
    assert "needs a file that ends in .html" in refusal_of(cli("card", run, "--html", run / "README.md"))
    assert (run / "README.md").read_bytes() == before
    assert "needs a file that can be written" in refusal_of(
        cli("card", run, "--html", tmp_path / "none" / "a.html")
    )
    (tmp_path / "folder.html").mkdir()
    assert "needs a file that can be written" in refusal_of(
        cli("card", run, "--html", tmp_path / "folder.html")
    )
    (run / "README.md").write_bytes(b"\xff\xfe")
    assert "needs a card in UTF-8" in refusal_of(cli("card", run))
    (run / "README.md").unlink()
    assert "has none yet" in refusal_of(cli("card", run))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.html", "run"]


def test_a_template_stays_through_runs_until_it_is_taken_back(cli: Cli, run: Path, tmp_path: Path) -> None:
    """The card is made with it now and after the next run; `default` gives the very card that was there before."""
    own, before = tmp_path / "own.md.jinja", (run / "README.md").read_text()
    own.write_text("{{ rows.default }} rows, and no more words.")
    output_of(cli("card", run, "--template", own))
    assert "2 rows, and no more words." in (run / "README.md").read_text()
    own.unlink()
    run_directory_of(run, ["one", "two", "three"])
    assert "3 rows, and no more words." in (run / "README.md").read_text()
    run_directory_of(run, ["one", "two"])
    output_of(cli("card", run, "--template", "default"))
    assert split_card((run / "README.md").read_text())[1].split() == split_card(before)[1].split()


def test_a_template_that_fails_changes_nothing(cli: Cli, run: Path, tmp_path: Path) -> None:
    """A file that is not there, or that cannot be rendered, is one sentence."""
    own = tmp_path / "own.md.jinja"
    files = {path: path.read_bytes() for path in (run / "README.md", run / "codeclm.json")}
    assert "cannot be read" in refusal_of(cli("card", run, "--template", own))
    own.write_text("fine\n{{ nothing }}")
    assert "line 2 ('nothing' is undefined)" in refusal_of(cli("card", run, "--template", own))
    assert files == {path: path.read_bytes() for path in files}


@pytest.mark.usefixtures("token", "no_waiting")
def test_a_template_goes_with_the_versions(cli: Cli, hub: Hub, run: Path, tmp_path: Path) -> None:
    """Whoever publishes next has it too, until somebody publishes a folder that was told to do without."""
    own = tmp_path / "own.md.jinja"
    own.write_text("{{ rows.default }} rows, and no more words.")
    output_of(cli("card", run, "--template", own))
    publish(run, REPO)
    publish(run_directory_of(tmp_path / "other", ["three"]), REPO)
    assert "3 rows, and no more words." in repo(hub).files()["README.md"].decode()
    output_of(cli("card", run, "--template", "default"))
    assert publish(run, REPO).version == "1.1.1"
    text = repo(hub).files()["README.md"].decode()
    assert "no more words" not in text and "3 instruction–response pairs" in text
