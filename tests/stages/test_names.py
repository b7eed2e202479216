"""Spellings of one name: what tells two names apart, and which spelling stands for all."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.errors import BadInput
from codeclm_hf.stages.names import check_list, name_key, spellings

SAME = [
    (
        "SQL query",
        "sql queries",
        "SQL-Queries",
        "  sql\tquery ",
        '"SQL query"',
        "SQL_query",
        "SQL/query",
        "ＳＱＬ query",
    ),
    ("data analysis", "Data Analyses", "data-analysis"),
    ("front-end development", "frontend development", "Front end Development"),
    ("women's health", "Women’s Health", "womens health"),
    ("e-mail", "email", "E-Mails"),
    ("A/B testing", "AB testing", "a b testing"),
    ("search", "searches"),
    ("cache", "caches"),
    ("box", "boxes"),
    ("class", "classes"),
    ("quiz", "quizzes"),
    ("movie", "movies"),
    ("story", "stories"),
    ("virus", "viruses"),
    ("house", "houses"),
    ("hero", "heroes"),
    ("photo", "photos"),
    ("bias", "biases"),
    ("matrix", "matrices"),
    ("topic", "topics"),
    ("time series", "Time-series"),
    ("数据分析", "数据 分析", "数据、分析"),
    ("Überblick", "überblick", "U\u0308berblick"),
    ("Straße", "STRASSE"),
]
OTHERS = [
    ("C", "C++", "C#"),
    ("CSS", "CS"),
    ("news", "new"),
    ("breaking news", "breaking new"),
    ("gas", "ga"),
    ("bus", "bu"),
    ("physics", "physic"),
    ("statistics", "statistic"),
    ("analysis", "analysi"),
    ("lens", "len"),
    ("customs law", "custom law"),
    ("résumé", "resume"),
    ("hindi", "हिन्दी", "हन्द"),
    ("Python 3.1", "Python 31"),
    ("writing", "rewriting"),
    ("!", "?", ""),
]


@pytest.mark.parametrize("names", SAME, ids=lambda names: names[0])
def test_case_spaces_punctuation_and_plurals_tell_nothing_apart(names: tuple[str, ...]) -> None:
    """All spellings of one name have one key."""
    assert len(set(map(name_key, names))) == 1


@pytest.mark.parametrize("names", OTHERS, ids=lambda names: names[0])
def test_other_names_are_others(names: tuple[str, ...]) -> None:
    """Signs, accents and digits that matter, and words that merely end in s, tell names apart."""
    assert len(set(map(name_key, names))) == len(names)


TEXTS = st.text() | st.text(alphabet="abesixzhcoun -'+#1", max_size=20)


@given(TEXTS)
def test_a_key_is_its_own_key(text: str) -> None:
    """Nothing changes when a key is made of a key, so that classes do not depend on how often names were met."""
    assert name_key(name_key(text)) == name_key(text)


@given(TEXTS)
def test_a_key_knows_no_case_and_no_space_around(text: str) -> None:
    """A text with space around it, or folded, has the key of the text."""
    assert name_key(f" {text}\n") == name_key(text.casefold()) == name_key(text)


NAMES = st.lists(
    st.sampled_from(["SQL query", "sql queries", "SQL-Queries", "C", "c", "C++", "poetry", "Poetry", "!"])
)


@given(NAMES, st.randoms())
def test_the_most_frequent_spelling_wins_in_any_order(names: list[str], random: object) -> None:
    """Of equally frequent spellings it is the first by alphabet; order does not matter, and counts will do."""
    found = spellings(names)
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert spellings(shuffled) == spellings(Counter(names)) == found
    assert list(spellings(shuffled)) == list(found)
    counts = Counter(names)
    for name in names:
        alike = [other for other in counts if name_key(other) == name_key(name)]
        assert found[name] == min(alike, key=lambda other: (-counts[other], other))


@given(NAMES)
def test_the_winner_stands_for_itself(names: list[str]) -> None:
    """Once names are spelt so, nothing is left to respell."""
    found = spellings(names)
    once = [found[name] for name in names]
    assert spellings(once) == {name: name for name in once}


def test_all_orders_of_a_tie_agree() -> None:
    """Two spellings, once each, in both orders."""
    for order in itertools.permutations(["sql queries", "SQL query"]):
        assert set(spellings(order).values()) == {"SQL query"}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "needs a list of skills with one name at least"),
        ("poetry", "needs a list of skills"),
        (["a", " "], "each skill as a text of 1 to 80 characters; came ' '"),
        (["a", 5], "came 5"),
        (["a\nb"], "each skill as a text"),
        (["a" * 81], "each skill as a text"),
        (["SQL query", "b", "sql queries"], "each skill once; came 'SQL query' and 'sql queries'"),
        (["a", "a"], "each skill once; came 'a' and 'a'"),
    ],
)
def test_a_list_that_cannot_be_chosen_from_is_refused(names: object, words: str) -> None:
    """It must have names, each a text, and none twice in another spelling."""
    with pytest.raises(BadInput, match=words):
        check_list(names, "skill")  # type: ignore[arg-type]


def test_a_list_is_taken_without_white_space() -> None:
    """Names keep their spelling and order."""
    assert check_list([" C++ ", "C"], "skill") == ("C++", "C")
