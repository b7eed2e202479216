"""The dataset card: front matter in YAML, generated blocks from a template.

What stands outside the generated blocks, and front matter that is not ours, belongs to people: it stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jinja2
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from codeclm_hf.card import blocks, front_matter
from codeclm_hf.card.context import TITLE, CardContext, template_names
from codeclm_hf.card.shapes import TableFiles
from codeclm_hf.card.yaml_nodes import CONSTRUCTOR_ERRORS
from codeclm_hf.errors import BadInput
from codeclm_hf.text import display_name, money, shorten, visible_text

NAME = "PATH_OR_REPO"
"""What a card of a run directory tells people to load."""
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same in C, six times as fast, where PyYAML has it."""
FRONT_MATTER = re.compile(
    r"\A\ufeff?---(?P<begin>[ \t]*)\r?\n(?P<yaml>.*?)^---(?P<end>[ \t]*)(?:\r?\n|\Z)", re.S | re.M
)
"""The front matter of a card between its two lines of ---, with the white space after these."""


def render(
    context: CardContext,
    tables: Mapping[str, TableFiles],
    previous: str = "",
    *,
    template: str | None = None,
    name: str = NAME,
    front: Mapping[str, Any] | None = None,
) -> str:
    """Return the card of a run directory or of a version.

    Args:
        context: what the card shows.
        tables: the files of each table; a table without rows has none, since `load_dataset` cannot load it.
        previous: the card as it was; what people wrote there stays.
        template: the text of a Jinja template to use instead of ours; see `CardContext`.
        name: what `load_dataset` is to be called with.
        front: front matter that was asked for.

    Raises:
        BadInput: the front matter of `previous` cannot be read, or the template cannot be rendered.
    """
    old, body = split_card(previous)
    new = {**front_matter.front_matter(old, context, tables), **(front or {})}
    fresh = blocks.sign(_render_body(template, template_names(context, new, name)))
    values = {key: value for key, value in new.items() if value is not None}
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n{blocks.replace(fresh, body) if previous else chr(10) + fresh}"


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes Unicode's line separators, which PyYAML would read back as other characters."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)


def _render_body(template: str | None, names: Mapping[str, Any]) -> str:
    """Return the body from our template, or from one that somebody gave, as one block if it marks none."""
    if not template:
        return templates.get_template("dataset_card.md.jinja").render(names)
    try:
        text = templates.from_string(template).render(names)
    except Exception as exc:  # whatever an expression raises
        line = _line(exc)
        raise BadInput(
            f"needs a card template that can be rendered; this one cannot{f', line {line}' if line else ''} "
            f"({shorten(str(exc))}); the templates in codeclm_hf/cards show what there is"
        ) from exc
    return text if blocks.has_blocks(text) else blocks.as_block("card", text)


def _line(exc: BaseException) -> int | None:
    """Return the line of a template that an error is about."""
    if isinstance(exc, jinja2.TemplateSyntaxError):
        return exc.lineno
    places, line = exc.__traceback__, None
    while places:
        line = places.tb_lineno if places.tb_frame.f_code.co_filename == "<template>" else line
        places = places.tb_next
    return line


def split_card(card: str) -> tuple[dict[str, Any], str]:
    """Return a card's front matter and its body.

    Raises:
        BadInput: the front matter is no YAML mapping.
    """
    match = FRONT_MATTER.match(card)
    if match is None:
        return {}, card.removeprefix("\ufeff")
    try:
        front = yaml.load(match["yaml"], Loader=_Loader) or {}
        if not isinstance(front, dict):
            raise ValueError(f"it is a {type(front).__name__}")
    except (yaml.YAMLError, *CONSTRUCTOR_ERRORS) as exc:
        words = " ".join(str(exc).split())
        raise BadInput(
            f"needs a card with YAML front matter; the one that is there cannot be read ({words})"
        ) from exc
    return {str(name): value for name, value in front.items()}, card[match.end() :]


def words(card: str) -> str:
    """Return what people wrote in a card: the same text for every card they did not touch."""
    front, body = split_card(card)
    written = [*front_matter.manual_entries(front), blocks.text_outside(body)]
    return str(yaml.safe_dump([*written, *filter(None, [blocks.hand_edits(body)])]))


def escape(text: object) -> str:
    """Return text of a model or a server as one harmless line of Markdown."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+!|&~-])", r"\\\1", line)


def name_line(text: object) -> str:
    """Return a name or a reason as one short, harmless line of what can be seen."""
    return escape(display_name(str(text)))


def fence(text: str) -> str:
    """Return a long text as a fenced block, which it cannot end, without markers of ours."""
    inside = visible_text(text).replace("<!-- codeclm-hf:", "<!-- codeclm-hf ").strip("\n")
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", inside)), default=0))
    return f"{marks}text\n{inside}\n{marks}"


def code_span(text: object) -> str:
    """Return text of a model or of others as code within a line, which it cannot end, without markers of ours."""
    line = shorten(str(text)).replace("<!-- codeclm-hf:", "<!-- codeclm-hf ")
    marks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{marks} {line} {marks}"


def _finalize(value: object) -> object:
    """Return what an expression becomes: text is escaped unless a filter of ours made it harmless."""
    return value if isinstance(value, (Markup, int, float)) else escape(value)


templates = ImmutableSandboxedEnvironment(  # a template may come from a stranger's version
    loader=jinja2.PackageLoader("codeclm_hf.cards", ""),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # that is for HTML; `finalize` escapes for Markdown
    finalize=_finalize,
)
"""The cards' templates, with filters that make text of a model harmless."""
templates.filters |= {
    "named": lambda text: Markup(name_line(text)),
    "fenced": lambda text: Markup(fence(text)),
    "coded": lambda text: Markup(code_span(text)),
    "money": lambda amount: Markup(money(amount)),
    "quoted": lambda text: Markup(json.dumps(text, ensure_ascii=False)),
}
PLAIN = words(TITLE)
"""What people wrote in a card that they did not touch."""
