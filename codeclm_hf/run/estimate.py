"""What a run will ask and about what that costs, counted before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

from codeclm_hf.endpoints.budget import Budget
from codeclm_hf.run.instructions import MOST_AGAIN
from codeclm_hf.run.rounds import Tally
from codeclm_hf.stages.check_metadata import MOST_DRAWS
from codeclm_hf.stages.decode import MOST_AT_ONCE
from codeclm_hf.stages.structured import RETRIES
from codeclm_hf.stages.tailor import IMPROVEMENT_TRIES, Tailor

TRIES = 1 + RETRIES
"""Most requests for one structured answer."""
RESPONSE_TRIES = 2
"""Most requests for one response."""
MOST_ACCEPTED, LEAST_ACCEPTED = 0.8, 0.2
"""Shares of accepted instructions that a plan reckons with where a number of examples is wanted.

The measured ones of real models lie between them; a run goes by its own.
"""


class Lengths(NamedTuple):
    """About how many tokens one request has, and its answer."""

    prompt: float
    completion: float


INSTRUCTION, RESPONSE = 50, 450
"""Tokens of an instruction and of a response: means of chat models' on instructions like those of the paper."""
LENGTHS: Mapping[str, Lengths] = {
    "encode": Lengths(250 + INSTRUCTION, 40),
    "check": Lengths(90, 20),
    "rubrics": Lengths(140, 240),
    "decode": Lengths(100, 0),
    "respond": Lengths(INSTRUCTION, RESPONSE),
    "judge": Lengths(140 + INSTRUCTION + 2 * RESPONSE, 12),
    "improve": Lengths(110 + INSTRUCTION, 1.5 * INSTRUCTION),
    "probe": Lengths(250, 12),
    "judge's check": Lengths(500, 150),
}
"""By stage: our prompts filled in with an ordinary instruction, at four bytes a token, and ordinary answers.

The rubrics are four of 25 tokens, with as many actions and the JSON around them; the judge writes two numbers.
The answers of `decode` are as long as the instructions in them.
"""
EXPLAINED_JUDGEMENT = Lengths(170 + INSTRUCTION + 2 * RESPONSE, 150)
"""A judgement of an evaluation, which has an explanation."""
_ROLES = {"judge": "judge", "probe": "judge", "judge's check": "judge"}
"""Who is asked, where it is not the strong model."""


METADATA_STAGES = ("probe", "encode", "check", "rubrics")
"""The stages of a run that stops once the metadata have their rubrics."""


class Requests(NamedTuple):
    """Requests of one stage."""

    stage: str
    least: int
    """When every answer can be read, all seeds mean the same, and every instruction is decided as it is."""
    most: int
    """When every answer is asked for again and every instruction goes through all iterations."""
    whole: int | None = None
    """When every instruction goes through all iterations, and no answer is asked for again; None for `most`."""


class StageCost(NamedTuple):
    """About what the requests of one stage cost."""

    stage: str
    low: float
    """Those that are asked at the least."""
    high: float
    """Those of a run in which every instruction goes through all iterations, and nothing is asked again."""


def plan_requests(
    tailor: Tailor, *, seeds: int, metadata: int, instructions: int, mixed: int = 0
) -> list[Requests]:
    """Count the requests of each stage; those that are sent again after a failed connection are left out.

    Args:
        tailor: the loop's settings.
        seeds: seed instructions that are encoded.
        metadata: metadata that are decoded, if all are different and none fails.
        instructions: basic instructions.
        mixed: metadata that are checked, at most.

    Returns:
        What is asked, stage by stage.
    """
    more, rest = instructions % metadata, metadata - instructions % metadata
    share = instructions // metadata
    decode = more * ceil((share + 1) / MOST_AT_ONCE) + rest * ceil(share / MOST_AT_ONCE)
    improvements = tailor.iterations - 1
    responses = 2 if tailor.contrastive_filter else 1
    judged = 2 if tailor.contrastive_filter else 0
    times = tailor.iterations if tailor.contrastive_filter else 1
    rubrics = metadata if improvements else 0
    probes = tailor.contrastive_filter and tailor.scoring == "expected"
    respond, judge, improve = (instructions * number for number in (responses, judged, improvements))
    return [
        *([Requests("probe", 1, 1)] if probes else []),
        Requests("encode", seeds, seeds * TRIES, seeds),
        *([Requests("check", 0, mixed * MOST_DRAWS * TRIES, mixed)] if mixed else []),
        Requests("rubrics", min(rubrics, 1), rubrics * TRIES, rubrics),
        Requests("decode", ceil(instructions / MOST_AT_ONCE), decode * (1 + MOST_AGAIN), decode),
        Requests("respond", respond, respond * times * RESPONSE_TRIES, respond * times),
        Requests("judge", judge, judge * times * TRIES, judge * times),
        Requests(
            "improve",
            0 if tailor.contrastive_filter else improve,
            improve * IMPROVEMENT_TRIES,
            improve,
        ),
    ]


