"""What a model thought is told from what it answered, whatever its family writes around its thoughts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.endpoints.thinking import FAMILIES, Family, Split, split

MARKS = [(family.opening, family.closing) for family in FAMILIES]
CLOSED_ALONE = [family.closing for family in FAMILIES if family.alone]
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
@pytest.mark.parametrize("form", ["hm\n{0}\n\n8 7", "hm{0}\n8 7", "\nhm\n{0}8 7", "hm{0}8 7", "hm{0}{0}8 7"])
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
        ("Here's my thought process: hm Here's my response: 8 7", "hm", "8 7"),
        ("<think:6124c78e>hm</think:6124c78e>8 7", "hm", "8 7"),
        ("hm</think:6124c78e>8 7", "hm", "8 7"),
        ("<|think|>hm<|end|><|begin|>assistant<|content|>8 7<|end|>", "hm", "8 7"),
        ("<|begin|>assistant<|content|>8 7", "", "8 7"),
        ("/think\nhm<|im_end|>\n<|im_start|>assistant\n8 7<|im_end|>", "hm", "8 7"),
        (
            "hm<|close|>think<|sep|><|open|>response<|sep|>8 7<|close|>response<|sep|>"
            "<|close|>message<|sep|><|end_of_msg|>",
            "hm",
            "8 7",
        ),
        ("<think>hm</think><answer>It is <|begin_of_box|>8 7<|end_of_box|></answer>", "hm", "It is 8 7"),
        ("8 7<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "", "8 7"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n8 7<|eot_id|>", "", "8 7"),
        ("8 7<|im_end|>\n<|im_start|>assistant", "", "8 7"),
        ("hm. </think> 8 7", "hm.", "8 7"),
        ("hm</think>```python\nx\n```", "hm", "```python\nx\n```"),
        (
            '<think>What of `</think>` and "</think>"? hm</think>8 7',
            'What of `</think>` and "</think>"? hm',
            "8 7",
        ),
        ("<think>say `</think>`, and", "say `</think>`, and", ""),
        ("They ask of <think> tags. hm\n</think>\n8 7", "They ask of <think> tags. hm", "8 7"),
        ("<think>a<think>b</think>c</think>8 7", "a<think>b\nc", "8 7"),
        (
            "analysisThe assistant final answer is hm.assistantfinal8 7",
            "The assistant final answer is hm.",
            "8 7",
        ),
        ("<thi", "", ""),
        ("<|START_THINK", "", ""),
        ("[THI", "", ""),
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
        '{"instruction": "Which tag ends it: </think> or</think>x?"}',
        "Magistral ends its thoughts with [/THINK], and Kimi with ◁/think▷ then.",
        "Write `x</think>y` in one line.",
        "<doc>\n<reasoning>hm</reasoning>\n<score>8</score>\n</doc>",
        "<doc>\n<think>hm</think>\n</doc>",
        "Use <think></think>\nand be done.",
        "It was <s>9</s>",
        "<s>9</s> 8",
        "analysisResult = fit(x)\nprint(analysisResult)",
        "analysis of what the assistant finally says: 8",
        "<th",
    ],
)
def test_what_is_no_thought_stays(content: str) -> None:
    """Marks further on, in code or in quotes are part of the answer."""
    assert split(content) == ("", content)


@pytest.mark.parametrize("tag", ["thinking", "thought", "reasoning", "scratchpad"])
def test_tags_that_were_asked_for_are_text(tag: str) -> None:
    """An answer in XML is whole where the instruction names its tags; the model's own thoughts go all the same."""
    asked = f"Wrap your steps in <{tag.upper()}> tags and the result in <answer> tags."
    answer = f"<{tag}>4 + 4</{tag}>\n<answer>8</answer>"
    assert split(answer, asked) == ("", answer)
    assert split(f"<think>hm</think>\n{answer}", asked) == ("hm", answer)
    assert split(f"hm\n</think>\n{answer}", asked) == ("hm", answer)
    assert split(answer, "Add 4 and 4.") == ("4 + 4", "8")


def test_much_white_space_takes_no_time() -> None:
    """A model that fills its room with white space is read all the same."""
    content = '{"scores": [' + " \n" * 200_000 + "<|im_end|>"
    assert split(content + "8 7").text == content + "8 7"
    assert split("hm" + "\n " * 200_000 + "\n</think>\n8 7").text == "8 7"


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
