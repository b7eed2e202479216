"""No token stands here: each is put together when the tests run, so that scanners of the repository stay quiet."""

from __future__ import annotations

import base64
import functools
import json
import operator
import random
import string
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import schema
from codeclm_hf.safety.scan import IDENTIFIERS, MOST_SHOWN, CleanTexts, ScanReport, redact, scan, scan_text
from codeclm_hf.safety.secrets import find_secrets

DRAW = random.Random(7)
LETTERS = string.ascii_letters
WORD = LETTERS + string.digits
BASE32 = string.ascii_uppercase + "234567"


def draw(length: int, alphabet: str = WORD) -> str:
    return "".join(DRAW.choice(alphabet) for _ in range(length))


def web_token(claims: dict[str, Any]) -> str:
    texts = [json.dumps(one).encode() for one in ({"alg": "HS256"}, claims)]
    parts = [base64.urlsafe_b64encode(text).decode().rstrip("=") for text in texts]
    return ".".join([*parts, draw(43)])


def private_key(kind: str, head: str = "") -> str:
    lines = "\n".join([head + draw(64 - len(head)), *(draw(64) for _ in range(7))])
    return f"-----BEGIN {kind} KEY-----\n{lines}\n-----END {kind} KEY-----"


TOKENS = {
    "hugging_face": "hf_" + draw(34, LETTERS),
    "hugging_face_with_digits": "hf_" + "a1B2" * 9,
    "aws": "AKIA" + draw(16, BASE32),
    "aws_session": "ASIA" + draw(16, BASE32),
    "github": "ghp_" + draw(36),
    "github_fine_grained": "github_pat_" + draw(22) + "_" + draw(59),
    "gitlab": "glpat-" + draw(20),
    "slack": "-".join(["xoxb", draw(12, "456789"), draw(12, "456789"), draw(24)]),
    "slack_webhook": "https://hooks.slack.com/services/T" + draw(8) + "/B" + draw(8) + "/" + draw(24),
    "openai": "sk-" + draw(20) + "T3BlbkFJ" + draw(20),
    "openai_project": "sk-proj-" + draw(74) + "T3BlbkFJ" + draw(74),
    "openai_project_short": "sk-proj-" + draw(48),
    "anthropic": "sk-ant-api03-" + draw(93) + "AA",
    "google": "AIza" + draw(35),
    "stripe": "sk_live_" + draw(24),
    "json_web_token": web_token({"sub": "u-77", "scope": "insert test-plan", "iat": 1612345678}),
    "rsa_key": private_key("RSA PRIVATE"),
    "ssh_key": private_key(
        "OPENSSH PRIVATE", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz"
    ),
    "cut_off_key": private_key("EC PRIVATE")[:400],
    "key_in_json": private_key("PRIVATE").replace("\n", "\\n"),
    "basic_auth": "https://bob:" + draw(10) + "@git.acme.com/x.git",
    "database": "postgresql://svc:" + draw(10) + "@db.acme.io:5432/app",
    "npm": "npm_" + draw(36),
    "pypi": "pypi-" + "AgEIcHlwaS5vcmc" + draw(80),
}
HARMLESS = {
    "a placeholder": "hf_your_token_here, hf_" + "x" * 34 + ", sk-" + "X" * 48 + ", ghp_" + "x" * 36,
    "the alphabet": "hf_"
    + "abcdefghijklmnopqrstuvwxyzabcdefgh and AIza"
    + "SyA1234567890abcdefghijklmnopqrstuv",
    "counted digits": "xoxb-" + "123456789012-123456789012-abcdefghijklmnopqrstuvwx",
    "the documentation's key": "AKIA" + "IOSFODNN7EXAMPLE",
    "a test-mode key": "sk_test_" + draw(24),
    "too short": "hf_" + draw(33, LETTERS) + " AKIA" + draw(15, BASE32) + " ghp_" + draw(20),
    "no start of a word": "self_" + draw(34, LETTERS) + "hf",
    "variables": "https://${USER}:${PASSWORD}@git.acme.com https://{user}:{password}@git.acme.com",
    "a login of every tutorial": "https://user:password@git.acme.com postgres://postgres:postgres@db.acme.com",
    "a login on this machine": "postgresql://svc:"
    + draw(10)
    + "@localhost:5432/x redis://:"
    + draw(10)
    + "@10.0.0.7",
    "a login on a host without a dot": "mysql://svc:" + draw(10) + "@db:3306/app",
    "a login at a reserved host": "https://svc:" + draw(10) + "@api.example.com/",
    "a made-up web token": web_token({"sub": "1234567890", "name": "John Doe"}),
    "a key cut out": "-----BEGIN PRIVATE KEY-----\n" + draw(64) + "\n...\n-----END PRIVATE KEY-----",
    "a key's first line": "a key has -----BEGIN RSA PRIVATE KEY----- and " + draw(64) + " and " + draw(64),
    "talk of passwords": 'The password is "hunter2" and api_key = "' + draw(32) + '".',
    "a random string beside a name": "datadog_api_key = '" + draw(32, "0123456789abcdef") + "'",
    "a command": "curl -u admin:"
    + draw(12)
    + " -H 'Authorization: Bearer "
    + draw(12)
    + "' https://api.acme.com/",
    "hashes": "commit " + draw(40, "0123456789abcdef") + " id 123e4567-e89b-42d3-a456-426614174000",
    "a picture": "![](data:image/png;base64," + base64.b64encode(DRAW.randbytes(300)).decode() + ")",
}
PERSONAL = {
    "emails": [
        "bob@acme.io",
        "josé.núñez+x@correo.com.es",
        "a@b@acme.com",
        "请联系bob@acme.cn谢谢",
        "to:bob@acme.io.",
    ],
    "phone_numbers": [
        "+44 20 7946 0958",
        "+1 (650) 253-0000",
        "(650) 253-0000",
        "650-253-0000",
        "tel:+16502530000",
    ],
    "ip_addresses": ["8.8.8.8", "8.8.8.8:53.", "[2a00:1450:4001:81b::200e]", "version 1.2.3.4, then"],
}
NOT_PERSONAL = [
    "user@example.com a@mail.example.org x@host.test git@github.com:x/y.git logo@2x.png @decorator a @ b @acme.io",
    "https://bob:pw@git.acme.com/x",
    "127.0.0.1 0.0.0.0 10.1.2.3 192.168.0.1 192.0.2.1 203.0.113.9 224.0.0.1 v1.2.3.4 1.2.3.4.5 x-1.2.3.4 999.1.1.1",
    "::1 2001:db8::1 fe80::1 std::vector 2023:10:12 20:30:40",
    "(555) 123-4567 212-555-0123 +1 212 555 0199 123-456-7890 650-253-00001 2023-10-12 1+1 f(x) +(2) +1234567890",
]


