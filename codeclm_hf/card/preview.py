"""A dataset card as a web page, as the Hub would show it: one file that asks nobody for anything.

A card may come from anyone. Its HTML is cut down to an allow-list like the Hub's, and the page's own policy
forbids scripts and requests besides.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jinja2
import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from codeclm_hf.card import check
from codeclm_hf.text import shorten

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page's Content-Security-Policy."""
MOST_BYTES = 20_000_000
"""Of the pictures in a page, together; those after them are named, not shown."""
MOST_VALUES = 2_000
"""Values of the front matter that are shown: a few lines of YAML can stand for any number."""
DEEPEST = 8
"""Levels of the front matter that are shown."""
DEEPEST_MARKDOWN = 100
"""Levels of the body; markdown-it leaves out what lies deeper, and what follows it."""
MOST_SHOWN = 1_000
"""Characters of a list in the front matter; longer ones are folded."""
MOST_PROBLEMS = 20
MOST_TAGS = 10_000
"""Tags of the card's own HTML; of a card with more the HTML is shown as text, since deep HTML is slow."""
MOST_STYLED = 2_000_000
"""Tags that set words in a style, times what they may be set in; beyond, HTML is shown as text.

HTML has every paragraph after such tags in all of these styles again, if nothing closes them: they fill the
memory.
"""

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_STYLES = frozenset("a b big code em font i nobr s small strike strong tt u".split())
"""The elements that HTML opens again in every paragraph until they are closed."""
ELEMENTS = (
    _HEADINGS
    | (_STYLES - {"big", "font", "nobr", "tt"})
    | frozenset(
        """
    p div center blockquote pre hr br ul ol li dl dt dd table caption thead tbody tfoot tr th td img figure
    figcaption span abbr cite del ins kbd mark q samp sub sup var details summary
    """.split()
    )
)
"""What a card's body may hold; of anything else the text remains, and of scripts and style sheets nothing."""
_ATTRIBUTES = {
    "*": {"align"},
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "th": {"colspan", "rowspan", "style"},
    "td": {"colspan", "rowspan", "style"},
    **{heading: {"id"} for heading in _HEADINGS},
}
_CLASSES = {"blockquote": {"alert", "note", "tip", "important", "warning", "caution"}, "p": {"name"}}
_SET_ATTRIBUTES = {
    "pre": {"tabindex": "0"},
    **{element: {"dir": "auto"} for element in [*_HEADINGS, "p", "li", "th", "td", "summary"]},
}
"""Attributes that all these elements get: code scrolls with the keyboard, text reads in its direction."""
_BOX = '<div class="scroll" tabindex="0" role="region" aria-label="Table">'

