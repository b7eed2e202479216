"""What is wrong with a response: loops, refusals, other languages, echoes."""

from __future__ import annotations

import itertools
import re
import string
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.stages import flags
from codeclm_hf.stages.flags import FLAGS, flags_of
from codeclm_hf.stages.loops import LOOP, loop_length
from codeclm_hf.stages.refusal_openings import REFUSALS

GOOD = (
    "Baking bread at home starts with four things: flour, water, salt and yeast. Mix them until no dry flour is left,"
    " and let the dough rest under a towel for an hour. Fold it a few times, which builds strength without kneading,"
    " and shape it gently so that the air stays inside. A hot pot with a lid keeps the steam, which gives the crust"
    " its shine; take the lid off for the last minutes. When the loaf sounds hollow, let it cool before you cut it."
)
WORDS = "river stone cloud paper engine violet market sudden harbor lantern".split()

LOOPS = {
    "one line": "I am sorry for the confusion.\n" * 60,
    "one line without an end": "The answer is that the answer is that " * 40,
    "a word": "very " * 400,
    "a phrase": "and I love you, " * 80,
    "a cycle of lines": "The sun rises over the hill.\nThe birds begin to sing.\nA fox looks at the moon.\n\n"
    * 12,
    "a paragraph": (GOOD + "\n\n") * 6,
    "rising numbers": "".join(
        f"Step {n}: Check that the oven is hot and turn the tray around.\n" for n in range(17, 70)
    ),
    "rising numbers in bold": "".join(
        f"**Step {n}**: Look at the results of the last step and adjust the plan where it is needed.\n\n"
        for n in range(3, 60)
    ),
    "numbered list of one thing": "".join(
        f"{n}. Drink a glass of water after you get up.\n" for n in range(1, 90)
    ),
    "Chinese": "我认为这个问题非常重要，需要认真对待。" * 60,
    "Chinese without marks": "我爱你" * 300,
    "Chinese steps": "".join(f"第{n}步：请仔细检查所有的数据并记录结果。\n" for n in range(1, 120)),
    "Japanese": "それはとても大切なことだと思います。" * 60,
    "Korean": "이 문제는 매우 중요하다고 생각합니다. " * 60,
    "Russian": "Это очень важный вопрос, и на него нужно ответить. " * 40,
    "Arabic": "هذا سؤال مهم جدا ويجب أن نجيب عليه بعناية. " * 40,
    "Hindi": "यह एक बहुत महत्वपूर्ण प्रश्न है और हमें इसका उत्तर देना चाहिए। " * 40,
    "Thai": "นี่เป็นคำถามที่สำคัญมากและเราควรตอบอย่างระมัดระวัง" * 40,
    "after a good beginning": GOOD + "\n\n" + "Let the dough rest and fold it again. " * 40,
    "before a good end": "Let the dough rest and fold it again. " * 40 + GOOD,
    "cut off within": GOOD + " Let the dough rest and fold it again." * 40 + " Let the dou",
    "other indentation": "".join(
        " " * (n % 7) + "We will see what the next day brings us.\n" for n in range(40)
    ),
    "a list of one thing": "- Be kind to others and to yourself\n" * 50,
    "a loop of short loops": ("na " * 30 + "hey! ") * 12,
    "a question and an answer": "Q: What is the capital? A: It is Paris. " * 50,
}


def table(rows: int) -> str:
    rng = Random(3)
    head = "| City | Country | People | Founded |\n|------|------|------|------|\n"
    return head + "".join(
        f"| {rng.choice(WORDS)} | {rng.choice(WORDS)} | {rng.randint(1, 9999)} | {rng.randint(1, 2000)} |\n"
        for _ in range(rows)
    )


