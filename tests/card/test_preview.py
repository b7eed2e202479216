"""A card as a page: what it shows, and that nothing in a card gets further than its text."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.card import preview
from support.hostile_card import HOSTILE, png
from support.run_directories import run_directory_of

HERE = Path(__file__).parent


class Page(HTMLParser):
    """The elements and the text of a page, as a browser finds them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("br", "hr", "img", "meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] != ["style"] else ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def page_of(card: str, folder: Path = HERE) -> Page:
    return Page(preview.html(card, folder=folder))


def body_of(card: str, folder: Path = HERE) -> str:
    """What the page shows of a card's body."""
    found = re.search(
        "<main>\n(.*)\n</main>", preview.html(f"---\nlicense: mit\n---\n{card}", folder=folder), re.S
    )
    assert found
    return found[1]


MAY = set("""
    html head meta title link style body div main section h1 h2 h3 h4 h5 h6 p ul ol li table thead tbody tr th td a img
    span code pre em strong s hr br blockquote details summary
    b i u small strike kbd q sub sup var samp mark ins del cite abbr center caption tfoot dl dt dd figure figcaption
""".split())  # fmt: skip
ATTRIBUTES = set("""
    lang charset http-equiv content name rel href class aria-label scope dir tabindex role id title src alt style start
    align width height colspan rowspan
""".split())  # fmt: skip


def harmless(html: str) -> Page:
    """The page, of which nothing can run, load or lead anywhere else than a link may."""
    page = Page(html)
    assert page.open == []
    for tag, attrs in page.elements:
        assert tag in MAY, tag
        assert set(attrs) <= ATTRIBUTES, attrs
        assert attrs.get("style") in (None, "text-align:left", "text-align:right", "text-align:center")
    for link in page.all("a"):
        assert re.match(r"https?://|mailto:|(?![^/]*:|[/\\])", link.get("href") or ""), link
        assert not re.match(r"[\x00-\x20]", link.get("href") or ""), link
        assert link["rel"] == "noopener noreferrer"
    assert all((picture["src"] or "").startswith("data:image/") for picture in page.all("img"))
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    policies = [meta["content"] or "" for meta in page.all("meta") if meta.get("http-equiv")]
    assert [policy.split("; base-uri")[0] for policy in policies] == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    ]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\ud800-\udfff]", html)
    html.encode()
    return page


def test_our_card_is_shown(tmp_path: Path) -> None:
    """The card of a run: its title, its front matter as a table, its tables, its code, and none of its comments."""
    run = run_directory_of(tmp_path, ["one", "two"])
    card = (run / "README.md").read_text(encoding="utf-8")
    html = preview.html(card, folder=run)
    page = harmless(html)
    assert "<title>Instructions tailored to model-a-small</title>" in html
    assert "codeclm-hf:begin" not in html
    assert "The front matter has" not in html
    assert '<th scope="row" dir="auto">task_categories</th>' in html
    for words in (
        "machine-generated",
        "config_name",
        "How it was made",
        "load_dataset(",
        "2 instruction–response pairs",
    ):
        assert words in page.text, words
    assert html.count('<div class="scroll"') == card.count("\n|---") > 0
    assert '<td style="text-align:right" dir="auto">2</td>' in html


def test_markdown_is_githubs() -> None:
    """Tables, struck text, alerts, fold-outs, headings to link to."""
    assert "<s>gone</s>" in body_of("~~gone~~")
    assert '<h2 id="how-it-was-made-1" dir="auto">How it was made!</h2>' in body_of(
        "## How it was made\n## How it was made!"
    )
    alert = body_of("> [!WARNING]\n> Nothing to *train* on.\n>\n> Really.")
    assert '<blockquote class="alert warning">' in alert
    assert '<p class="name" dir="auto">Warning</p>' in alert
    assert '<p dir="auto">Nothing to <em>train</em> on.</p>' in alert
    assert "[!" not in alert
    assert "alert" not in body_of("> [!WARNING] in a line\n\n> [!NEWS]\n> none\n\n>\n\n> - [!NOTE]")
    fold = body_of("<details>\n<summary>More &amp; more</summary>\n\n**bold**\n\n</details>\n")
    assert fold == (
        '<details>\n<summary dir="auto">More &amp; more</summary>\n'
        '<p dir="auto"><strong>bold</strong></p>\n</details>\n'
    )


