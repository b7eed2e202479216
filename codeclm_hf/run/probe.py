"""What a run asks before it pays for anything: whether the judge's server gives what the scoring reads."""

from __future__ import annotations

import re
from itertools import count

from codeclm_hf import ids
from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.journal import Journal
from codeclm_hf.endpoints.protocol import GenerationRequest
from codeclm_hf.errors import BadInput, RequestRejected, RowError
from codeclm_hf.stages.judging import SCORES_ALONE
from codeclm_hf.stages.tailor import TOP_LOGPROBS, Tailor

STAGE = "probe"
"""The stage of these requests, in the journal's counts."""
_MAX_TOKENS = 64


def check_log_probabilities(tailor: Tailor, journal: Journal) -> None:
    """Check that the judge's server gives log-probabilities where the scoring needs them, by one small request.

    Raises:
        BadInput: it gives none.
        EndpointError: the judge cannot be asked now.
        BudgetSpent: the journal's budget is used up.
    """
    if tailor.contrastive_filter and tailor.scoring == "expected":
        transport.run(_check_log_probabilities(tailor, journal))


async def _check_log_probabilities(tailor: Tailor, journal: Journal) -> None:
    for attempt in count():
        try:
            completion, replayed = await journal.ask(tailor.judge, _request(tailor, attempt))
        except RequestRejected as exc:
            if re.search(r"log.?prob", str(exc), re.I):
                raise _none_given(tailor, f"refuses to give any ({exc})") from exc
            return
        except RowError:
            return  # nothing is known; the rows will tell
        if completion.top_logprobs is not None or completion.no_answer:
            return
        if not replayed:  # an earlier try may be from before the server was started anew
            after = ", at least not of the answer behind its thoughts" if completion.thinking else ""
            raise _none_given(tailor, f"gives none{after}")


def _request(tailor: Tailor, attempt: int) -> GenerationRequest:
    """Return a small request in the shape of a judgement."""
    fence = ids.row_id(tailor.seed, STAGE)
    return GenerationRequest(
        messages=tailor.judge_prompt.messages(
            instruction="What is 2 + 2?", first="4", second="5", fence=fence
        ),
        seed=ids.derive(tailor.seed, STAGE, attempt),
        temperature=0.0,
        max_new_tokens=_MAX_TOKENS,
        schema=SCORES_ALONE,
        top_logprobs=TOP_LOGPROBS,
        stage=STAGE,
    )


def _none_given(tailor: Tailor, what: str) -> BadInput:
    return BadInput(
        f"needs the log-probabilities of the judge's tokens for the scoring `expected`; the server of "
        f"{tailor.judge.identity} {what}",
        hint="pass --scoring discrete, or a judge whose server gives them, as llama.cpp, vLLM and TGI do",
    )
