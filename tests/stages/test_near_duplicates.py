"""Near-duplicates: what the normaliser makes equal, what is alike, and what the index finds."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeclm_hf.stages.near_duplicates import (
    BAND_ROWS,
    BANDS,
    THRESHOLD,
    UNCHANGED,
    Duplicate,
    NearDuplicates,
    normalise,
    shingles,
    similarity,
)
from support.world import SKILLS, USE_CASES, World

PAIRS = Path(__file__).with_name("near_duplicate_pairs.jsonl")
PAGE = Path(__file__).parents[2] / "docs" / "clean-rows.md"
WORDS = (
    "write a short letter about the old harbour explain how tides shape sand and what gulls eat in winter plan three "
    "meals for hikers compare rivers with roads describe one morning list ten tools that bakers need today"
).split()
INSTRUCTION = (
    "Describe the morning of a baker in a small harbour town before the first customers arrive for bread"
)


class Pair(NamedTuple):
    """Two texts and what a person says of them: whether one good answer serves both."""

    kind: str
    one: str
    other: str
    is_duplicate: bool


def labelled_pairs() -> list[Pair]:
    return [Pair(**json.loads(line)) for line in PAIRS.read_text(encoding="utf-8").splitlines()]


def table(pairs: Iterable[Pair]) -> list[str]:
    """Return the lines of the manual's table: errors by kind, and over all."""
    by_kind: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_kind.setdefault(pair.kind, []).append(pair)
    by_kind["all"] = list(itertools.chain(*by_kind.values()))
    return [
        f"| {kind} | {_share(of_kind, True)} | {_share(of_kind, False)} |"
        for kind, of_kind in by_kind.items()
    ]


def _share(pairs: list[Pair], are_duplicates: bool) -> str:
    found = [
        similarity(pair.one, pair.other) >= THRESHOLD for pair in pairs if pair.is_duplicate is are_duplicates
    ]
    wrong = sum(is_found is not are_duplicates for is_found in found)
    return f"{wrong} of {len(found)} ({wrong / len(found):.0%})" if found else "–"


