"""The metric as a module on the Hub: pushed by us, loaded by the real `evaluate` without us."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from codeclm_hf import BadInput, HubError
from codeclm_hf.evaluation import capacity_recovery
from codeclm_hf.evaluation.capacity_recovery import CapacityRecovery
from codeclm_hf.hub.push_metric import push_metric
from support.hub_server import Hub, User
from support.hub_store import card_data

SCORES = [[8, 7], [8, 5], [2, 3], None], [[5, 6], [6, 6], [4, 9], [5, 5]]
"""Predictions and references: a win, a tie, a loss, and what cannot be read."""
QUIET = {"HF_UPDATE_DOWNLOAD_COUNTS": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Nothing is asked of anybody but what is needed: evaluate counts loads at Amazon's, the Hub's client knows agents."""
LOADED = """
import json, sys
sys.modules["codeclm_hf"] = None  # who imports it fails
import evaluate
metric = evaluate.load(sys.argv[1])
predictions, references = json.loads(sys.argv[2])
print(json.dumps(metric.compute(predictions=predictions, references=references)))
"""


def loaded(what: str, home: Path, **environment: str) -> Any:
    """What the metric gives that `evaluate.load` finds, in a process with fresh caches and without codeclm-hf."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, what, json.dumps(SCORES)],
        env=clean | {"HF_HOME": str(home)} | QUIET | environment,
        cwd=home, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_evaluate_loads_the_file_offline(tmp_path: Path) -> None:
    """`evaluate.load` takes the metric's file, in a process that may not use the network and has no codeclm-hf."""
    offline = {"HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    expected = CapacityRecovery().compute(predictions=SCORES[0], references=SCORES[1])
    assert loaded(capacity_recovery.__file__, tmp_path, **offline) == expected
    assert [expected[name] for name in ("wins", "ties", "losses", "unreadable")] == [1, 1, 1, 1]


@pytest.mark.usefixtures("token")
def test_pushed_and_loaded(hub: Hub, tmp_path: Path) -> None:
    """What was pushed is what `evaluate.load` finds, in fresh caches, without a token and without codeclm-hf."""
    assert push_metric("me/crr-2") == "me/crr-2"
    before = len(hub.seen)
    expected = CapacityRecovery().compute(predictions=SCORES[0], references=SCORES[1])
    assert loaded("me/crr-2", tmp_path, HF_ENDPOINT=hub.url) == expected
    fetched = [line for line in hub.seen[before:] if line.startswith("GET")]
    assert fetched == [f"GET /spaces/me/crr-2/resolve/main/{name}.py" for name in ("crr-2", "outcomes")]


@pytest.mark.usefixtures("token")
def test_a_push_is_one_commit(hub: Hub) -> None:
    """Four files in one commit, with a card that evaluate's lists find; again, it changes nothing."""
    assert push_metric("crr") == "me/crr"
    repo = hub.repos["spaces", "me/crr"]
    files = repo.files()
    assert set(files) == {".gitattributes", "crr.py", "outcomes.py", "README.md", "index.html"}
    card = files["README.md"].decode()
    assert card_data(card)["sdk"] == "static"
    assert card_data(card)["tags"] == ["evaluate", "metric"]
    assert 'evaluate.load("me/crr")' in card
    assert b'evaluate.load("me/crr")' in files["index.html"]
    push_metric("me/crr")
    assert len(repo.commits) == 2


@pytest.mark.usefixtures("token")
def test_the_cards_example_runs(hub: Hub) -> None:
    """The call that the card shows gives a win, a tie, a loss and what is unreadable; the card names every output."""
    push_metric("me/crr")
    card = hub.repos["spaces", "me/crr"].files()["README.md"].decode()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.S)
    found = eval(code[code.index("metric.compute") :], {"metric": CapacityRecovery()})
    assert [found[name] for name in ("wins", "ties", "losses", "unreadable")] == [1, 1, 1, 1]
    outputs = set(re.findall(r"`(\w+)`", card.split("|---|---|")[1].split("\n\n")[0]))
    assert outputs == set(found)


@pytest.mark.usefixtures("token")
def test_a_space_that_holds_something_else_stays(hub: Hub) -> None:
    """Somebody's app is not written into; a new Space with what the Hub itself puts there is filled."""
    app = hub.add("me/app", {"README.md": b"---\nsdk: gradio\n---\n"}, kind="spaces")
    app.commit({"app.py": b"print()"})
    with pytest.raises(BadInput, match="me/app holds something else"):
        push_metric("me/app")
    assert set(app.files()) == {"README.md", "app.py"}
    new = hub.add("me/new", {"README.md": b"---\nsdk: static\n---\n", "index.html": b""}, kind="spaces")
    push_metric("me/new")
    new.commit({"notes.md": b"mine"})
    push_metric("me/new")
    assert new.files()["notes.md"] == b"mine"
    assert "new.py" in new.files()


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    "repo", ["me/crr.v1", "spaces/me/crr", "http://localhost/spaces/me/crr", "me/outcomes", ""]
)
def test_names_that_evaluate_cannot_import(hub: Hub, repo: str) -> None:
    """A name that is no module's is refused before anything is asked."""
    with pytest.raises(BadInput, match="needs a name such as org/capacity_recovery"):
        push_metric(repo)
    assert hub.seen == []


def test_a_token_that_may_not_write(hub: Hub) -> None:
    """A reader's token, or one for another namespace, makes no Space."""
    hub.users["hf_fine"] = User("me", "fineGrained", (("org", ("repo.write",)),))
    for token in ("hf_read", "hf_fine"):
        with pytest.raises(BadInput, match="needs a token that may write to me/crr"):
            push_metric("me/crr", token=token)
    assert hub.repos == {}
    push_metric("org/crr", token="hf_fine", private=True)
    assert HfApi(token="hf_fine").space_info("org/crr").private


@pytest.mark.usefixtures("token")
def test_somebody_else_commits_at_once(hub: Hub) -> None:
    """A conflict is told as something to do again, and doing so succeeds."""
    hub.script = lambda seen: 412 if "/commit/" in seen.path else None
    with pytest.raises(HubError, match="somebody else commits to me/crr just now; run the same again"):
        push_metric("me/crr")
    hub.script = None
    assert push_metric("me/crr") == "me/crr"
