"""What a model thought is told from what it answered, whatever its family writes around its thoughts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.endpoints.thinking import FAMILIES, Family, Split, split

MARKS = [(family.opening, family.closing) for family in FAMILIES]
CLOSED_ALONE = [closing for _, closing in MARKS if not closing[0].isalpha() and closing != "</details>"]
HARMONY = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>8 7"


@pytest.mark.parametrize(("opening", "closing"), MARKS)
@pytest.mark.parametrize(
    "form",
    [
        "{0}hm{1}8 7",
        "{0}\nhm\n{1}\n\n8 7",
        "\n {0}hm{1}8 7<|im_end|>",
        "<|im_start|>assistant\n{0}hm{1}8 7</s>",
        "{0}hm{1}<answer>8 7</answer>",
        "{0}hm{1}\n<answer>\n8 7\n</answer>\n<|eot_id|>",
        "{0}{1}{0}hm{1}8 7",
    ],
)
def test_marked_thoughts_are_no_text(opening: str, closing: str, form: str) -> None:
    """Every family's marks go, with the template's tokens and what stands around the answer."""
    assert split(form.format(opening, closing)) == ("hm", "8 7")


@pytest.mark.parametrize("closing", CLOSED_ALONE)
@pytest.mark.parametrize("form", ["hm\n{0}\n\n8 7", "hm{0}\n8 7", "\nhm\n{0}8 7"])
def test_thoughts_that_the_template_opened_are_no_text(closing: str, form: str) -> None:
    """Where the prompt holds the opening mark the answer has the closing one alone."""
    assert split(form.format(closing)) == ("hm", "8 7")


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_unfinished_thoughts_are_no_answer(opening: str, closing: str) -> None:
    """What is opened and never closed is thoughts, to the last character."""
    assert split(f"{opening}hm, 8 7?") == ("hm, 8 7?", "")
    assert split(f"{opening}a{closing}{opening}b 8") == ("a\nb 8", "")


@pytest.mark.parametrize("closing", CLOSED_ALONE)
def test_more_thoughts_may_follow(closing: str) -> None:
    """A model that closes its thoughts twice has thought twice."""
    assert split(f"hm\n{closing}\nwait\n{closing}\n8 7") == ("hm\nwait", "8 7")


@pytest.mark.parametrize(
    ("content", "thinking", "text"),
    [
        (HARMONY, "hm", "8 7"),
        (f"<|start|>assistant{HARMONY}<|return|>", "hm", "8 7"),
        (HARMONY.replace("<|end|>", ""), "hm", "8 7"),
        (HARMONY.replace("analysis", "commentary"), "hm", "8 7"),
        ("<|channel|>final<|message|>8 7<|return|>", "", "8 7"),
        ("<|channel|>final <|constrain|>json<|message|>{}", "", "{}"),
        ("<|channel|>analysis<|message|>hm, 8", "hm, 8", ""),
        ("analysisWe hm.assistantfinal8 7", "We hm.", "8 7"),
        ("analysisuser hm.assistantcommentarya toolassistantfinal8 7", "user hm.\na tool", "8 7"),
        ("analysisWe hm, 8", "We hm, 8", ""),
        ('<think time="3s">hm</think >8 7', "hm", "8 7"),
        ("<THINK>hm</Think>8 7", "hm", "8 7"),
        ('<details type="reasoning" done="true">\n> hm\n</details>\n8 7', "> hm", "8 7"),
        ("<think>hm</think><|begin_of_solution|>8 7<|end_of_solution|>", "hm", "8 7"),
        ("<think>hm</think><answer>8 7", "hm", "8 7"),
        ("<think></think>8 7", "", "8 7"),
        ("<think>\n\n</think>\n\n8 7", "", "8 7"),
    ],
)
def test_forms_of_their_own(content: str, thinking: str, text: str) -> None:
    """Harmony's channels, attributes, other cases, and wrappers that were cut off."""
    assert split(content) == (thinking, text)


@pytest.mark.parametrize(
    "content",
    [
        "8 7",
        "",
        "Put your thoughts in <think> tags.",
        "Use `</think>` to end it.",
        "Explain </think> tags.",
        "```xml\n<think>\nhm\n</think>\n```",
        "Write:\n```\nhm\n</think>\n```\nand be done.",
        "<answer>8 7</answer>",
        "<details><summary>More</summary>8 7</details>",
        "analysis of the data: 8 7",
        "Here is my plan. 8 7",
        "[INFO] 8 7",
        "<html><s>8</s> 7</html>",
        'The token "<|im_end|>" ends a turn.',
        '{"instruction": "What does <think> do?"}',
    ],
)
def test_what_is_no_thought_stays(content: str) -> None:
    """Marks further on, in code or in quotes are part of the answer."""
    assert split(content) == ("", content)


@pytest.mark.parametrize(
    "token",
    [
        "<|im_end|>",
        "</s>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<end_of_turn>",
        "<｜end▁of▁sentence｜>",
        "<|return|>",
    ],
)
def test_template_tokens_are_no_text(token: str) -> None:
    """What ends a turn is not part of it, once or repeated; an answer of nothing else is empty."""
    assert split(f"8 7{token}").text == "8 7"
    assert split(f"8 7\n{token}{token}\n").text == "8 7"
    assert split(token).text == ""


@given(thinking=st.text("hm <>/8\n", min_size=1), text=st.text("ab .\n<>"), family=st.sampled_from(FAMILIES))
def test_no_character_of_thinking_is_left(thinking: str, text: str, family: Family) -> None:
    """Whatever is thought, the answer is what follows the first closing mark."""
    parts = split(f"{family.opening}{thinking}{family.closing}{text}")
    assert parts == Split(thinking.strip(), text.strip())


@given(st.text("<think>/|channelmsg[THINK]\n`8"))
def test_splitting_again_changes_nothing(content: str) -> None:
    """An answer has no thoughts any more."""
    once = split(content)
    assert split(once.text) == ("", once.text)
