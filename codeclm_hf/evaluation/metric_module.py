"""The metric as a module of files that `evaluate.load` takes from a Space on the Hub, without codeclm-hf."""

from __future__ import annotations

import re
from importlib import resources

import jinja2

from codeclm_hf.errors import BadInput

STATISTICS = "outcomes.py"
"""The file beside the metric that it imports; a Space that has it is one of ours."""
_METRIC = "capacity_recovery.py"
_PAGE = (
    '<!doctype html><meta charset="utf-8"><title>Capacity Recovery Ratio</title>'
    '<pre>evaluate.load("{}")</pre>\n'
)


def check_module_name(repo: str) -> None:
    """Check that `evaluate` can load a module from a Space of this name.

    Raises:
        BadInput: it cannot, because a Python module cannot be called so.
    """
    if not re.fullmatch(r"([\w-]+/)?[\w-]+", repo) or f"{repo.rpartition('/')[2]}.py" == STATISTICS:
        raise BadInput(
            "needs a name such as org/capacity_recovery, of letters, digits, - and _, because evaluate "
            f"imports a module of that name; came {repo!r}"
        )


def module_files(repo: str) -> dict[str, bytes]:
    """Return the content of each file of the module, by its name in the Space.

    Args:
        repo: `org/name` of the Space.
    """
    sources = resources.files("codeclm_hf.evaluation")
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("codeclm_hf.cards", ""),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # the name was checked, and Markdown is no HTML
    )
    return {
        # evaluate asks for the module by the repository's name
        f"{repo.rpartition('/')[2]}.py": (sources / _METRIC).read_bytes(),
        STATISTICS: (sources / STATISTICS).read_bytes(),
        "README.md": templates.get_template("metric_card.md.jinja").render(repo=repo).encode(),
        "index.html": _PAGE.format(repo).encode(),
    }
