"""A dataset card as a web page, as the Hub would show it: one file that asks nobody for anything.

A card may come from anyone: nothing in it becomes HTML but what is made here, and the page's own policy forbids scripts
and requests.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jinja2
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from codeclm_hf.card import check
from codeclm_hf.text import shorten

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page's Content-Security-Policy."""
MOST_BYTES = 20_000_000
"""Of the pictures in a page, together; those after them are named, not shown."""
MOST_VALUES = 2_000
"""Values of the front matter that are shown: a few lines of YAML can stand for any number."""
DEEPEST = 8
"""Levels of it that are shown."""
DEEPEST_MARKDOWN = 100
"""Levels of the body; markdown-it leaves out what lies deeper, and what follows it."""
MOST_SHOWN = 1_000
"""Characters of a list in the front matter; longer ones are folded."""
MOST_PROBLEMS = 20
_FORMATS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
"""The pictures that are shown, by their first bytes."""
_FORCED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, half characters, and marks that force a direction of writing on what follows them."""
_LINK = re.compile(r"https?://|mailto:|#|(?![^/?#]*:|[/\\])", re.I)
_FOLD = re.compile(r"<(/?details)>|<summary>((?:(?!</?summary>).)*)</summary>|<(br)\s*/?>", re.S | re.I)
_ALERT = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*", re.I)


def html(card: str, *, folder: Path) -> str:
    """The page; pictures that lie in `folder` are in it, all others are named and not asked for.

    Args:
        card: the text of a README.md, which may be anyone's and need not be well-formed.
        folder: where the card lies.
    """
    raw, body = check.front_matter_text(card)
    front = check.front_matter_values(card)
    tokens = _markdown.parse(body)
    heading = next(
        (tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"), ""
    )
    within = {"folder": folder, "left": MOST_BYTES}
    page = _page.render(
        policy=POLICY,
        title=shorten(str(front.get("pretty_name") or heading or "A dataset card"), 120),
        problems=check.check(card)[:MOST_PROBLEMS],
        front=_shown(front, [MOST_VALUES]),
        raw=raw,
        most=MOST_SHOWN,
        body=Markup(
            _markdown.renderer.render(list(_mended(tokens)), _markdown.options, within)
        ),  # all escaped there
    )
    return _FORCED.sub("\ufffd", page)  # last, since YAML and HTML can write such a character as its number


def _shown(value: Any, left: list[int], depth: int = 0) -> Any:
    """A value of the front matter, cut where there is too much of it."""
    left[0] -= 1
    if left[0] < 0 or depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {str(name): _shown(inner, left, depth + 1) for name, inner in value.items() if left[0] >= 0}
    if isinstance(value, list):
        return [_shown(inner, left, depth + 1) for inner in value if left[0] >= 0]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _mended(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens with fold-outs in pairs, alerts, headings that can be linked to, and no links but harmless ones."""
    folds: list[int] = []
    anchors: dict[str, int] = {}
    for at, token in enumerate(tokens):
        while folds and token.level < folds[-1]:  # what holds the fold-out ends
            folds.pop()
            yield _made("</details>")
        if token.type == "html_block":
            yield _made("".join(_folded(token, folds)))
            continue
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[at + 1].content, anchors))
        if token.type in ("paragraph_open", "heading_open", "list_item_open", "td_open", "th_open"):
            token.attrSet("dir", "auto")
        alert = _alert(tokens[at + 1 : at + 3]) if token.type == "blockquote_open" else None
        if alert:
            token.attrSet("class", f"alert {alert.lower()}")
        _disarm(token.children or [])
        yield token
        if alert:
            yield _made(f'<p class="name">{alert.capitalize()}</p>\n')
    yield from (_made("</details>") for _ in folds)


def _made(html: str) -> Token:
    return Token("made_here", "", 0, content=html)