@pytest.fixture(autouse=True, scope="module")
def rule_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kingfisher keeps its compiled rules out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KF_RULE_CACHE_DIR", str(tmp_path_factory.mktemp("rules")))
        yield


def found(text: str) -> int:
    return scan_text(text).secrets_found


def everywhere(text: str) -> pl.DataFrame:
    """Two rows, the second with the text in every kind of column."""
    chat = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": text}]
    return pl.DataFrame(
        {
            "id": ["r0", "r1"],
            "response": [None, text],
            "skills": [[], ["x", None, text]],
            "messages": [None, [None, *chat]],
            "nested": [None, {"a{b}": {"c.d": [[{"e": "x"}], None, [{"e": None}, {"e": text}]]}}],
            "pair": pl.Series([["x", "y"], ["x", text]], dtype=pl.Array(pl.String, 2)),
            "class": pl.Series(["x", text], dtype=pl.Categorical),
            "gap": [1.0, None],
        }
    )


@pytest.mark.parametrize("kind", TOKENS)
def test_a_secret_is_found_in_every_kind_of_column(kind: str) -> None:
    """A secret is found once in each text it stands in, however deep, and the finding says where."""
    report = scan("trace", everywhere(f"It is {TOKENS[kind]}, keep it."), "id")
    assert report.secrets_found == len(report.secrets) == 6
    assert {(one.config, one.row) for one in report.secrets} == {("trace", "r1")}
    assert [one.column for one in report.secrets] == [
        "response", "skills[2]", "messages[2].content", "nested.a{b}.c.d[2][1].e", "pair[1]", "class"
    ]  # fmt: skip


