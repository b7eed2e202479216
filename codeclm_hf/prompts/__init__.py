"""The prompts, one file a stage, replaceable by the caller.

A prompt file is split into turns at its `--- user` and `--- assistant` lines *before* anything is filled in,
so no seed, instruction or answer can open a turn of its own. No system turn: several chat templates refuse
one.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta

from codeclm_hf import ids
from codeclm_hf.endpoints.protocol import Message
from codeclm_hf.errors import BadInput

VARIABLES = {
    "encode": {"instruction", "use_cases", "skills"},
    "check_metadata": {"use_case", "skills"},
    "rubrics": {"use_case", "skills", "n"},
    "decode": {"use_case", "skills", "n"},
    "improve": {"instruction", "action"},
    "judge": {"instruction", "first", "second", "fence"},
    "compare": {"instruction", "first", "second", "fence"},
}
"""The prompts by name, with the variables that a stage fills into each."""
RUN_PROMPTS = ("encode", "rubrics", "decode", "improve", "judge")
"""The prompts that shape every data set; `check_metadata` shapes one where that is asked for, and `compare` none."""
_TURN = re.compile(r"^--- (user|assistant)[ \t]*$", re.M)
_jinja = jinja2.Environment(
    undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)


@dataclass(frozen=True)
class Prompt:
    """A chat of Jinja templates.

    Raises:
        BadInput: the text has no turns, or a turn is no template.
    """

    name: str
    """A name in `VARIABLES`."""
    text: str
    """The turns, each after a line `--- user` or `--- assistant`."""

    def __post_init__(self) -> None:
        if not _turns(self.text):
            raise BadInput(
                f"needs a line `--- user` before the text of the prompt `{self.name}`; it has none"
            )
        for _, template in _turns(self.text):
            try:
                used = _used(template)
            except jinja2.TemplateSyntaxError as exc:
                raise BadInput(f"needs a Jinja template in the prompt `{self.name}`; {exc}") from exc
            if unknown := used - VARIABLES[self.name]:
                variables = ", ".join(sorted(VARIABLES[self.name]))
                raise BadInput(
                    f"the prompt `{self.name}` uses {', '.join(sorted(unknown))}; its stage gives {variables}"
                )

    def messages(self, **values: Any) -> tuple[Message, ...]:
        """Return the chat with these values filled in.

        Raises:
            BadInput: the template cannot be filled in.
        """
        try:
            return tuple(
                Message(role, _compiled(template).render(values).strip())
                for role, template in _turns(self.text)
            )
        except (jinja2.TemplateError, TypeError) as exc:
            raise BadInput(f"the prompt `{self.name}` cannot be filled in ({exc})") from exc

    @property
    def hash(self) -> str:
        """The text's hash in a manifest, 16 hexadecimal digits."""
        return ids.row_id(self.text)


@functools.lru_cache
def _turns(text: str) -> list[tuple[str, str]]:
    _, *parts = _TURN.split(text)
    return list(zip(parts[::2], parts[1::2], strict=True))


@functools.lru_cache
def _used(template: str) -> set[str]:
    return jinja2.meta.find_undeclared_variables(_jinja.parse(template))


@functools.lru_cache
def _compiled(template: str) -> jinja2.Template:
    return _jinja.from_string(template)


def load(name: str, folder: str | Path | None = None) -> Prompt:
    """Return a prompt by name: the caller's `NAME.jinja`, where the folder has one, else ours.

    Raises:
        BadInput: the caller's file is no prompt.
    """
    if folder is not None and (path := Path(folder) / f"{name}.jinja").is_file():
        try:
            return Prompt(name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as exc:
            raise BadInput(f"needs a prompt in UTF-8; {path} cannot be read ({exc})") from exc
    return Prompt(name, (resources.files(__name__) / f"{name}.jinja").read_text(encoding="utf-8"))


def check(folder: str | Path | None) -> None:
    """Raise an error for a prompt that cannot be used, before anything is asked.

    Raises:
        BadInput: a file of the caller's is no prompt, or is none that a stage uses.
    """
    for path in sorted(Path(folder).glob("*.jinja")) if folder is not None else ():
        if path.stem not in VARIABLES:
            raise BadInput(
                f"needs prompts named {', '.join(f'{name}.jinja' for name in VARIABLES)}; "
                f"{path} is none of them"
            )
    for name in VARIABLES:
        load(name, folder)