def test_harmless_html_is_shown() -> None:
    """Of HTML that the Hub shows, words, tables and pictures are there; comments, and what could act, are not."""
    assert body_of("a<br>b<br />c <!-- d --> e") == '<p dir="auto">a<br>b<br>c  e</p>\n'
    assert body_of("<!-- a\n\nb -->") == ""
    assert body_of("<!-- never closed\n\n# x") == ""
    assert body_of("<b onclick=x class=y>x</b>") == '<p dir="auto"><b>x</b></p>\n'
    assert (
        body_of("<div align=center style='position:fixed'>\nx\n</div>") == '<div align="center">\nx\n</div>'
    )
    assert body_of("<script>x</script>\n\n<style>y</style>\n\n<iframe src=z></iframe>").strip() == ""
    assert "onclick" not in body_of("<details onclick=x>\n\n<details/>\n\n< details>")
    table = body_of("<table><tr><td colspan=2 style='text-align:right;color:red'>x</table>")
    assert table == (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><tbody><tr>'
        '<td colspan="2" dir="auto">x</td></tr></tbody></table></div>'
    )


def test_pictures_in_html_are_treated_like_others(tmp_path: Path) -> None:
    """One of the folder is in the page; of another there are its words and its address."""
    (tmp_path / "a.png").write_bytes(png())
    page = page_of(
        "<img src='a.png' width=100 onerror=x alt=one> <img src='http://e/x.png' alt='two>'>", tmp_path
    )
    (picture,) = page.all("img")
    assert picture["src"] == f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    assert set(picture) == {"src", "width", "alt"}
    assert "two> http://e/x.png" in page.text
    assert page_of('<img src="data:image/svg+xml,<svg/onload=x>"><img>', tmp_path).all("img") == []


@pytest.mark.parametrize(
    "card",
    [
        "![<table onmouseover=alert(1)>](x)",
        '<a title="<table onmouseover=x>" href=LICENSE>q</a>',
        '<a title="<img src=&quot;http://e/x.png&quot;>" href=LICENSE>q</a>',
        '<td title="</table>">x <img alt="</table><img src=http://a/b onerror=x>" src=q>',
        '<a href=" //evil.example">x</a><a href="&#1;//e">y</a><a href="\t/\n/e">z</a>',
    ],
)
def test_what_looks_like_a_tag_in_an_attribute_is_none(card: str) -> None:
    """Tables and pictures are finished after the cleaning, which must not open an attribute again."""
    page = harmless(preview.html(card, folder=HERE))
    assert {name for _, attrs in page.elements for name in attrs if name.startswith("on")} == set()
    assert not any(link.get("href") for link in page.all("a") if link.get("href") != "LICENSE")


@pytest.mark.parametrize(
    "card",
    [
        "<div>" * 20_000,
        "<p>" + "".join(f"<b title={n}>" for n in range(2_000)) + "\n\nx" * 2_000,
        "<b>x</b>\n\n" * 5_000,
    ],
    ids=["deep", "styles", "long"],
)
def test_html_that_would_take_long_is_shown_as_text(card: str) -> None:
    """HTML that is too deep, or has too many styles open, stands there as it was written."""
    html = body_of(card)
    assert len(html) < 40 * len(card)
    assert "&lt;div&gt;" in html or "&lt;b" in html


@pytest.mark.parametrize(
    ("card", "shape"),
    [
        ("<details>\n\nx", "<details><p></p></details>"),
        ("</details>\n\nx", "<p></p>"),
        ("> <details>\n>\n> x\n\ny", "<blockquote><details><p></p></details></blockquote><p></p>"),
        ("<details>\n\n> </details>\n\n</details>", "<details><blockquote></blockquote></details>"),
        ("- <details>\n\n  x\n- y", "<ul><li><details><p></p></details></li><li><p></p></li></ul>"),
        ("<details><details></details>", "<details><details></details></details>"),
    ],
)
def test_fold_outs_stand_in_pairs(card: str, shape: str) -> None:
    """One that is never closed ends where what holds it ends; an end of none is nothing."""
    assert "".join(re.findall("</?[a-z]+", body_of(card))).replace("<", " <").split() == re.findall(
        "</?[a-z]+", shape
    )