def test_the_manual_reports_the_rates_of_the_labelled_pairs() -> None:
    """The manual's table of false negatives and false positives is what the labelled pairs give."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = lines.index("| kind of pair | missed | wrongly found |") + 2
    assert lines[begin : lines.index("", begin)] == table(labelled_pairs())


def test_the_labelled_pairs_are_many_and_of_many_kinds() -> None:
    """There are at least 120 pairs, none twice, and each kind has one label."""
    pairs = labelled_pairs()
    assert len({(pair.one, pair.other) for pair in pairs}) == len(pairs) >= 120
    assert len({(pair.kind, pair.is_duplicate) for pair in pairs}) == len({pair.kind for pair in pairs})


@given(st.text() | st.text("aÀß²½！。、…“‘—-+ .,!?\u200b\ufe0f\u0301\u0947か゛ﾊﾟ한I İ"))
@settings(max_examples=500)
def test_a_normal_text_is_its_own_normal_form(text: str) -> None:
    """Normalising twice is normalising once."""
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Write a poem.", "  write a\n\tPOEM!"),
        ("Straße", "STRASSE"),
        ("Ｗｒｉｔｅ　ａ　ｐｏｅｍ", "write a poem"),
        ("He said “yes” twice…", 'he said "yes" twice.'),
        ("don’t", "don't"),
        ("caf\u00e9", "cafe\u0301"),
        ("zero\u200bwidth", "zerowidth"),
        ("Love ❤\ufe0f", "love ❤"),
        ("用 Python 写 一首诗。", "用python写一首诗"),
        ("ﾊﾟｽﾀ!", "パスタ"),
        ("ما هي عاصمة مصر؟", "ما هي عاصمة مصر"),
        ("कहानी लिखो।", "कहानी लिखो"),
        ("보고서를 작성하세요.", "보고서를   작성하세요"),
        ("2 − 1", "2 - 1"),
        ("", " \n"),
    ],
)
def test_what_says_the_same_is_equal(one: str, other: str) -> None:
    """Case, width, spacing, marks at the end of words and other spellings of one character do not matter."""
    assert normalise(one) == normalise(other)
    assert similarity(one, other) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a + b", "a - b"),
        ("x > 1", "x < 1"),
        ("x == 1", "x != 1"),
        ("C", "C++"),
        ("C", "C#"),
        ("-3", "3"),
        ("3.5", "35"),
        ("3.5", "3 5"),
        ("x²", "x2"),
        ("2⁵", "25"),
        ("1½", "11/2"),
        ("5!", "5"),
        ("!a", "a"),
        ("a.b", "a b"),
        ('split(",")', 'split(".")'),
        ('print(", ".join(x))', 'print(" ".join(x))'),
        ('x = "5"', "x = 5"),
        ("f(x)", "f[x]"),
        ("50 %", "50"),
        ("NET", ".NET"),
        ("काल", "कल"),  # time; yesterday
        ("か", "が"),
        ("ข้าว", "ขาว"),  # rice; white
        ("😀", "😢"),
        ("👍", "👎"),
        ("猫", "犬"),
        ("schon", "schön"),
    ],
)
def test_what_says_something_else_is_not_equal(one: str, other: str) -> None:
    """Signs of code and mathematics, numbers, marks on letters and emoji carry meaning."""
    assert normalise(one) != normalise(other)


@given(st.text(), st.text())
def test_similarity_does_not_depend_on_the_order(one: str, other: str) -> None:
    """Two texts are as alike as the other way round, from 0 to 1; equal normal forms are at 1."""
    share = similarity(one, other)
    assert share == similarity(other, one)
    assert 0 <= share <= 1
    assert similarity(one, normalise(one)) == 1


def test_texts_of_one_template_are_not_near_duplicates() -> None:
    """Instructions that share a template but not its numbers or nouns are below the threshold."""
    world = World()
    chosen = [[SKILLS[(first + n) % 5] for n in range(size)] for first in range(5) for size in (1, 2)]
    texts = [text for use in USE_CASES for skills in chosen for text in world.decode(use, skills, 4)]
    sets = [shingles(text) for text in texts]
    assert max(itertools.starmap(jaccard, itertools.combinations(sets, 2))) < THRESHOLD


@given(st.integers(0, len(INSTRUCTION.split()) - 1), st.sampled_from(WORDS))
def test_small_changes_are_found(at: int, word: str) -> None:
    """A changed word of a dozen or more, another case, a polite opening, a full stop and swapped words are found."""
    words = INSTRUCTION.split()
    changes = [
        " ".join([*words[:at], word, *words[at + 1 :]]),
        INSTRUCTION.swapcase(),
        f"Please {INSTRUCTION}",
        f"{INSTRUCTION}.",
        " ".join([words[at], *words[:at], *words[at + 1 :]]),
        " ".join([*words[: max(at - 1, 0)], *reversed(words[max(at - 1, 0) : at + 1]), *words[at + 1 :]]),
    ]
    assert [change for change in changes if similarity(INSTRUCTION, change) < THRESHOLD] == []


@pytest.mark.parametrize(
    ("child", "is_unchanged"),
    [
        (INSTRUCTION, True),
        (INSTRUCTION.upper() + "!", True),
        (f"“{INSTRUCTION}.”", True),
        (f"{INSTRUCTION}; also 345", False),
        (f"{INSTRUCTION}. Use no more than eighty words.", False),
        (f"{INSTRUCTION}. " * 8, True),
        (f"{INSTRUCTION}, and end with a question that the baker asks herself.", False),
    ],
)
def test_an_improvement_that_adds_a_sentence_is_one(child: str, is_unchanged: bool) -> None:
    """What repeats its parent in other spelling is unchanged; what asks for more is not."""
    assert (similarity(INSTRUCTION, child) >= UNCHANGED) is is_unchanged


def test_a_sentence_more_is_an_improvement_of_a_long_parent_too() -> None:
    """A sentence of ten words changes a parent of a hundred and fifty."""
    draw = random.Random(4)
    parent = " ".join("".join(draw.choices("aeinorst", k=6)) for _ in range(150))
    assert (
        THRESHOLD
        <= similarity(parent, f"{parent} Then say in ten words what nobody else has noticed.")
        < UNCHANGED
    )


def mutated_texts(draw: random.Random, size: int) -> list[str]:
    """Return texts of which four in ten are an earlier one with one to three words changed, added or cased."""
    texts: list[str] = []
    for _ in range(size):
        if texts and draw.random() < 0.4:
            words = draw.choice(texts).split()
            for _ in range(draw.randint(1, 3)):
                at = draw.randrange(len(words))
                words[at : at + draw.randint(0, 1)] = [draw.choice([*WORDS, words[at].upper()])]
        else:
            words = draw.choices(WORDS, k=draw.randint(2, 30))
        texts.append(" ".join(words))
    return texts


def find_all(texts: list[str]) -> list[Duplicate | None]:
    """Return what the index finds for each text among those before it."""
    index, found = NearDuplicates(), []
    for at, text in enumerate(texts):
        found.append(index.find(text))
        index.add(str(at), text)
    return found


def jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def brute_force(texts: list[str]) -> list[Duplicate | None]:
    """Return the same by comparing all pairs."""
    found: list[Duplicate | None] = []
    sets, normal = [shingles(text) for text in texts], [normalise(text) for text in texts]
    for at in range(len(texts)):
        alike = [(normal[at] == normal[n], jaccard(sets[at], sets[n]), -n) for n in range(at)]
        equal, share, place = max(alike, default=(False, 0.0, 0))
        reason = "duplicate" if equal else "near_duplicate"
        found.append(Duplicate(reason, str(-place), share) if share >= THRESHOLD else None)
    return found


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_index_finds_what_comparing_all_pairs_finds(draw: random.Random) -> None:
    """Each text's most similar earlier one is found, and the first of several, in whatever order they come."""
    texts = mutated_texts(draw, 60)
    assert find_all(texts) == brute_force(texts)
    draw.shuffle(texts)
    assert find_all(texts) == brute_force(texts)