@pytest.mark.parametrize("kind", TOKENS)
def test_a_secret_is_found_whatever_stands_around_it(kind: str) -> None:
    """Prose, Markdown and code around a secret do not hide it, nor do zeros or other scripts."""
    around = [
        "{}",
        "Use {}, then",
        "({}).",
        "'{}'",
        "`{}`",
        "**{}**",
        "<b>{}</b>",
        "\0{}\0",
        "\ufeff{}\u200b",
    ]
    around += ["{}\r\n", "é {} é"]
    if "://" not in TOKENS[kind]:
        around += ["x,{},3", "https://acme.com/?t={}&x=1", "字{}字", "[x]({})"]
    assert [text for text in around if found(text.format(TOKENS[kind])) != 1] == []


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_instructions_and_code_are_full_of_is_no_secret(kind: str) -> None:
    """Placeholders, examples, logins that lead nowhere, hashes and talk of secrets stop no release."""
    assert scan_text(HARMLESS[kind]).secrets == scan_text(f"`{HARMLESS[kind]}`").secrets == ()


def test_a_finding_does_not_hold_its_secret() -> None:
    """Neither the text of a finding nor that of a report holds a secret or a password, even where the id is one."""
    for secret in TOKENS.values():
        report = scan("default", pl.DataFrame({"id": [secret], "response": [f"Use {secret}."]}), "id")
        assert [one.row for one in report.secrets] == ["row 0", "row 0"]
        password = secret.partition("@")[0].rpartition(":")[2]
        for shown in (repr(report), *map(str, report.secrets)):
            assert secret[5:] not in shown
            assert password not in shown


def test_a_finding_says_what_and_where() -> None:
    """A finding names the provider, the table, the row, the column and the first characters."""
    token = TOKENS["hugging_face"]
    batch = pl.DataFrame({"id": ["a", None], "instruction": ["Hello", f"{token} {token} {TOKENS['github']}"]})
    report = scan("default", batch, "id", first_row=40)
    assert sorted(map(str, report.secrets)) == [
        "GitHub Personal Access Token in `default`, row 41, `instruction`: ghp_… (40 characters)",
        "Hugging Face token in `default`, row 41, `instruction`: hf_" + f"{token[3]}… (37 characters)",
    ]
    (login,) = scan_text(TOKENS["basic_auth"]).secrets
    assert login.hint == f"http… ({len(TOKENS['basic_auth'])} characters)"
    assert (login.config, login.row, login.column) == ("card", "row 0", "text")


def test_a_text_is_judged_without_its_neighbours() -> None:
    """What is found in many rows is what is found in each, at any size of the blocks that are scanned at a time."""
    texts = [*TOKENS.values(), *HARMLESS.values(), TOKENS["rsa_key"], TOKENS["cut_off_key"]]
    texts += [
        "-----END PRIVATE KEY-----",
        "key = ",
        f'"{draw(40)}"',
        "",
        "aws_secret_access_key = " + draw(40),
    ]
    for size in (1, 700, 1 << 20):
        for _ in range(2):
            DRAW.shuffle(texts)
            alone = [at for at, text in enumerate(texts) if found(text)]
            assert [hit.position for hit in find_secrets(pl.Series(texts), block_bytes=size)] == alone


