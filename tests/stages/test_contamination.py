"""Contamination: what is found of an evaluation set in a text, and how often that is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.errors import BadInput
from codeclm_hf.stages.contamination import (
    MOST_MATCHES,
    WHOLE,
    Benchmark,
    Contamination,
    Match,
)
from codeclm_hf.stages.word_runs import shared_runs
from codeclm_hf.stages.words import normal_form, raw_words, words

PAIRS = Path(__file__).parent / "contamination_pairs.jsonl"
"""Made by hand: a benchmark's text, another text, and whether the second gives the first away."""


class Rates(NamedTuple):
    """How many pairs of a kind are taken for what they are not."""

    contaminated: int
    missed: int
    clean: int
    false_alarms: int


RATES = {
    "verbatim question": Rates(7, 0, 0, 0),
    "quoted inside": Rates(8, 0, 0, 0),
    "case and punctuation changed": Rates(7, 0, 0, 0),
    "one word changed": Rates(7, 1, 0, 0),
    "numbers changed": Rates(4, 0, 4, 0),
    "paraphrase": Rates(6, 6, 0, 0),
    "translated": Rates(6, 6, 0, 0),
    "code": Rates(4, 0, 4, 0),
    "Chinese": Rates(5, 0, 4, 0),
    "long boilerplate": Rates(4, 0, 8, 0),
    "short common phrase": Rates(0, 0, 10, 0),
    "same template, another noun": Rates(0, 0, 10, 3),
    "famous quotation": Rates(0, 0, 2, 1),
}
"""What `docs/clean-rows.md` shows."""

WORDS = st.sampled_from(
    "solve the number of primes below 1000 x = y größe éclair вода γάμμα naïve don't 水 の ก้ for i in range 42".split()
)
GAPS = st.sampled_from([" ", "  ", ", ", "\n", "; ", " - ", "! ", " **", ' "', ") (", " … "])
QUESTIONS = st.lists(WORDS, min_size=2 * WHOLE, max_size=40).map(" ".join)


def contamination(*texts: str, name: str = "exam") -> Contamination:
    return Contamination(benchmarks=[Benchmark(name=name, texts=texts)])


def matches(found: Contamination, text: str) -> tuple[Match, ...]:
    contaminated = found.find(text, "instruction")
    return () if contaminated is None else contaminated.matches


def rows(found: Contamination, text: str) -> list[int]:
    return [match.row for match in matches(found, text)]