_NOT_SHOWN = "data:,"
"""Stands before the address of a picture that may not be shown, so that a browser would ask nobody."""
_FORMATS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
"""The pictures that are shown, by their first bytes."""
_FORCED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, half characters, and marks that force a direction of writing on what follows them."""
_LINK = re.compile(r"https?://|mailto:|#|(?![^/?#]*:|[/\\])", re.I)
_ALIGNED = re.compile("text-align:(left|right|center)")
_CLEAN_TAG = re.compile('<(/?[a-z0-9]+)((?: [a-z-]+="[^"]*")*)>')
"""A tag as nh3 writes it; what looks like one in the value of an attribute is a part of it."""
_ATTRIBUTE = re.compile(' ([a-z-]+)="([^"]*)"')
_RAW_TAG = re.compile("<([a-z]+)", re.I)
_ALERT = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*", re.I)


def html(card: str, *, folder: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return the page; pictures that lie in the folder are in it, all others are named and not asked for.

    Args:
        card: the text of a README.md, which may be anyone's and need not be well-formed.
        folder: where the card lies.
        most_bytes: how large the pictures of the page may be together; those after them are named.
    """
    text, body = check.front_matter_text(card)
    front = check.front_matter_values(card)
    tokens = _markdown.parse(body)
    heading = next(
        (tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"), ""
    )
    page = _page.render(
        policy=POLICY,
        title=shorten(str(front.get("pretty_name") or heading or "A dataset card"), 120),
        problems=check.check(card)[:MOST_PROBLEMS],
        front=_FrontMatter().shorten(front),
        raw=text,
        most=MOST_SHOWN,
        body=Markup(_Body(folder, most_bytes).html(tokens)),
    )
    return _FORCED.sub("\ufffd", page)  # last, since YAML and HTML can write such a character as its number


class _FrontMatter:
    """Cuts the values of a front matter where there are too many of them."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def shorten(self, value: Any, depth: int = 0) -> Any:
        """Return a value as the page shows it: mappings and lists of texts."""
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            return "…"
        if isinstance(value, dict):
            return {str(key): self.shorten(item, depth + 1) for key, item in value.items() if self._left >= 0}
        if isinstance(value, list):
            return [self.shorten(item, depth + 1) for item in value if self._left >= 0]
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)


class _Body:
    """Makes the tokens of a card's body into HTML that may stand in the page."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = os.path.realpath(folder)
        self._left = most_bytes

    def html(self, tokens: Sequence[Token]) -> str:
        """Return the body as harmless HTML, in which every element is closed."""
        _number_headings(tokens)
        if _has_too_much_html(tokens):
            _show_html_as_text(tokens)
        rendered = _markdown.renderer.render(list(_with_alerts(tokens)), _markdown.options, {})
        cleaned = nh3.clean(
            _FORCED.sub("\ufffd", rendered),  # nh3 takes no half characters
            tags=set(ELEMENTS),
            attributes={element: set(names) for element, names in _ATTRIBUTES.items()},
            attribute_filter=self._attribute,
            allowed_classes={element: set(names) for element, names in _CLASSES.items()},
            set_tag_attribute_values=_SET_ATTRIBUTES,
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer",
        )
        return _CLEAN_TAG.sub(self._finish_tag, cleaned)

    def _attribute(self, element: str, name: str, value: str) -> str | None:
        """Return the value that an attribute may have; None takes the attribute away."""
        if name == "href":
            address = re.sub("[\t\n\r]", "", value).strip("".join(map(chr, range(33))))
            return address if _LINK.match(address) else None
        if name == "src":
            return self._picture(value) or _NOT_SHOWN + value
        if name == "style":
            return value if _ALIGNED.fullmatch(value) else None
        return value

    def _finish_tag(self, tag: re.Match[str]) -> str:
        """Return a tag as the page has it: tables in boxes that scroll, words for images it may not show."""
        if tag[1] == "table":
            return _BOX + tag[0]
        if tag[1] == "/table":
            return f"{tag[0]}</div>"
        return _image(tag) if tag[1] == "img" else tag[0]

    def _picture(self, address: str) -> str | None:
        """Return a picture in the folder as a `data:` address; None where there is none that may be shown."""
        try:
            parts = urlsplit(address)
            name = unquote(parts.path)
            path = Path(os.path.realpath(os.path.join(self._folder, name)))
            outside = parts.scheme or name.startswith("/") or "\\" in name or ".." in name.split("/")
            if outside or not path.is_relative_to(self._folder) or not path.is_file():
                return None
            if path.stat().st_size > self._left:
                return None
            data = path.read_bytes()
        except (OSError, ValueError):
            return None
        kind = next((kind for begins, kind in _FORMATS.items() if data.startswith(begins)), None)
        if kind is None or (kind == "webp" and data[8:12] != b"WEBP"):
            return None
        self._left -= len(data)
        return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _image(tag: re.Match[str]) -> str:
    """Return the tag of an image; its words and its address where it may not be shown."""
    attributes = {name: unescape(value) for name, value in _ATTRIBUTE.findall(tag[2])}
    address = attributes.get("src", _NOT_SHOWN)
    if not address.startswith(_NOT_SHOWN):
        return tag[0]
    alt, address = attributes.get("alt", ""), shorten(address.removeprefix(_NOT_SHOWN))
    return f'<span class="picture">{escape(alt)} <code>{escape(address)}</code></span>'


def _number_headings(tokens: Sequence[Token]) -> None:
    """Give every heading what it is linked to by, as GitHub and the Hub do."""
    taken: dict[str, int] = {}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            name = re.sub(r"[^\w\- ]", "", tokens[at + 1].content.lower()).replace(" ", "-")
            taken[name] = taken.get(name, -1) + 1
            token.attrSet("id", f"{name}-{taken[name]}" if taken[name] else name)


def _with_alerts(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens, with an alert for every quote that begins with the name of one, such as [!NOTE]."""
    for at, token in enumerate(tokens):
        name = _alert(tokens[at + 1 : at + 3]) if token.type == "blockquote_open" else None
        if name:
            token.attrSet("class", f"alert {name.lower()}")
        yield token
        if name:
            yield Token("html_block", "", 0, content=f'<p class="name">{name.capitalize()}</p>\n')


def _alert(first: Sequence[Token]) -> str | None:
    """Return the name of an alert, and take it out of the paragraph that its quote begins with."""
    if [token.type for token in first] != ["paragraph_open", "inline"]:
        return None
    children = first[1].children or []
    match = _ALERT.fullmatch(children[0].content) if children and children[0].type == "text" else None
    if match is None or (len(children) > 1 and children[1].type not in ("softbreak", "hardbreak")):
        return None
    first[1].children = children[2:]
    return match[1]


def _html_tokens(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens that are HTML which the card itself has."""
    for token in tokens:
        if token.type in ("html_block", "html_inline"):
            yield token
        yield from _html_tokens(token.children or [])


def _has_too_much_html(tokens: Sequence[Token]) -> bool:
    names = [name.lower() for token in _html_tokens(tokens) for name in _RAW_TAG.findall(token.content)]
    styles = sum(name in _STYLES for name in names)
    return len(names) > MOST_TAGS or styles * (len(names) + len(tokens)) > MOST_STYLED


def _show_html_as_text(tokens: Sequence[Token]) -> None:
    for token in _html_tokens(tokens):
        token.type = "code_block" if token.type == "html_block" else "text"


_markdown = MarkdownIt("commonmark", {"maxNesting": DEEPEST_MARKDOWN, "xhtmlOut": False})
_markdown.enable(["table", "strikethrough"])
_markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # nh3 judges them
_page = jinja2.Environment(
    loader=jinja2.PackageLoader("codeclm_hf.card", ""),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=True,
).get_template("preview.html.jinja")