RNG = Random(5)
NO_LOOPS = {
    "prose": GOOD,
    "prose twice": f"{GOOD}\n\nOnce more, in other words:\n\n{GOOD}",
    "a table": table(80),
    "a table of yes and no": "| Feature | A | B | C |\n|---|---|---|---|\n" + "".join(
        f"| {a} {b} | Yes | No | Yes |\n" for a, b in itertools.permutations(WORDS, 2)
    ),
    "an empty table": "| Day | Morning | Noon | Evening |\n|---|---|---|---|\n" + "|     |     |     |     |\n" * 60,
    "multiplication tables": "".join(f"{a} x {b} = {a * b}\n" for a in range(1, 13) for b in range(1, 13)),
    "multiplication in words": "".join(f"{a} times {b} is {a * b}.\n" for a in range(1, 11) for b in range(1, 11)),
    "CSV": "id,name,age,city\n" + "".join(
        f"{n},{RNG.choice(WORDS)} {RNG.choice(WORDS)},{RNG.randint(18, 90)},{RNG.choice(WORDS)}\n" for n in range(120)
    ),
    "CSV of numbers": "".join(f"{n},{RNG.randint(1, 99)},{RNG.random():.3f},open\n" for n in range(200)),
    "JSON": "[\n" + ",\n".join(
        f'  {{"id": {n}, "name": "User {n}", "email": "user{n}@example.com", "active": true}}' for n in range(60)
    ) + "\n]",
    "YAML": "".join(f"- name: server{n}\n  host: 10.0.0.{n}\n  port: 80{n}\n" for n in range(60)),
    "a log": "".join(f"2024-01-{n % 28 + 1:02} 12:{n:02}:07 INFO Request processed in {n * 7} ms\n" for n in range(60)),
    "code": "".join(
        f"    if key == '{word}':\n        return self.handle_{word}(value)\n" for word in WORDS * 3
    ),
    "layers": "".join(f"self.conv{n} = nn.Conv2d({2**n}, {2 ** (n + 1)}, kernel_size=3)\n" for n in range(1, 40)),
    "HTML": "<table>\n" + ("<tr>" + '<td class="cell"></td>' * 9 + "</tr>\n") * 9 + "</table>",
    "empty items": '<li class="item">empty</li>\n' * 60,
    "SVG": "".join(f'<rect x="{x}" y="{y}" width="10" height="10"/>' for x in range(10) for y in range(10)),
    "a chessboard": ("|" + "___|" * 8 + "\n") * 8,
    "ASCII art": "\n".join(" " * (20 - n) + "/" + "*" * (2 * n) + "\\" for n in range(20)) + "\n" + "=" * 400,
    "a line of dashes": "-" * 1500,
    "a refrain": "\n\n".join(
        f"The {a} sings beside the {b} at night,\nand every {c} is listening to its light.\n"
        "Sing on, sing on, the morning is not long,\nsing on, my heart, and give the day a song."
        for a, b, c in itertools.islice(itertools.permutations(WORDS, 3), 0, 400, 40)
    ),
    "a chorus three times": "\n\n".join(["Come home, come home, the lights are on and the table is set for you."] * 3),
    "a list of similar items": "".join(
        f"{n}. The {a} of the {b} is a place that every visitor should see.\n"
        for n, (a, b) in enumerate(itertools.islice(itertools.permutations(WORDS, 2), 40), 1)
    ),
    "a month of workouts": "".join(
        f"Day {n}: {RNG.choice(('Run', 'Swim', 'Rest', 'Lift', 'Walk'))} for {RNG.randint(10, 60)} minutes.\n"
        for n in range(1, 31)
    ),
    "short": "Paris.",
    "laughter": "Ha ha ha ha ha ha ha ha ha!",
    "long laughter": "ha " * 60,
    "a line asked for twenty times": "I will not talk in class.\n" * 20,
    "numbers": " ".join(map(str, range(1, 800))),
    "fifty chapters": "".join(f"Chapter {n}: The {a} and the {b}\n" for n, (a, b) in enumerate(
        itertools.islice(itertools.permutations(WORDS, 2), 50))),
    "forty weeks": "".join(f"Week {n}: Run {n + 2} times and rest on Sunday.\n" for n in range(1, 26)),
    "primes": ", ".join(str(n) for n in range(2, 1500) if all(n % d for d in range(2, int(n**0.5) + 1))),
    "bits": "01" * 900,
    "a matrix": "\n".join(" ".join(str(RNG.randint(0, 1)) for _ in range(30)) for _ in range(30)),
    "DNA": "".join(RNG.choice("ACGT") for _ in range(2000)),
    "a dialogue": "".join(
        f"Anna: What do you think of the {a}?\nBen: I like the {a}, but I prefer the {b}.\n"
        for a, b in itertools.islice(itertools.permutations(WORDS, 2), 30)
    ),
    "Chinese prose": "".join(f"{a}在{b}的旁边，{c}正慢慢地走过来。" for a, b, c in itertools.islice(
        itertools.permutations("山水风云花鸟鱼虫日月星辰", 3), 60)),
    "LaTeX": "".join(rf"\frac{{{n}}}{{{n + 1}}} + " for n in range(100)),
    "a form": "Name: ______________ Date: __________ Signature: ______________\n" * 10,
}  # fmt: skip


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_a_loop_is_degenerate(text: str) -> None:
    """What says the same over and over is flagged, in any language, wherever it stands and whatever numbers rise."""
    assert flags_of(text, instruction="Tell me something.", finish_reason="stop") == ("degenerate",)