def test_no_near_duplicate_is_left_among_many() -> None:
    """Of 500 texts those that the index lets through have no near-duplicate pair."""
    texts = mutated_texts(random.Random(1), 500)
    kept, index = [], NearDuplicates()
    for text in texts:
        if index.find(text) is None:
            index.add(text, text)
            kept.append(text)
    assert 100 < len(kept) < 400
    sets = [shingles(text) for text in kept]
    assert max(itertools.starmap(jaccard, itertools.combinations(sets, 2))) < THRESHOLD


def test_the_bands_miss_next_to_nothing() -> None:
    """A pair at the threshold is missed less than once in a million times."""
    assert (1 - THRESHOLD**BAND_ROWS) ** BANDS < 1e-6


def test_equal_texts_are_named_before_similar_ones() -> None:
    """The first text that is equal is named, even after one whose words are the same in another spelling."""
    index = NearDuplicates()
    for key, text in {
        "a": "say don't-know twice",
        "b": "Say don t know twice",
        "c": "say don t know twice!",
    }.items():
        index.add(key, text)
    assert index.find("SAY DON T KNOW TWICE") == Duplicate("duplicate", "b", 1.0)


@pytest.mark.parametrize("text", ["", "   ", "?", "…", "\ud800", "\x00", "🎈", "a", "的"])
def test_texts_without_words_are_compared_too(text: str) -> None:
    """Any text can be added and is found again, alone."""
    index = NearDuplicates()
    index.add("other", "Write a poem about the sea.")
    assert index.find(text) is None
    index.add("text", text)
    assert index.find(text) == Duplicate("duplicate", "text", 1.0)
    assert index.find("Write a poem about the sea") == Duplicate("duplicate", "other", 1.0)


def test_processes_agree(tmp_path: Path) -> None:
    """What is found does not depend on the process's seed of hashes."""
    script = tmp_path / "script.py"
    script.write_text(
        "import json, sys\n"
        "from codeclm_hf.stages.near_duplicates import NearDuplicates\n"
        "index = NearDuplicates()\n"
        "for at, text in enumerate(json.load(sys.stdin)):\n"
        "    print(index.find(text))\n"
        "    index.add(str(at), text)\n"
    )
    texts = mutated_texts(random.Random(2), 120)
    printed = {
        subprocess.run(
            [sys.executable, str(script)],
            input=json.dumps(texts),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {"".join(f"{found}\n" for found in find_all(texts))}
