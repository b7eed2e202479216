"""The checks of the project, each in an environment of its own: `nox -f .ci/noxfile.py -s lint`, and so on.

`.ci/run` calls them one after the other; `.github/workflows/ci.yml` calls them beside each other.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
TESTS = ("pytest", "-q", "-n", "2", "--dist", "worksteal")

nox.options.default_venv_backend = "uv"
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]


@nox.session
def lint(session: nox.Session) -> None:
    """Lint, formatting and spelling."""
    session.chdir(ROOT)
    session.install(*_of_extra("dev", "ruff", "codespell"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly: of the package, of the builders, and of a program that uses every public name."""
    session.chdir(ROOT)
    session.install("-e", ".[tgi,local,test]", *_of_extra("dev", "mypy", "types-jsonschema", "types-pyyaml"))
    session.run("mypy")
    session.run("mypy", "builders")


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """All tests, with text-generation and what it pins; arguments behind `--` go to pytest."""
    session.chdir(ROOT)
    session.install("-e", ".[tgi,local,test]")
    session.run(*TESTS, *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel into `dist/`, and use it where nothing of the source is in reach."""
    session.chdir(ROOT)
    for folder in (DIST, ROOT / "build"):  # setuptools packs what an older build left
        shutil.rmtree(folder, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--wheel", "--out-dir", str(DIST), external=True)
    session.install(str(_built(session)))
    session.chdir(session.create_tmp())
    session.run("codeclm-hf", "--help", silent=True)
    session.run("python", "-c", "import codeclm_hf.builders, codeclm_hf.cards")


@nox.session
def stack(session: nox.Session) -> None:
    """The tests of what other libraries do, with the newest of them, without text-generation, on the built wheel."""
    session.chdir(ROOT)
    session.install(f"{_built(session)}[local,test]")
    _show_versions(session, "datasets", "huggingface-hub", "transformers", "evaluate")
    session.run(*TESTS, "-m", "stack", *session.posargs)


@nox.session
def train(session: nox.Session) -> None:
    """TRL trains on what is published, on the CPU."""
    session.chdir(ROOT)
    # torch at the version that these tests were written with, so that how long this takes is known
    session.install(f"{_built(session)}[test,train]", "torch==2.13.0")
    _show_versions(session, "trl", "torch", "accelerate", "datasets", "transformers")
    output = session.run("pytest", "-q", "-m", "train", "tests/exports", *session.posargs, silent=True)
    print(output)
    if "skipped" in str(output):
        session.error("a test with TRL was skipped")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the manual as a site; a link that leads nowhere is an error."""
    session.chdir(ROOT)
    session.install("-e", ".[docs]")
    session.run("zensical", "build", "--clean", "--strict")


@nox.session
def demo(session: nox.Session) -> None:
    """The README's demo command as it is written, in a fresh clone; every row that it accepted has a reason."""
    session.chdir(ROOT)
    clone = Path(session.create_tmp(), "clone").resolve()
    shutil.rmtree(clone, ignore_errors=True)
    session.run("git", "clone", "--quiet", str(ROOT), str(clone), external=True)
    session.chdir(clone)
    session.run("bash", "-euo", "pipefail", "-c", _command_of_readme("run the demo"), external=True)
    session.run(".venv/bin/python", "-c", _CHECK_OF_DEMO, external=True)


_CHECK_OF_DEMO = """
from datasets import load_dataset

default = load_dataset("codeclm-demo", "default", split="train")
trace = {row["id"]: row for row in load_dataset("codeclm-demo", "trace", split="train")}
assert len(default) >= 1, "the demo accepted nothing"
for row in default:
    assert trace[row["id"]]["verdict"] == f"accept_{row['winner']}", row["id"]
print(f"the demo accepted {len(default)} rows; verdicts: {sorted(row['verdict'] for row in trace.values())}")
"""


def _command_of_readme(comment: str) -> str:
    """The block of the README that begins with this comment."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```bash\n# {comment}\n(.*?)^```", text, re.M | re.S)
    return str(block)


def _of_extra(extra: str, *names: str) -> list[str]:
    """The requirements of an extra that have these names, as pyproject.toml writes them."""
    project = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
    wanted = project["optional-dependencies"][extra]
    return [line for line in wanted if re.split(r"[^\w-]", line)[0] in names]


def _built(session: nox.Session) -> Path:
    """The wheel that the session `wheel` left."""
    wheels = [*DIST.glob("*.whl")]
    if len(wheels) != 1:
        session.error(
            f"needs one wheel in dist/, found {len(wheels)}; run `nox -f .ci/noxfile.py -s wheel` first"
        )
    return wheels[0]


def _show_versions(session: nox.Session, *names: str) -> None:
    code = f"from importlib.metadata import version\nfor name in {names}: print(name, version(name))"
    session.run("python", "-c", code)