@pytest.mark.parametrize("text", NO_LOOPS.values(), ids=NO_LOOPS)
def test_what_looks_alike_by_nature_is_no_loop(text: str) -> None:
    """Tables, data, code, drawings, refrains, lists and a few repetitions that were asked for are whole answers."""
    assert loop_length(text) < LOOP


@pytest.mark.parametrize("sign", "!?😀")
@pytest.mark.parametrize("before", ["", GOOD])
def test_one_sign_without_an_end_is_a_loop(sign: str, before: str) -> None:
    """Signs that draw no lines are a loop as letters are: broken models write `!` for ever."""
    assert loop_length(f"{before} {sign * (LOOP - 1)}") < LOOP <= loop_length(f"{before} {sign * LOOP}")


units = st.text(
    st.sampled_from(string.ascii_letters + "  ,.!?äßéжшיम我你好的语言\n"), min_size=1, max_size=300
).filter(lambda unit: any(map(str.isalpha, unit)))


@given(units, st.sampled_from(["", GOOD]), st.sampled_from(["", GOOD]))
def test_any_text_repeated_often_enough_is_a_loop(unit: str, before: str, after: str) -> None:
    """Whatever is repeated, and whatever stands before and after it."""
    letters = sum(map(str.isalpha, unit))
    unit = " ".join(unit.split()) + " "
    repetitions = max(4, -(-LOOP // letters)) + 2 + 60 // len(unit)
    assert loop_length(before + " " + unit * repetitions + after) >= LOOP


@pytest.mark.parametrize("offset", range(0, 700, 33))
def test_a_short_loop_is_found_wherever_it_begins(offset: int) -> None:
    """It needs no more than its letters, and what stands around it may be of any length."""
    prose = " ".join(f"{a} {b} {c}." for a, b, c in itertools.permutations(WORDS[:6], 3))[: 200 + offset]
    sentence = "We turn around and walk home. "
    loop = sentence * (2 + LOOP // sum(map(str.isalpha, sentence)))
    assert loop_length(prose) < LOOP <= loop_length(f"{prose} {loop}{prose}")


def test_a_cycle_of_lines_that_begin_alike_is_a_loop() -> None:
    """Where the same words stand nearer than the whole cycle does, the cycle is found all the same."""
    start = "The traveller who came over the mountain said that the "
    for offset in range(0, 60, 7):
        cycle = "".join(f"{start}{word}.\n" for word in ("a", "b", "c", "b", "a", "d"))
        assert loop_length("x" * offset + cycle * 5) >= LOOP


@given(units, st.integers(1, 40), st.sampled_from(["", GOOD]), st.integers(0, 9))
def test_white_space_changes_nothing(unit: str, repetitions: int, before: str, indent: int) -> None:
    """Lines, spaces and indentation are no part of the measure."""
    words = (before + " " + f"{unit} " * repetitions).split()
    assert loop_length(" ".join(words)) == loop_length(("\n" + " " * indent).join(words))


@given(st.permutations([f"{a} {b}" for a, b in itertools.permutations(WORDS, 2)]))
def test_a_text_without_repetition_has_no_loop(phrases: list[str]) -> None:
    """Many sentences from few words, in any order, are none."""
    assert loop_length(". ".join(phrases) + ".") < LOOP // 2


@given(units, st.integers(1, 3))
def test_what_stands_three_times_is_no_loop(unit: str, times: int) -> None:
    """A paragraph may be said three times, however long it is."""
    assert loop_length("\n\n".join([f"{GOOD} {unit}"] * times)) < LOOP


REFUSED = [
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, I cannot help with this request.",
    "Sorry, I am not able to provide that information.",
    "I apologize, but I am unable to create such content.",
    "I'm sorry. I can't help with that.",
    "I cannot fulfill this request. I am programmed to be a helpful and harmless AI assistant.",
    "I can't help with that, but here is something else.",
    "I can’t create content that depicts real people.",
    "As an AI language model, I don't have personal opinions.",
    "As a responsible AI, I must say that I cannot write this.",
    "Unfortunately, I cannot access the internet.",
    "**I'm sorry, but I won't be able to do that.**",
    "Es tut mir leid, aber dabei kann ich dir nicht helfen.",
    "Das kann ich leider nicht beantworten.",
    "Leider kann ich diese Anfrage nicht erfüllen.",
    "Je suis désolé, mais je ne peux pas répondre à cette demande.",
    "Désolée, je ne peux pas vous aider.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "No puedo proporcionar esa información.",
    "Mi dispiace, ma non posso aiutarti con questa richiesta.",
    "Desculpe, mas não posso ajudar com isso.",
    "Sinto muito, não consigo fornecer essa informação.",
    "Het spijt me, maar daar kan ik je niet bij helpen.",
    "Извините, но я не могу помочь с этим запросом.",
    "К сожалению, я не могу предоставить эту информацию.",
    "很抱歉，我无法提供这方面的帮助。",
    "对不起，我不能回答这个问题。",
    "作为一个人工智能语言模型，我无法浏览网页。",
    "申し訳ありませんが、そのリクエストにはお応えできません。",
    "すみません、その質問にはお答えできません。",
    "죄송합니다. 그 요청에는 도움을 드릴 수 없습니다.",
    "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    "عذرًا، لا أستطيع مساعدتك في ذلك.",
    "أعتذر، لا يمكنني تقديم هذه المعلومات.",
    "मुझे खेद है, लेकिन मैं इसमें आपकी मदद नहीं कर सकता।",
    "क्षमा करें, मैं यह जानकारी नहीं दे सकता।",
    "Üzgünüm, bu konuda yardımcı olamam.",
    "Maaf, saya tidak dapat membantu permintaan itu.",
    "Xin lỗi, tôi không thể giúp bạn việc đó.",
    "Przepraszam, ale nie mogę w tym pomóc.",
]
NOT_REFUSED = [
    "I can't believe it's already Friday!",
    "I cannot stress enough how much sleep matters.",
    "I can't wait to see you on Sunday.",
    "I'm sorry for your loss. Your father was a kind man.",
    "I'm sorry to hear that your order arrived late. We will send a new one today.",
    "Sorry seems to be the hardest word, and here is why.",
    "Unfortunately, the bridge was closed, so we took the ferry.",
    "I don't think so: the answer is 12.",
    "As an engineer, you can start with a small model.",
    "As an AI researcher, you will need linear algebra.",
    "You cannot divide by zero.",
    "Dear customer, we are sorry that we cannot deliver today.",
    "Es tut mir leid, dass du krank bist. Gute Besserung!",
    "Leider war das Wetter schlecht, aber wir hatten Spaß.",
    "Je suis désolé pour votre perte.",
    "Lo siento mucho por tu pérdida.",
    "Mi dispiace per il ritardo; il treno era in ritardo.",
    "Извините за поздний ответ! Вот план.",
    "对不起，我来晚了。",
    "申し訳ありません、遅くなりました。",
    "죄송합니다, 늦었습니다.",
    "The model says: I'm sorry, but I can't assist with that.",
    "",
]


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_is_flagged_by_its_opening(text: str) -> None:
    """An apology with a "cannot", or a "cannot" with a verb of help, in many languages."""
    assert "refusal" in flags_of(text, instruction="Say it.", finish_reason="stop")


@pytest.mark.parametrize("text", NOT_REFUSED)
def test_other_apologies_and_impossibilities_are_no_refusals(text: str) -> None:
    """A letter of condolence, a "cannot" about something else, and quoted refusals are answers."""
    assert "refusal" not in flags_of(text, instruction="Say it.", finish_reason="stop")


def test_every_language_of_the_list_is_tried() -> None:
    """For each language that the list has there is a refusal above that its pattern alone knows."""
    for language, pattern in REFUSALS.items():
        alone = re.compile(rf"(?xi)[\s\W]{{0,4}}(?:{pattern})")
        assert any(map(alone.match, REFUSED)), language


GERMAN = (
    "Der Fuchs ging langsam durch den Wald und dachte darüber nach, was er am Abend essen sollte, denn der Winter"
    " war lang und die Vorräte waren klein."
)
FRENCH = "Le renard traversait lentement la forêt et se demandait ce qu'il allait manger ce soir en hiver."
CHINESE = "狐狸慢慢地穿过森林，想着晚上要吃什么，因为冬天很长，而储备的食物很少。它决定去河边看看有没有鱼。"
ENGLISH = (
    "The fox walked slowly through the forest and wondered what it should eat in the evening of a long day."
)
IN_GERMAN = (
    "Schreibe eine kurze Geschichte über einen Fuchs im Winter, der Hunger hat und durch den Wald geht."
)
IN_ENGLISH = "Write a short story about a fox in winter who is hungry and walks through the forest at night."
IN_CHINESE = "请写一个关于冬天里一只饥饿的狐狸穿过森林的短篇故事，要求情节完整，结尾出人意料。"
OTHER = [
    (IN_ENGLISH, GERMAN),
    (IN_ENGLISH, CHINESE),
    (IN_ENGLISH, FRENCH),
    (IN_GERMAN, ENGLISH),
    (IN_CHINESE, ENGLISH),
    (IN_GERMAN, FRENCH),
]
SAME = [
    (IN_ENGLISH, ENGLISH),
    (IN_GERMAN, GERMAN),
    (IN_CHINESE, CHINESE),
    ("Translate this into French: the fox walked slowly through the forest at night.", FRENCH),
    ("Write a story about a fox in German, please, with a surprising end.", GERMAN),
    ("Schreibe mir eine Geschichte über einen Fuchs auf Englisch, mit einem überraschenden Ende.", ENGLISH),
    ("用英语写一个关于狐狸的故事，要求语言生动，情节完整，结尾出人意料，不超过一百字。", ENGLISH),
    (f"Fasse diesen Text zusammen: {ENGLISH * 4}", ENGLISH),
    (f"Summarize this text: {GERMAN * 4}", GERMAN),
    (
        IN_GERMAN,
        "```python\ndef fox():\n    return 'The fox walked slowly through the forest at night.'\n```",
    ),
    (IN_GERMAN, "42"),
    (IN_GERMAN, "Paris, London, Rome, Madrid"),
    ("Fox!", GERMAN),
]


@pytest.mark.parametrize(("instruction", "response"), OTHER)
def test_another_language_than_the_instructions_is_flagged(instruction: str, response: str) -> None:
    """Where both are sure; it keeps nothing from being judged."""
    found = flags_of(response, instruction=instruction, finish_reason="stop")
    assert found == ("wrong_language",)
    assert not set(found) & set(flags.BLOCKING)


@pytest.mark.parametrize(("instruction", "response"), SAME)
def test_the_asked_for_language_is_not_flagged(instruction: str, response: str) -> None:
    """The same language, one that was asked for, one of a quoted text, code, and what is too short to tell."""
    assert flags_of(response, instruction=instruction, finish_reason="stop") == ()


ASKED = "Describe the harbour of a small town at dawn, in five sentences."


@pytest.mark.parametrize(
    "response",
    [
        ASKED,
        f"{ASKED}\n",
        ASKED.upper(),
        f"**{ASKED}**",
        f'"{ASKED}" Okay.',
    ],
)
def test_an_instruction_again_is_an_echo(response: str) -> None:
    """The whole instruction with little more, whatever its case and punctuation."""
    assert flags_of(response, instruction=ASKED, finish_reason="stop") == ("echo",)


@pytest.mark.parametrize(
    ("instruction", "response"),
    [
        (
            ASKED,
            f"{ASKED}\n\nThe boats lie still. A gull cries. The sun comes up behind the crane, and all is gold.",
        ),
        (ASKED, "The harbour of a small town at dawn is quiet."),
        ("Say yes.", "Say yes."),
        ("Correct this: I has a dog that barks at night.", "I have a dog that barks at night."),
    ],
)
def test_an_answer_that_begins_with_the_question_is_no_echo(instruction: str, response: str) -> None:
    """An answer may repeat what was asked before it goes on, or be short."""
    assert "echo" not in flags_of(response, instruction=instruction, finish_reason="stop")


def test_flags_come_in_one_order() -> None:
    """A cut-off loop has both flags; an empty response that was cut off too."""
    assert flags_of("very " * 400, instruction="Go.", finish_reason="length") == ("cut_off", "degenerate")
    assert flags_of(" \n", instruction="Go.", finish_reason="length") == ("cut_off", "empty")
    assert flags_of(" \u200b\u2060\n", instruction="Go.", finish_reason="stop") == ("empty",)
    assert flags.in_order(reversed(FLAGS)) == FLAGS
    assert set(flags.ASKED_AGAIN) < set(flags.BLOCKING) < set(FLAGS)