def test_links_lead_to_the_web_and_into_the_folder_only() -> None:
    """What is neither a web address, a mail, a place in the page nor one in the folder is left as its text."""
    page = harmless(preview.html(HOSTILE, folder=HERE))
    assert [link["href"] for link in page.all("a") if "href" in link] == [
        "https://huggingface.co", "#a-heading", "LICENSE", "mailto:a@b.c"
    ]  # fmt: skip
    for words in ("one", "two", "three", "four", "five", "seven", "eight", "nine", "ten"):
        assert re.search(rf"{words}[,.]", page.text), words


def test_a_hostile_card_is_harmless() -> None:
    """Scripts, handlers and addresses that lead elsewhere are gone; what is not HTML comes out as text."""
    html = preview.html(HOSTILE, folder=HERE)
    page = harmless(html)
    assert page.all("img") == []
    in_front_matter, in_words_of_a_link, in_a_picture, in_code = {1, 2, 3}, {15}, {17}, {20}
    said = {number for number in range(1, 23) if f"alert({number})" in page.text}
    assert said == in_front_matter | in_words_of_a_link | in_a_picture | in_code
    assert "<b>bold</b>, <br>a break" in html
    assert "</title><script>" in page.text
    assert "http://evil.example/remote.png" in page.text
    assert "did you mean apache-2.0?" in page.text
    assert page.text.count("deep") == 2
    assert "never closed" in page.text


def test_pictures_of_the_folder_are_in_the_page(tmp_path: Path) -> None:
    """A relative picture becomes part of the page, with its words; PNG, JPEG, GIF and WebP are known by their bytes."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a b.png").write_bytes(png())
    for name, data in {"j": b"\xff\xd8\xff\xe0", "g": b"GIF89a", "w": b"RIFF0000WEBPVP8 "}.items():
        (tmp_path / name).write_bytes(data)
    card = (
        '![A *bar* "chart"](figures/a%20b.png?raw=true#x) ![j](j) ![g](./g) ![w](figures/nothing/w) ![w](w)'
    )
    pictures = page_of(card, tmp_path).all("img")
    assert pictures[0] == {
        "src": f"data:image/png;base64,{base64.b64encode(png()).decode()}", "alt": 'A bar "chart"'
    }  # fmt: skip
    assert [(picture["src"] or "").split(";")[0] for picture in pictures[1:]] == [
        "data:image/jpeg", "data:image/gif", "data:image/webp"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "../secret.png", "figures/../../secret.png", "figures/../inside.png", "file:inside.png",
        "//a.example/inside.png", "%2e%2e/secret.png", "link.png", "linked/secret.png",
        "/{root}/secret.png", "file:///{root}/secret.png", "..\\secret.png", "figures\\..\\..\\secret.png",
        "http://a.example/x.png", "//a.example/x", "http://[", "data:image/png;base64,AAAA", "missing.png", "text.png",
        "riff.webp", "figures", "", "loop", "a%00b", "x" * 5000,
    ],
)  # fmt: skip
def test_other_pictures_are_named_and_not_shown(tmp_path: Path, address: str) -> None:
    """What is remote, outside of the folder, missing or no picture stands there in words."""
    folder = tmp_path / "card"
    (folder / "figures").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(png())
    (folder / "inside.png").write_bytes(png())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "text.png").write_text("no picture")
    (folder / "riff.webp").write_bytes(b"RIFF0000WAVE")
    page = harmless(
        preview.html(f"![the words](<{address.replace('{root}', str(tmp_path))}>)", folder=folder)
    )
    assert page.all("img") == []
    assert "the words" in page.text


def test_a_picture_behind_a_link_inside_the_folder_is_shown(tmp_path: Path) -> None:
    """A link that stays in the folder, and a folder that is itself a link, are as good as the thing."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(png())
    (tmp_path / "real" / "b.png").symlink_to("a.png")
    (tmp_path / "card").symlink_to("real")
    assert len(page_of("![a](a.png) ![b](b.png)", tmp_path / "card").all("img")) == 2