def plan_examples(
    tailor: Tailor, *, seeds: int, metadata: int, examples: int, mixed: int = 0
) -> list[Requests]:
    """Count the requests of a run that goes on until so many rows are accepted.

    The least are those of a run in which `MOST_ACCEPTED` of the instructions are accepted, and the most those
    of one in which `LEAST_ACCEPTED` are.

    Args:
        tailor: as for `plan_requests`.
        seeds: as for `plan_requests`.
        metadata: as for `plan_requests`.
        examples: rows to accept.
        mixed: as for `plan_requests`.
    """
    low, high = (
        plan_requests(tailor, seeds=seeds, metadata=metadata, instructions=ceil(examples / rate), mixed=mixed)
        for rate in (MOST_ACCEPTED, LEAST_ACCEPTED)
    )
    return [
        Requests(few.stage, few.least, many.most, many.whole) for few, many in zip(low, high, strict=True)
    ]


def instructions_for(examples: int) -> tuple[int, int]:
    """Return how many instructions so many accepted rows take, if many are accepted and if few are."""
    return ceil(examples / MOST_ACCEPTED), ceil(examples / LEAST_ACCEPTED)


def plan_rounds(examples: int, rate: float) -> int:
    """Return how many rounds it takes to accept so many rows, if a share of the instructions is accepted."""
    tally, number = Tally(), 0
    while tally.accepted < examples:
        size = tally.next_size(examples)
        tally = tally.after(asked=size, tried=size, accepted=ceil(rate * size))
        number += 1
    return number


def plan_costs(
    requests: Sequence[Requests],
    *,
    budget: Budget,
    models: Mapping[str, str],
    responders: Sequence[str],
    max_new_tokens: int,
    instructions: tuple[int, int] = (0, 0),
    explained: bool = False,
) -> list[StageCost]:
    """Return about what requests cost, stage by stage; empty where the budget has no prices.

    Args:
        requests: as they are planned.
        budget: knows the prices.
        models: the models' identities by role.
        responders: the roles that respond, each equally often.
        max_new_tokens: most tokens of a response.
        instructions: how many the strong model is to write, at the least and at the most.
        explained: whether judgements have an explanation.
    """
    costs = []
    for stage in requests:
        roles = list(responders) if stage.stage == "respond" else [_ROLES.get(stage.stage, "strong")]
        each = [_cost(stage.stage, budget, models[role], max_new_tokens, explained) for role in roles]
        if None in each:
            return []
        mean = sum(one or 0.0 for one in each) / max(len(each), 1)
        low, high = stage.least * mean, (stage.most if stage.whole is None else stage.whole) * mean
        if stage.stage == "decode":
            written = budget.price(0, INSTRUCTION, model=models["strong"]) or 0.0
            low, high = low + instructions[0] * written, high + instructions[1] * written
        costs.append(StageCost(stage.stage, low, high))
    return costs


def _cost(stage: str, budget: Budget, model: str, max_new_tokens: int, explained: bool) -> float | None:
    """Return about what one request costs."""
    prompt, completion = EXPLAINED_JUDGEMENT if explained and stage == "judge" else LENGTHS[stage]
    if stage == "judge":
        prompt -= 2 * max(0, RESPONSE - max_new_tokens)
    if stage == "respond":
        completion = min(completion, max_new_tokens)
    return budget.price(round(prompt), round(completion), model=model)