def _folded(token: Token, folds: list[int]) -> Iterator[str]:
    """An HTML block: fold-outs and line breaks as such, comments as nothing, the rest as text."""
    text, end = _uncommented(token.content), 0
    for match in _FOLD.finditer(text):
        yield _source(text[end : match.start()])
        end = match.end()
        inside = folds[-1:] == [token.level]
        if match[3]:
            yield "<br>"
        elif match[1] and match[1][0] != "/":
            folds.append(token.level)
            yield "<details>"
        elif match[1] and inside:
            folds.pop()
            yield "</details>\n"
        elif match[2] is not None and inside:
            yield f'<summary dir="auto">{escape(unescape(match[2].strip()))}</summary>\n'
        else:
            yield _source(match[0])
    yield _source(text[end:])


def _uncommented(text: str) -> str:
    kept, at = "", 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept, at = kept + text[at:start], end + 3
    return kept + text[at:]


def _source(text: str) -> str:
    """HTML that is not passed on, as it was written."""
    kind = ' class="raw"' if "<" in text else ""
    return f'<p{kind} dir="auto">{escape(text.strip())}</p>\n' if text.strip() else ""


def _anchor(heading: str, taken: dict[str, int]) -> str:
    """What a heading is linked to by, as GitHub and the Hub make it."""
    name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    taken[name] = taken.get(name, -1) + 1
    return f"{name}-{taken[name]}" if taken[name] else name


def _alert(first: Sequence[Token]) -> str | None:
    """The name of an alert, which is taken out of the paragraph that its quote begins with."""
    if [token.type for token in first] != ["paragraph_open", "inline"]:
        return None
    children = first[1].children or []
    match = _ALERT.fullmatch(children[0].content) if children and children[0].type == "text" else None
    if match is None or (len(children) > 1 and children[1].type not in ("softbreak", "hardbreak")):
        return None
    first[1].children = children[2:]
    return match[1]


def _disarm(children: Sequence[Token]) -> None:
    """Leave the text alone of links that lead anywhere but to the web, a mail, or a place in the folder."""
    harmless = True
    for child in children:
        if child.type == "link_open":
            harmless = _LINK.match(str(child.attrGet("href") or "")) is not None
            child.attrSet("rel", "noopener noreferrer")
        if child.type in ("link_open", "link_close") and not harmless:
            child.tag, child.attrs = "span", {}


def _picture(address: str, within: EnvType) -> str | None:
    """A picture in the folder as a `data:` address; None where there is none that may be shown."""
    try:
        parts = urlsplit(address)
        name, root = unquote(parts.path), os.path.realpath(within["folder"])
        path = Path(os.path.realpath(os.path.join(root, name)))
        outside = parts.scheme or name.startswith("/") or "\\" in name or ".." in name.split("/")
        if (
            outside
            or not path.is_relative_to(root)
            or not path.is_file()
            or path.stat().st_size > within["left"]
        ):
            return None
        data = path.read_bytes()
    except (OSError, ValueError):
        return None
    kind = next((kind for begins, kind in _FORMATS.items() if data.startswith(begins)), None)
    if kind is None or (kind == "webp" and data[8:12] != b"WEBP"):
        return None
    within["left"] -= len(data)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


class _Body(RendererHTML):
    """How tokens become HTML: raw HTML as text, tables and code in boxes that scroll by themselves."""

    def made_here(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return tokens[idx].content

    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _source(tokens[idx].content)

    def html_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        text = tokens[idx].content
        return (
            "<br>"
            if re.fullmatch(r"<br\s*/?>", text, re.I)
            else ""
            if text.startswith("<!--")
            else escape(text)
        )

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        alt = escape(self.renderInlineAsText(tokens[idx].children, options, env))
        address = str(tokens[idx].attrGet("src") or "")
        shown = _picture(address, env)
        if shown:
            return f'<img src="{shown}" alt="{alt}">'
        return f'<span class="picture">{alt} <code>{escape(shorten(address))}</code></span>'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<pre tabindex="0"><code>{escape(tokens[idx].content)}</code></pre>\n'

    code_block = fence


_markdown = MarkdownIt("commonmark", {"maxNesting": DEEPEST_MARKDOWN, "xhtmlOut": False}, renderer_cls=_Body)
_markdown.enable(["table", "strikethrough"])
_markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # _disarm and _picture judge them
_page = jinja2.Environment(
    loader=jinja2.PackageLoader("codeclm_hf.card", ""),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=True,
).get_template("preview.html.jinja")
