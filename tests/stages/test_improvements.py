"""What is wrong with an improved instruction: nothing new in it, or an answer in its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf.stages import improvements
from codeclm_hf.stages.contamination import Benchmark, Contamination
from codeclm_hf.stages.improvements import fault_of

POEM = "Write a poem about the sea."
CAPITAL = "What is the capital of France?"
EMAIL = "Write an email to my landlord about the broken heating."
SORTING = "Write a Python function that sorts a list of dictionaries by a key."
BREAD = "Explain how to bake sourdough bread."
TRIP = "Plan a weekend trip to Lisbon."
SUMMARY = "Summarize the plot of Romeo and Juliet."
LIST = "List five benefits of regular exercise."
MATHS = "A train travels 120 km in 2 hours. How fast is it?"
IMPROVED = [
    (POEM, "Write a poem about the sea in which every line begins with the last word of the line before."),
    (POEM, "Compose a sonnet on the sea as a dying sailor would tell it to his grandchild, without the"
     " word blue."),
    (POEM, "Write a poem of four stanzas about the sea; it must rhyme and contain a shipwreck."),
    (POEM, "Imagine you are the sea. Speak to the moon in twelve lines."),
    (POEM, "In the style of Emily Dickinson, write a poem about the sea that never names it."),
    (POEM, "A lighthouse keeper has lost his sight. Write the poem about the sea that he dictates to"
     " his daughter."),
    (POEM, "Craft a villanelle about the sea."),
    (CAPITAL, "What is the capital of France, and why did the government move away from it in 1940?"),
    (CAPITAL, "Explain how Paris became the capital of France, naming two cities that held the role"
     " before it."),
    (CAPITAL, "Compare the capital of France with that of Germany by population, area and history."),
    (CAPITAL, "The capital of France has changed several times. Describe when and why, in at most 100 words."),
    (CAPITAL, "Paris is the capital of France. Argue why Lyon should be in its place."),
    (CAPITAL, "Which city is the seat of the French government, and since when?"),
    (CAPITAL, "Name the capital of France and three of its bridges in order from east to west."),
    (EMAIL, "Write a firm but polite email to my landlord about the broken heating, citing the tenancy"
     " law of Berlin."),
    (EMAIL, "Here is the situation: the heating has been broken for nine days and I have a newborn."
     " Write to my landlord."),
    (EMAIL, "I have told my landlord twice that the heating is broken. Draft a third email that sets a"
     " deadline."),
    (EMAIL, "Dear assistant, please write an email to my landlord about the heating that mentions my rights."),
    (EMAIL, "My landlord ignores the broken heating. Compose an email that offers three dates for a repair."),
    (SORTING, "Write a Python function that sorts a list of dictionaries by several keys, each in its"
     " own direction."),
    (SORTING, "Write a Python function `sort_by(rows, key)` that is stable, handles missing keys, and"
     " has type hints."),
    (SORTING, "Given `rows = [{'a': 2}, {'a': 1}]`, implement merge sort by the key `a` without `sorted`."),
    (SORTING, "Implement the following signature so that rows without the key come last:\n\n"
     "```python\ndef sort_rows(rows: list[dict], key: str) -> list[dict]: ...\n```"),
    (SORTING, "Refactor the function below to be lazy.\n\ndef f(rows, key):\n    return sorted(rows,"
     " key=lambda r: r[key])"),
    (BREAD, "Explain how to bake sourdough bread at high altitude with a starter that is only three days old."),
    (BREAD, "Explain to a ten-year-old how to bake sourdough bread, using one metaphor throughout."),
    (BREAD, "You are a baker in 1850. Explain how to bake sourdough bread with the tools that you have."),
    (BREAD, "Sourdough bread often comes out dense. Diagnose five causes and give a remedy for each."),
    (BREAD, "Walk through baking sourdough bread hour by hour, from feeding the starter to slicing the loaf."),
    (TRIP, "Plan a weekend trip to Lisbon for a family with a wheelchair user and a budget of 400 euros."),
    (TRIP, "Plan a rainy weekend in Lisbon that avoids museums, with times and tram lines."),
    (TRIP, "This trip is for two vegans: plan a weekend in Lisbon with a restaurant for every meal."),
    (TRIP, "Lisbon, 48 hours, no car: plan it so that no hill is climbed twice."),
    (SUMMARY, "Summarize the plot of Romeo and Juliet from the nurse's point of view, in exactly five"
     " sentences."),
    (SUMMARY, "Retell Romeo and Juliet as a newspaper report. Keep every death in it."),
    (SUMMARY, "How would the plot of Romeo and Juliet change if the letter had arrived?"),
    (LIST, "List five benefits of regular exercise for people above seventy, each with the study that"
     " showed it."),
    (LIST, "List five benefits of regular exercise and, for each, a risk of doing too much."),
    (LIST, "There are many benefits of exercise. Rank five of them by how soon they show."),
    (MATHS, "A train travels 120 km in 2 hours, then 90 km in 1 hour. What is its mean speed?"),
    (MATHS, "A train leaves A at 8:00 and travels 120 km in 2 hours. Another leaves B at 8:30, 60 km"
     " away. When do they meet?"),
    (MATHS, "A train covers the first half of 120 km at 40 km/h. Determine the speed it needs on the"
     " second half for a"
     " mean of 60 km/h, and prove that 80 km/h on the first half would make it impossible to miss."),
    ("Schreibe ein Gedicht über das Meer.", "Schreibe ein Gedicht über das Meer, das sich reimt und"
     " einen Sturm enthält."),
    ("Schreibe ein Gedicht über das Meer.", "Verfasse ein Sonett über das Meer aus der Sicht eines"
     " alten Fischers."),
    ("Was ist die Hauptstadt von Frankreich?",
     "Erkläre, warum Paris die Hauptstadt von Frankreich ist, und nenne zwei frühere Hauptstädte."),
    ("Erkläre, wie man Brot backt.", "Die Küche hat keinen Ofen. Erkläre, wie man trotzdem Brot backt."),
    ("Écris un poème sur la mer.", "Écris un poème sur la mer où chaque vers commence par une voyelle."),
    ("Écris un poème sur la mer.", "Rédigez un poème sur la mer sans employer le mot bleu."),
    ("Quelle est la capitale de la France ?", "Compare la capitale de la France à celle de l'Italie en"
     " trois points."),
    ("Escribe un poema sobre el mar.", "Escribe un poema sobre el mar en el que no aparezca la letra e."),
    ("¿Cuál es la capital de Francia?", "Explica por qué París es la capital de Francia y desde cuándo."),
    ("Scrivi una poesia sul mare.", "Scrivi una poesia sul mare in rima, dal punto di vista di un faro."),
    ("Escreva um poema sobre o mar.", "Escreva um poema sobre o mar que conte a história de um naufrágio."),
    ("写一首关于大海的诗。", "写一首关于大海的诗，要求每句七个字，并且不能出现蓝字。"),
    ("法国的首都是哪里？", "请解释巴黎为什么成为法国的首都，并与里昂进行比较。"),
    ("海についての詩を書いてください。", "嵐の夜の海について、灯台守の視点から十二行の詩を書いてください。"),
    ("바다에 대한 시를 써 주세요.", "폭풍우 치는 밤의 바다에 대해 등대지기의 시점에서 열두 줄의 시를 써"
     " 주세요."),
    ("Напиши стихотворение о море.", "Напиши стихотворение о море, в котором каждая строка начинается с"
     " гласной."),
    ("Какая столица Франции?", "Объясни, почему Париж стал столицей Франции, и сравни его с Лионом."),
    ("اكتب قصيدة عن البحر.", "اكتب قصيدة عن البحر من منظور حارس منارة عجوز دون ذكر اللون الأزرق."),
    ("समुद्र पर एक कविता लिखिए।", "समुद्र पर एक ऐसी कविता लिखिए जिसमें हर पंक्ति एक स्वर से शुरू हो।"),
    ("Wat is de hoofdstad van Frankrijk?", "Leg uit waarom Parijs de hoofdstad van Frankrijk is en"
     " sinds wanneer dat zo is."),
    ("Vad är huvudstaden i Frankrike?", "Förklara varför Paris är huvudstaden i Frankrike och jämför"
     " den med Lyon."),
    ("Jaka jest stolica Francji?", "Wyjaśnij, dlaczego Paryż jest stolicą Francji, i porównaj go z Lyonem."),
    ("Fransa'nın başkenti neresidir?", "Paris'in neden Fransa'nın başkenti olduğunu açıkla ve Lyon ile"
     " karşılaştır."),
    ("Ποια είναι η πρωτεύουσα της Γαλλίας;", "Εξήγησε γιατί το Παρίσι είναι η πρωτεύουσα της Γαλλίας"
     " και σύγκρινέ το με τη Λυών."),
    ("เมืองหลวงของฝรั่งเศสคืออะไร?", "อธิบายว่าทำไมปารีสจึงเป็นเมืองหลวงของฝรั่งเศสและเปรียบเทียบกับลียง"),
    (POEM, "A poem about the sea that never uses the words blue, wave or salt, and hides the name of a city."),
    (TRIP, "A couple with a sarcastic teenager needs a weekend in Lisbon that bores nobody."),
    (BREAD, "Juxtapose two ways to bake sourdough bread."),
    (CAPITAL, "Juxtapose the capital of France and the capital of Belgium."),
    (LIST, "For an office worker with knee pain, list five benefits of regular exercise that need no jumping."),
]  # fmt: skip
STRONG = {
    POEM: "Beneath the moon the sea lies deep and wide,\nIts silver waves roll gently with the tide.\n"
    "The gulls cry out above the rocky shore,\nAnd sailors dream of lands they knew before.",
    BREAD: "To bake sourdough bread, start by feeding your starter the night before. Mix flour, water and salt,"
    " let the dough rest, fold it every half hour, shape it, and bake it in a hot pot with the lid on.",
    LIST: "1. It strengthens the heart.\n2. It lifts the mood.\n3. It helps with sleep.\n4. It keeps"
    " weight in check.\n"
    "5. It strengthens bones and muscles.",
}
ANSWERS = [
    (POEM, "Sure! Here's a poem about the sea:\n\nThe waves roll in, the waves roll out."),
    (POEM, "Beneath the moon the sea lies deep and blue,\nIts silver waves roll gently into view.\n"
     "The gulls cry out above the rocky shore,\nAnd sailors dream of lands they loved before."),
    (POEM, "The sea is wide, the sea is deep,\nit sings the tired ships to sleep.\n\nThe gulls above,"
     " the fish below,\n"
     "they watch the silver moonlight glow."),
    (POEM, "Here is a poem about the sea:\n\nO sea, O sea, how wide thou art,\nthy waves are beating"
     " like my heart."),
    (POEM, "Certainly! Below is a poem.\n\nO sea, how wide thou art."),
    (CAPITAL, "The capital of France is Paris."),
    (CAPITAL, "Paris is the capital of France."),
    (CAPITAL, "It is Paris, which lies on the Seine and has more than two million people."),
    (CAPITAL, "The capital of France is Paris. It has been the capital since the 10th century, with"
     " interruptions."),
    (CAPITAL, "France's capital is Paris."),
    (EMAIL, "Sure, here is an email you can send to your landlord:\n\nSubject: Broken heating"),
    (EMAIL, "Of course! Subject: Broken heating\n\nDear Mr Smith, the heating in my flat has been"
     " broken since Monday."),
    (SORTING, "```python\ndef sort_rows(rows, key):\n    return sorted(rows, key=lambda row: row[key])\n```"),
    (SORTING, "for row in sorted(rows, key=lambda row: row[key]):\n    print(row)"),
    (SORTING, "def sort_rows(rows, key):\n    return sorted(rows, key=lambda row: row[key])"),
    (SORTING, "from operator import itemgetter\n\ndef sort_rows(rows, key):\n    return sorted(rows,"
     " key=itemgetter(key))"),
    (SORTING, "Here's a Python function that sorts a list of dictionaries by a key:\n\n```python\ndef"
     " f(rows, key): ...\n```"),
    (BREAD, "To bake sourdough bread, start by feeding your starter the evening before. Mix flour,"
     " water and salt,"
     " let the dough rest, fold it every half hour, shape it, and bake it in a hot oven with the lid on."),
    (BREAD, "1. Feed the starter.\n2. Mix flour, water and salt.\n3. Let the dough rest.\n4. Bake it in"
     " a hot pot."),
    (BREAD, "**Step 1:** Feed the starter. **Step 2:** Mix flour and water."),
    (EMAIL, "Subject: Broken heating\n\nDear Mr Smith, please repair the heating."),
    (BREAD, "I'm sorry, but I can't help with that."),
    (LIST, "1. It strengthens the heart.\n2. It lifts the mood.\n3. It helps with sleep.\n4. It keeps"
     " weight in check.\n"
     "5. It builds bones and muscles."),
    (SUMMARY, "The play tells of two young lovers in Verona whose families hate each other. They marry"
     " in secret, and a"
     " letter that arrives too late leads to the death of both."),
    (SUMMARY, "Romeo and Juliet are two lovers from families at war. They die, and the families are"
     " reconciled."),
    (MATHS, "The train is 60 km/h fast."),
    (MATHS, "The speed is 120 km / 2 h = 60 km/h."),
    ("Was ist die Hauptstadt von Frankreich?", "Die Hauptstadt von Frankreich ist Paris."),
    ("Was ist die Hauptstadt von Frankreich?", "Paris ist die Hauptstadt von Frankreich."),
    ("Schreibe ein Gedicht über das Meer.", "Gerne! Hier ist ein Gedicht über das Meer:\n\nDas Meer ist weit."),
    ("Schreibe ein Gedicht über das Meer.", "Das Meer ist weit, das Meer ist tief,\nin dem der alte"
     " Fischer schlief."),
    ("Quelle est la capitale de la France ?", "La capitale de la France est Paris."),
    ("Écris un poème sur la mer.", "Voici un poème sur la mer :\n\nLa mer est grande et bleue."),
    ("¿Cuál es la capital de Francia?", "La capital de Francia es París."),
    ("Escribe un poema sobre el mar.", "¡Claro! Aquí tienes un poema sobre el mar: El mar es azul."),
    ("Scrivi una poesia sul mare.", "Certo! Ecco una poesia sul mare: Il mare è blu."),
    ("Qual é a capital da França?", "A capital da França é Paris."),
    ("法国的首都是哪里？", "法国的首都是巴黎。"),
    ("写一首关于大海的诗。", "当然！以下是一首关于大海的诗：\n\n大海啊，你是如此辽阔。"),
    ("フランスの首都はどこですか？", "フランスの首都はパリです。"),
    ("프랑스의 수도는 어디입니까?", "프랑스의 수도는 파리입니다."),
    ("Какая столица Франции?", "Столица Франции — Париж."),
    ("ما هي عاصمة فرنسا؟", "عاصمة فرنسا هي باريس."),
    ("फ्रांस की राजधानी क्या है?", "फ्रांस की राजधानी पेरिस है।"),
]  # fmt: skip


@pytest.mark.parametrize(("parent", "text"), IMPROVED)
def test_an_improvement_is_let_through(parent: str, text: str) -> None:
    """Questions, orders, conditions and scenes with an order in them are instructions."""
    responses = [STRONG[parent]] if parent in STRONG else []
    assert fault_of(text, parent=parent, responses=responses) is None


@pytest.mark.parametrize(("parent", "text"), ANSWERS)
def test_an_answer_is_told_from_an_improvement(parent: str, text: str) -> None:
    """By its opening, by what it states, by its code, or by its likeness to the response that is there."""
    responses = [STRONG[parent]] if parent in STRONG else []
    assert fault_of(text, parent=parent, responses=responses) == "answer"


@pytest.mark.parametrize(
    "text",
    [
        POEM,
        "write a poem about the sea",
        " Write  a poem\nabout the sea. ",
        f"{POEM}!",
    ],
)
def test_the_parent_again_is_unchanged(text: str) -> None:
    """Its case, spacing, punctuation and a letter make no improvement."""
    assert fault_of(text, parent=POEM) == "unchanged"


LONG = (
    "Write a guide for new members of a rowing club. Begin with the clothes that keep them warm, go on to the names of"
    " the parts of a boat, and explain each command of the cox with an example. Then describe a first outing from"
    " the boathouse to the bridge, with the mistakes that beginners make and how to put them right. Close with the"
    " rules of the river, the tides to look out for, and whom to call when somebody falls in."
)


def test_a_short_condition_improves_a_long_instruction() -> None:
    """What is nearly equal to a long parent but has a condition more is an improvement; one word is none."""
    for long in (LONG, LONG * 9):
        assert fault_of(f"{long} Do not use the letter z.", parent=long) is None
    assert fault_of(LONG.replace("somebody", "someone"), parent=LONG) == "unchanged"


def test_a_word_with_vowel_signs_is_one_word() -> None:
    """In Hindi, where signs stand within words, a word of thanks is no improvement either."""
    parent = (
        "भारत के स्वतंत्रता संग्राम में महिलाओं की भूमिका पर एक विस्तृत निबंध लिखिए, जिसमें कम से कम पाँच महिलाओं के योगदान"
        " का वर्णन हो और उनके जीवन की प्रमुख घटनाओं का क्रमवार उल्लेख किया गया हो"
    )
    assert fault_of(f"{parent} धन्यवाद", parent=parent) == "unchanged"


@given(st.sampled_from(IMPROVED))
def test_a_known_condition_is_an_improvement_of_any_instruction(row: tuple[str, str]) -> None:
    """An instruction with a condition more is let through, whatever it is; without, it is unchanged."""
    parent, _ = row
    assert fault_of(f"{parent} Use at most 100 words, and name one source.", parent=parent) is None
    assert fault_of(parent, parent=parent) == "unchanged"


def test_words_of_an_evaluation_set_are_none() -> None:
    """An improvement that has become a question of an evaluation set is no good, unless it is allowed."""
    question = (
        "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts does it take?"
    )
    sets = [Benchmark(name="gsm8k", texts=(question,))]
    contamination = Contamination(benchmarks=sets)
    assert fault_of(question, parent=MATHS, contamination=contamination) == "contaminated"
    assert fault_of(IMPROVED[0][1], parent=POEM, contamination=contamination) is None
    found = contamination.find(question, "instruction")
    assert found is not None
    allowed = Contamination(benchmarks=sets, allowed=[found.id])
    assert fault_of(question, parent=MATHS, contamination=allowed) is None


def test_every_fault_has_words() -> None:
    """What the error of a row says."""
    assert set(improvements.WORDS) == {"unchanged", "answer", "contaminated"}