def test_the_rates_of_errors_on_labelled_pairs() -> None:
    """Each kind of pair is judged as often wrongly as the manual says."""
    pairs = [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    found = contamination(*dict.fromkeys(pair["benchmark"] for pair in pairs))
    rates = {}
    for kind in dict.fromkeys(pair["kind"] for pair in pairs):
        judged = [
            (pair["is_contaminated"], bool(matches(found, pair["text"])))
            for pair in pairs
            if pair["kind"] == kind
        ]
        rates[kind] = Rates(
            contaminated=sum(truly for truly, _ in judged),
            missed=judged.count((True, False)),
            clean=sum(not truly for truly, _ in judged),
            false_alarms=judged.count((False, True)),
        )
    assert rates == RATES
    assert len(pairs) == 100


@given(st.data(), QUESTIONS, st.lists(QUESTIONS, max_size=4), st.text(), st.text())
def test_a_whole_question_is_found_whatever_stands_around_it(
    data: st.DataObject, question: str, others: list[str], before: str, after: str
) -> None:
    """Case, punctuation and spacing may change, and other rows may begin with the same words."""
    changed = "".join(data.draw(GAPS) + word for word in question.split())
    changed = data.draw(st.sampled_from([changed, changed.upper(), changed.lower()]))
    others = [*others, *(f"{question} {other}" for other in others)]
    assert 1 in rows(contamination(question, *others), f"{before} {changed} {after}")


@given(QUESTIONS, st.lists(st.from_regex("[a-h]{4,6}q", fullmatch=True), max_size=60))
def test_texts_without_a_word_in_common_are_never_found(question: str, other: list[str]) -> None:
    """Whatever their length, texts of two vocabularies share nothing."""
    assert matches(contamination(question), " ".join(other)) == ()


@given(st.lists(st.lists(QUESTIONS, max_size=4), min_size=2, max_size=4), QUESTIONS, st.randoms())
def test_the_order_of_evaluation_sets_does_not_matter(
    sets: list[list[str]], text: str, random: object
) -> None:
    """The same matches come in the same order."""
    benchmarks = [Benchmark(name=f"set {n}", texts=tuple(texts)) for n, texts in enumerate(sets)]
    benchmarks[0] = Benchmark(name="set 0", texts=(*benchmarks[0].texts, text[len(text) // 3 :]))
    forwards = matches(Contamination(benchmarks=benchmarks), text)
    assert matches(Contamination(benchmarks=benchmarks[::-1]), text) == forwards


@given(QUESTIONS, st.text(), st.text(), st.integers(0, 20))
def test_the_words_stand_where_the_match_says(question: str, before: str, after: str, cut: int) -> None:
    """The offsets are those of the original texts, and both places hold the same words."""
    text = f"{before} {question[cut:].upper()} {after}"
    for match in matches(contamination(question), text):
        assert text[match.start : match.end] == match.words
        there = question[match.benchmark_start : match.benchmark_end]
        assert [word.text for word in words(there)] == [word.text for word in words(match.words)]


@given(st.text())
def test_words_have_one_normal_form_and_a_place(text: str) -> None:
    """A word's normal form is its own normal form, and its place holds the word."""
    found = words(text)
    assert [normal_form(word) for word in raw_words(text)] == [word.text for word in found]
    for word in found:
        assert normal_form(text[word.start : word.end]) == word.text == normal_form(word.text)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Don’t PANIC!", "don't panic"),
        ("1,000 km", "1000 km"),
        ("ＡＢＣ１２", "abc12"),
        ("cafe\u0301", "café"),
        ("STRASSE", "straße"),
        ("x=y+1", "x = y + 1"),
        ("snake_case", "snake case"),
        ("水。的", "水 的"),
    ],
)
def test_texts_with_the_same_words(text: str, same: str) -> None:
    """Case, apostrophes, thousands, widths, composition and punctuation make no other words."""
    assert [word.text for word in words(text)] == [word.text for word in words(same)]


@pytest.mark.parametrize(("text", "other"), [("x = y + 1", "x = y 1"), ("a < b", "a > b"), ("3 km", "4 km")])
def test_texts_with_other_words(text: str, other: str) -> None:
    """Numbers and the signs of a calculation are words."""
    assert [word.text for word in words(text)] != [word.text for word in words(other)]


def numbered(first: int, count: int) -> str:
    """Words that stand nowhere else."""
    return " ".join(f"word{n}" for n in range(first, first + count))


@pytest.mark.parametrize(
    ("row", "text", "found"),
    [
        (numbered(0, 3), numbered(0, 3), True),
        (numbered(0, 2), numbered(0, 2), False),
        (numbered(0, 4), f"So: {numbered(0, 4)}.", False),
        (numbered(0, 5), f"So: {numbered(0, 5)}.", True),
        (numbered(0, 5), f"first\n{numbered(0, 5)}\nlast", True),
        (numbered(0, 7), f"first {numbered(0, 7)} last", False),
        (numbered(0, 8), f"first {numbered(0, 8)} last", True),
        (numbered(0, 200), f"first {numbered(50, 13)} last", True),
        (numbered(0, 200), f"first {numbered(50, 12)} last", False),
        (numbered(0, 20), f"first {numbered(7, 13)} last", True),
        (numbered(0, 20), f"{numbered(0, 6)} and {numbered(7, 7)}", True),
        (numbered(0, 10), f"first {numbered(0, 7)} last", False),
        (numbered(0, 40), f"{numbered(0, 12)} and {numbered(20, 12)}", False),
    ],
)
def test_how_much_of_a_row_is_enough(row: str, text: str, found: bool) -> None:
    """The rule at its borders: whole texts, sentences, whole rows, shares and long runs."""
    assert bool(matches(contamination(row), text)) is found


@pytest.mark.parametrize("number", [3, 11])
def test_what_many_rows_share_says_nothing(number: int) -> None:
    """A header of most rows of a set, or of more than ten rows of a large one, is nobody's own."""
    header = numbered(0, 30)
    rest = [numbered(1000 + 40 * n, 20) for n in range(number + (50 if number > 3 else 0))]
    found = contamination(*(f"{header}: {text}" for text in rest[:number]), *rest[number:])
    assert matches(found, f"{header}: {numbered(100, 20)}") == ()
    assert rows(found, f"{header}: {rest[1]}") == [2]


@pytest.mark.parametrize("number", [2, 10])
def test_what_few_rows_share_is_their_own(number: int) -> None:
    """A text of two rows, or of ten in a large set, is found in all of them."""
    header = numbered(0, 30)
    rest = [numbered(1000 + 40 * n, 20) for n in range(number + (50 if number > 2 else 0))]
    found = contamination(*(f"{header}: {text}" for text in rest[:number]), *rest[number:])
    assert rows(found, header) == list(range(1, number + 1))


def test_a_row_that_repeats_itself_is_found_whole() -> None:
    """Words that fit a row at another place, too, do not hide where it stands whole."""
    row = f"{numbered(0, 5)} {numbered(0, 9)}"
    (match,) = matches(contamination(row), f"{numbered(0, 5)} {row}")
    assert match.words == row


def test_a_row_of_common_words_alone_is_found_whole() -> None:
    """A row that all others begin with is found where a text holds all of it, and not where it holds a part."""
    header = numbered(0, 12)
    found = contamination(header, *(f"{header}: {numbered(100 * n, 20)}" for n in range(1, 20)))
    assert rows(found, f"Say {header} now") == [1]
    assert rows(found, numbered(0, 11)) == []


def test_a_text_is_found_in_every_set_that_has_it() -> None:
    """Rows come by the name of their set and by number, and no more than ten of them."""
    question = numbered(0, 10)
    sets = [
        Benchmark(name="b", texts=("", question, question)),
        Benchmark(name="a", texts=(numbered(20, 9), question.title())),
    ]
    found = matches(Contamination(benchmarks=sets), f"Please: {question}")
    assert [(match.benchmark, match.row) for match in found] == [("a", 2), ("b", 2), ("b", 3)]
    assert len(matches(contamination(*[question] * 20), question)) == MOST_MATCHES


def test_the_longest_run_is_shown() -> None:
    """Of several runs that both texts have, a match names the longest."""
    (match,) = matches(
        contamination(numbered(0, 20)), f"{numbered(0, 6)} but {numbered(7, 9)}, {numbered(17, 3)}"
    )
    assert match.words == numbered(7, 9)


def test_loops_are_compared_in_linear_time() -> None:
    """Two texts that say the same words over and over share a few long runs, not one for each way to lay them."""
    loop = [1, 2, 3] * 2000
    runs = list(shared_runs(loop, loop[:3000]))
    assert runs[0].length == 3000
    assert sum(run.length for run in runs) < 32 * len(loop)
    assert rows(contamination("ha " * 3000, numbered(0, 20)), "ha " * 5000) == [1]


def test_an_id_is_the_texts_own() -> None:
    """The same text has the same id whatever it is; an allowed one says so."""
    found = contamination(numbered(0, 10)).find(numbered(0, 10), "instruction")
    assert found is not None
    benchmarks = [Benchmark(name="other", texts=(numbered(0, 10),))]
    again = Contamination(benchmarks=benchmarks, allowed=[found.id]).find(numbered(0, 10), "target_response")
    assert again is not None
    assert (again.id, again.allowed, found.allowed) == (found.id, True, False)
    other = Contamination(benchmarks=benchmarks, allowed=[found.id]).find(numbered(0, 11), "instruction")
    assert other is not None
    assert not other.allowed


@pytest.mark.parametrize("allowed", [["abc"], ["0123456789ABCDEF"], ["0123456789abcdef\n"]])
def test_an_id_that_no_text_can_have(allowed: Sequence[str]) -> None:
    """It is refused, and so is any id without an evaluation set."""
    with pytest.raises(BadInput, match="16 hexadecimal digits"):
        Contamination(benchmarks=[Benchmark(name="a", texts=())], allowed=allowed)
    with pytest.raises(BadInput, match="needs an evaluation set"):
        Contamination(allowed=["0123456789abcdef"])


@given(st.lists(st.lists(st.text(min_size=1), max_size=40).map(" ".join), max_size=4), st.text())
def test_any_text_may_be_compared_with_any(texts: list[str], text: str) -> None:
    """Whatever characters there are, a row of enough words is found in itself."""
    found = contamination(*texts)
    matches(found, text)
    assert [row for row in texts if len(raw_words(row)) > 2 * WHOLE and not matches(found, row)] == []


@pytest.mark.parametrize("benchmarks", ["exam.jsonl", ["exam.jsonl"]])
def test_a_file_is_no_evaluation_set_before_it_is_read(benchmarks: Any) -> None:
    """The name of a file in place of what was read from it is refused in one sentence."""
    with pytest.raises(BadInput, match=r"as load_benchmark gives them; came .*exam\.jsonl"):
        Contamination(benchmarks=benchmarks)