def test_a_secret_shows_itself_to_nobody_who_prints_it() -> None:
    """Not in a representation, and so in no traceback or log that has one."""
    (hit,) = find_secrets(pl.Series([TOKENS["npm"]]))
    assert hit.secrets[0].characters == TOKENS["npm"]
    assert TOKENS["npm"] not in repr(hit)


def test_reports_add_up() -> None:
    """The report of two batches is the sum of theirs; it keeps the first findings and counts them all."""
    batch = pl.DataFrame({"t": [f"{TOKENS['npm']} bob@acme.io 8.8.8.8"] * (MOST_SHOWN - 5)})
    parts = [scan("default", batch, None, first_row=row) for row in (0, batch.height)]
    both = functools.reduce(operator.add, parts, ScanReport())
    assert both == scan("default", pl.concat([batch, batch]), None)
    assert [one.row for one in both.secrets] == [f"row {n}" for n in range(MOST_SHOWN)]
    assert both.secrets_found == 2 * batch.height
    assert both.personal == {"emails": 2 * batch.height, "phone_numbers": 0, "ip_addresses": 2 * batch.height}


def test_a_text_that_stands_often_is_reported_as_often() -> None:
    """What earlier batches had is not searched again, unless something was found in it."""
    clean = CleanTexts()
    batch = pl.DataFrame({"response": ["Hello", f"Use {TOKENS['npm']}", "Ask bob@acme.io", "Hello"]})
    reports = [scan(config, batch, None, clean=clean) for config in ("default", "trace")]
    for config, report in zip(("default", "trace"), reports, strict=True):
        assert [(one.config, one.row) for one in report.secrets] == [(config, "row 1")]
        assert report.personal == {"emails": 1, "phone_numbers": 0, "ip_addresses": 0}
    texts = pl.DataFrame({"text": ["Hello", "Good-bye", "Ask bob@acme.io", batch["response"][1]]})
    assert clean.leave_out(texts)["text"].to_list() == ["Good-bye", "Ask bob@acme.io", batch["response"][1]]


def test_a_text_known_as_a_name_is_searched_for_personal_data_elsewhere() -> None:
    """A column that links rows says nothing of the same text in another."""
    clean = CleanTexts()
    first = scan("default", pl.DataFrame({"id": ["bob@acme.io"]}), "id", clean=clean)
    second = scan("default", pl.DataFrame({"response": ["bob@acme.io"]}), None, clean=clean)
    assert (first.personal["emails"], second.personal["emails"]) == (0, 1)


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in PERSONAL.items() for text in texts]
)
def test_personal_data_is_counted_and_redacted(name: str, text: str) -> None:
    """Each e-mail address, phone number and public IP address is counted once and replaced by its tag."""
    expected = {"emails": "[EMAIL]", "phone_numbers": "[PHONE]", "ip_addresses": "[IP]"}
    assert scan_text(text).personal == {**dict.fromkeys(expected, 0), name: 1}
    assert redact(pl.DataFrame({"t": [text]}))["t"][0].count(expected[name]) == 1


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_what_is_reserved_or_looks_alike_is_no_personal_data(text: str) -> None:
    """Documentation's addresses and numbers, private networks, versions, times and code are left alone."""
    assert sum(scan_text(text).personal.values()) == 0
    assert redact(pl.DataFrame({"t": [text]}))["t"][0] == text


def test_redaction_reaches_every_column_but_the_keys() -> None:
    """Texts in lists and structs are redacted; ids, roles and the like are neither redacted nor counted."""
    text = "bob@acme.io calls +44 20 7946 0958 from 8.8.8.8"
    batch = (
        everywhere(text).drop("class").with_columns(pl.lit(text).alias(name) for name in sorted(IDENTIFIERS))
    )
    batch = batch.with_columns(chat=pl.struct(pl.lit(text).alias("role"), pl.lit(text).alias("content")))
    done = redact(batch)
    assert done.schema == batch.schema
    assert done.select(sorted(IDENTIFIERS)).equals(batch.select(sorted(IDENTIFIERS)))
    assert done["chat"][0] == {"role": text, "content": "[EMAIL] calls [PHONE] from [IP]"}
    assert str(done.row(1)).count("[PHONE]") == 6
    assert scan("x", batch, "id").personal == dict.fromkeys(("emails", "phone_numbers", "ip_addresses"), 7)
    assert scan("x", done, "id").personal == ScanReport().personal