def test_pictures_fill_a_page_to_a_limit(tmp_path: Path) -> None:
    """The pictures of a page are no more bytes together than the limit; those after them are named."""
    (tmp_path / "a.png").write_bytes(png())
    card = "![1](a.png) ![2](a.png) ![3](a.png)"
    page = Page(preview.html(card, folder=tmp_path, most_bytes=2 * len(png()) + 1))
    assert [picture["alt"] for picture in page.all("img")] == ["1", "2"]
    assert "3" in page.text


def test_front_matter_that_cannot_be_read_is_shown_as_it_is() -> None:
    """With what is wrong and where; and the body is shown all the same."""
    page = page_of("---\na: [<b>\n---\n# The body\n")
    assert "The front matter has a problem" in page.text
    assert "line 3: needs YAML" in page.text
    assert "a: [<b>" in page.text
    assert "The body" in page.text
    assert "needs front matter" in page_of("# The body").text


def test_front_matter_that_stands_for_too_much_is_cut() -> None:
    """A few lines of YAML can stand for any number of values, and for a circle; the page stays small."""
    lines = [
        "a: &x0 [1, 2, 3]",
        *(f"a{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 10)),
        "b: &b [*b]",
    ]
    for order in (lines, lines[::-1]):
        html = preview.html("\n".join(["---", *order, "---", "The body"]), folder=HERE)
        assert len(html) < 300_000
        assert "The body" in Page(html).text
    doubled = [f"a{n}: &x{n} {{<<: [*x{n - 1}, *x{n - 1}]}}" for n in range(1, 60)]
    assert "The body" in page_of("\n".join(["---", "a: &x0 {x: 1}", *doubled, "---", "The body"])).text


def test_values_are_shown_as_yaml_writes_them() -> None:
    """Lists as chips, mappings as tables, true and false and nothing as such."""
    html = preview.html(
        "---\nviewer: false\nx: null\nn: 0\none: 1\nd: 2024-01-01\nm: {k: [v]}\n---\n", folder=HERE
    )
    cells = re.findall(r'<th scope="row" dir="auto">(\w+)</th><td dir="auto">(.*?)</td>', html, re.S)
    assert [(name, value.strip()) for name, value in cells[:5]] == [
        ("viewer", "false"), ("x", ""), ("n", "0"), ("one", "1"), ("d", "2024-01-01")
    ]  # fmt: skip
    assert '<ul class="chips">' in html


def test_a_page_is_named_after_its_card() -> None:
    """By `pretty_name`, else by the first heading."""
    assert "<title>A &amp; B</title>" in preview.html("---\npretty_name: A & B\n---\n# C", folder=HERE)
    assert "<title>C</title>" in preview.html("text\n\n## C", folder=HERE)
    assert "<title>A dataset card</title>" in preview.html("", folder=HERE)


PIECES = st.sampled_from([
    "<details>", "</details>", "<summary>", "</summary>", "<br>", "<!--", "-->", "<script>", "</script>", "<a href='",
    "'>", "> ", "- ", "  ", "\n", "\n\n", "# ", "```", "`", "| a | b |\n|---|---|\n", "|", "[x](", "![x](", ")",
    "&#x6a;", "javascript:", "[!NOTE]", "[", "]", "<", ">", '"', "&", "\\", "http://", "\u202e", "\x00", "\ud800",
    "---\n", "a: ", "*", "~~", "\t", "1. ",
])  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join))
def test_any_card_is_harmless(card: str) -> None:
    """Whatever a card holds, the page is whole and has nothing but what this program makes."""
    harmless(preview.html(card, folder=HERE))
    harmless(preview.html(f"---\nx: {card}\n---\n{card}", folder=HERE))
