"""The drafter: waves of instructions, screened in their order, and asked for again where they come to nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from codeclm_hf import CodecLM, schema
from codeclm_hf.endpoints.connect import endpoint
from codeclm_hf.run.instructions import MANY, MOST_AGAIN, Drafter
from codeclm_hf.stages.contamination import Contamination
from codeclm_hf.stages.draft import Draft
from codeclm_hf.stages.encode import metadata_row
from codeclm_hf.stages.near_duplicates import THRESHOLD, similarity
from codeclm_hf.stages.screen import Screen
from support.model_server import StandIn

WorldOf = Callable[..., tuple[StandIn, StandIn]]
TEXTS = (
    "Write a recipe for sourdough bread that a beginner can bake within a single day",
    "Plan a cycling tour along the Danube with five stops and a budget of 300 euros",
    "Explain which index a slow SQL query over ten million orders needs, and why",
    "Draft a polite letter to a landlord about a broken heating in December",
    "Prove that the square root of two is irrational, in words a child understands",
    "Name three ways to keep bees alive through a long winter",
)
METADATA = schema.table(
    [metadata_row(name, ["care"], origin="given", seed_ids=[]) for name in ("a task", "another task")],
    schema.METADATA,
)
IDS = METADATA["metadata_id"][:]


class Model:
    """Stands in for a map of the stage: what each metadata is answered in each wave, in turn."""

    def __init__(self, *answers: Sequence[Sequence[str]]) -> None:
        self.answers = dict(zip(IDS, map(list, answers), strict=True))
        self.asked: list[dict[str, tuple[int, int]]] = []
        """By map, what each metadata was asked for: (number, wave)."""

    def map(self, stage: Any, table: Dataset) -> Dataset:
        self.asked.append({row["metadata_id"]: (row["num_instructions"], row["wave"]) for row in table})
        rows = []
        for row in table:
            given = self.answers[row["metadata_id"]]
            drafts = list(given.pop(0))[: row["num_instructions"]] if given else []
            rows.append({**row, "drafts": drafts, "shortage": None if drafts else "it wrote nothing"})
        return schema.table(rows, stage.features)


def drafter_of(model: Model, world_of: WorldOf | None = None, seeds: Sequence[str] = ()) -> Drafter:
    """A drafter whose stage is never asked, with seeds that nothing may repeat."""
    draft = Draft(rubrics=None, decode=None)  # type: ignore[arg-type]
    known = [(f"seed {at}", text) for at, text in enumerate(seeds)]
    return Drafter(draft=draft, screen=Screen(known, Contamination()), map=model.map)


def texts_of(drafted: Any) -> list[list[str | None]]:
    rows = drafted.instructions.to_list()
    return [[row["instruction"] for row in rows if row["metadata_id"] == id] for id in IDS]


def test_what_is_new_is_taken_in_order() -> None:
    """Of two drafts alike the one of the earlier metadata stays, and the later is asked for again."""
    model = Model([TEXTS[:2]], [[TEXTS[0].lower(), TEXTS[2]], [TEXTS[3]]])
    drafter = drafter_of(model)
    drafted = drafter.next_round(METADATA, dict.fromkeys(IDS, 2))
    assert texts_of(drafted) == [[TEXTS[0], TEXTS[1]], [TEXTS[2], TEXTS[3]]]
    assert model.asked == [{IDS[0]: (2, 0), IDS[1]: (2, 0)}, {IDS[1]: (1, 1)}]
    assert drafter.asked == 5
    assert drafter.rejected == {"duplicate": 1}
    assert drafted.new == dict.fromkeys(IDS, 2)


def test_seeds_are_not_repeated() -> None:
    """A draft that is nearly a seed is asked for again."""
    model = Model([[f"Please {TEXTS[0].lower()}."], [TEXTS[1]]], [[TEXTS[2]]])
    drafter = drafter_of(model, seeds=[TEXTS[0]])
    assert texts_of(drafter.next_round(METADATA, dict.fromkeys(IDS, 1))) == [[TEXTS[1]], [TEXTS[2]]]
    assert drafter.rejected == {"near_duplicate": 1}


def test_what_stays_missing_is_a_failed_row() -> None:
    """After three more waves an instruction counts as missing, and its row says what came last."""
    model = Model([[TEXTS[0]]], [[TEXTS[0]]] * 9)
    drafter = drafter_of(model)
    drafted = drafter.next_round(METADATA, dict.fromkeys(IDS, 1))
    assert texts_of(drafted) == [[TEXTS[0]], [None]]
    assert len(model.asked) == 1 + MOST_AGAIN
    error = "decode: instruction 1 of 1: the model repeats a seed or another instruction"
    assert drafted.instructions["error"][:] == [None, error]
    assert drafter.asked == 5
    assert drafter.rejected == {"duplicate": 4}


def test_a_metadata_that_writes_nothing_new_is_not_asked_four_times() -> None:
    """Where none of ten or more drafts is new, no more of that metadata are asked for in the round."""
    model = Model([list(TEXTS), []], [[TEXTS[0]] * MANY] * 9)
    drafter = drafter_of(model)
    drafted = drafter.next_round(METADATA, {IDS[0]: len(TEXTS), IDS[1]: MANY})
    assert drafted.new == {IDS[0]: len(TEXTS), IDS[1]: 0}
    assert len(model.asked) == 1
    assert drafter.asked == len(TEXTS) + MANY == len(TEXTS) + drafter.rejected.total()


def test_each_round_asks_in_waves_of_its_own() -> None:
    """A further round has other waves, so other seeds."""
    model = Model([[TEXTS[0]]], [])
    drafter = drafter_of(model)
    first = drafter.next_round(METADATA, {IDS[0]: 1, IDS[1]: 1})
    drafter.next_round(first.metadata, {IDS[1]: 1})
    assert [wave for table in model.asked for id, (_, wave) in table.items() if id == IDS[1]] == list(
        range(8)
    )
    assert drafter.last_error == "it wrote nothing"
    assert drafter.rejected == {"missing": 8}


def test_where_others_will_be_made_what_is_missing_is_no_row() -> None:
    """Until enough rows are accepted a run makes other instructions, and lists only those that it has."""
    drafter = drafter_of(Model([[TEXTS[0]]], []))
    drafter.lists_missing = False
    assert texts_of(drafter.next_round(METADATA, dict.fromkeys(IDS, 1))) == [[TEXTS[0]], []]


@given(
    first=st.lists(st.lists(st.sampled_from(TEXTS), max_size=4), max_size=5),
    second=st.lists(st.lists(st.sampled_from(TEXTS), max_size=4), max_size=5),
    share=st.integers(0, 4),
)
def test_the_counts_add_up(first: list[list[str]], second: list[list[str]], share: int) -> None:
    """What was asked for is new, or was rejected for a reason; all that is new is unlike all else."""
    model = Model(first, second)
    drafter = drafter_of(model)
    drafted = drafter.next_round(METADATA, dict.fromkeys(IDS, share))
    new = [text for texts in texts_of(drafted) for text in texts if text is not None]
    assert drafter.asked == len(new) + drafter.rejected.total()
    assert drafter.asked == sum(number for table in model.asked for number, _ in table.values())
    assert len(drafted.instructions) == 2 * share
    assert all(similarity(a, b) < THRESHOLD for at, a in enumerate(new) for b in new[:at])


def test_rubrics_are_made_in_the_first_wave(world_of: WorldOf) -> None:
    """All metadata get their rubrics once, those without an instruction to make too; later waves ask for none."""
    servers = world_of()
    strong, target = (endpoint(server.url) for server in servers)
    codec = CodecLM(strong=strong, target=target)
    screen = Screen([], Contamination())
    drafter = Drafter(draft=codec.draft, screen=screen, map=lambda stage, table: stage.map(table))
    first = drafter.next_round(METADATA, {IDS[0]: 1})
    second = drafter.next_round(first.metadata, dict.fromkeys(IDS, 1))
    assert [len(actions) for actions in first.metadata["actions"]] == [4, 4]
    assert second.metadata.to_list() == first.metadata.to_list()
    assert sum("Write 4 rubrics" in str(body) for body in servers[0].asked) == 2
    assert first.instructions["actions"][0] == first.metadata["actions"][0]