@pytest.mark.parametrize("name", schema.TABLES)
def test_the_tables_of_a_run_pass(name: str) -> None:
    """Each table of a run goes through with its schema kept, empty, with nulls alone, and with texts."""
    features = schema.TABLES[name]
    empty = schema.table([], features).to_polars()
    nulls = Dataset.from_dict({column: [None] * 3 for column in features}, features=features).to_polars()
    for batch in (empty, nulls, pl.DataFrame({"n": [None, None]}), pl.DataFrame()):
        assert scan(name, batch, "id" if "id" in batch.columns else None) == ScanReport()
        assert redact(batch).equals(batch)
        assert redact(batch).schema == batch.schema


def test_a_chat_row_is_searched_turn_by_turn() -> None:
    """A finding in a row as people train on it names the turn it stands in."""
    row = {"id": "ab", "instruction": "Hi", "messages": [{"role": "user", "content": TOKENS["openai"]}]}
    rows = schema.table([{**dict.fromkeys(schema.DEFAULT), **row}], schema.DEFAULT).to_polars()
    (finding,) = scan("default", rows, "id").secrets
    assert (finding.row, finding.column) == ("ab", "messages[0].content")


def texts() -> st.SearchStrategy[str]:
    """Texts of personal data, look-alikes, tokens and what may glue them together."""
    pieces = st.sampled_from(
        [one for group in PERSONAL.values() for one in group]
        + NOT_PERSONAL
        + list(TOKENS.values())
        + "@ + . : 1 [IP] [EMAIL] ( ) - 650 253-0000 ey :// \0 \u202e ٣ １".split(" ")
        + [" "]
    )
    return st.lists(st.one_of(pieces, st.text(max_size=8)), max_size=12).map("".join)


@given(st.lists(st.one_of(st.none(), texts()), max_size=5))
def test_redaction_is_complete_and_done_once(column: list[str | None]) -> None:
    """After redaction a scan counts no personal data, a second redaction changes nothing, and nulls stay null."""
    batch = pl.DataFrame(
        {"t": column, "l": [[{"content": one}] for one in column]}, schema_overrides={"t": pl.String}
    )
    before, done = scan("x", batch, None), redact(batch)
    assert scan("x", done, None).personal == ScanReport().personal
    assert redact(done).equals(done)
    assert done["t"].is_null().to_list() == [one is None for one in column]
    assert sum(before.personal.values()) > 0 or done.equals(batch)


@given(st.text(st.characters(exclude_categories=["Cs", "Nd"], exclude_characters="@:")))
def test_text_without_its_signs_is_never_changed(text: str) -> None:
    """A text without an at sign, a digit or a colon stays byte for byte."""
    batch = pl.DataFrame({"t": [text], "c": [[{"role": text, "content": text}]]})
    assert redact(batch).equals(batch)


@given(st.text(max_size=300))
def test_any_text_can_be_scanned(text: str) -> None:
    """No text makes the scan fail, not even one that starts like a token and goes on wildly."""
    starts = (
        "hf_",
        "ey" + "J" * 20 + ".ey" + text,
        "https://a:",
        "-----BEGIN PRIVATE KEY-----",
        "+1",
        "AKIA",
        "{}{0}",
    )
    report = scan("x", pl.DataFrame({"t": [start + text for start in starts], "{0}": list(starts)}), None)
    assert report.secrets_found <= 2 * len(starts)
