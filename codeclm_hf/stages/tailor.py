"""Tailor: respond, judge in both orders, filter, improve, up to 4 iterations of one instruction (§4.2, §4.3).

The whole loop of an instruction runs inside its row, so no instruction waits for another at an iteration's
end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from datasets import Features

from codeclm_hf import ids, schema, settings
from codeclm_hf.endpoints.protocol import Completion, Endpoint
from codeclm_hf.errors import RequestRejected, RowError
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages import contrast
from codeclm_hf.stages.decode import TOKENS_AN_INSTRUCTION, instruction_id
from codeclm_hf.stages.encode import instruction_fault
from codeclm_hf.stages.judging import in_both_orders, scores_by_answer
from codeclm_hf.stages.parsing import answers
from codeclm_hf.stages.parsing.scores import expected_scores, scores
from codeclm_hf.stages.stage import Row, Stage
from codeclm_hf.stages.structured import SENTENCE, ask, gather, object_of, respond

TOP_LOGPROBS = 10
"""Alternatives a token that `expected` scoring reads."""
Actions = Callable[[], Awaitable[list[str]]]
"""Gives the actions of an instruction's metadata, once they are there."""
_IMPROVED = object_of(instruction=SENTENCE)


@dataclass(frozen=True, kw_only=True)
class Tailor(Stage):
    """Basic instructions → their trace: every version of each that was judged, with the verdict (§4.2, §4.3).

    Takes a column `instruction`, and `id`, `metadata_id`, `actions` and `error` where there are such columns;
    makes the table `schema.TRACE`, one row an instruction and iteration. With `thinking="keep"` it is
    `schema.TRACE_WITH_REASONING`.
    """

    needs: ClassVar[tuple[str, ...]] = ("instruction",)

    strong: Endpoint
    """Answers the instructions, and improves them."""
    target: Endpoint
    """The model that the data set is for; it answers too."""
    judge: Endpoint
    """Scores the two answers, in both orders, greedily."""
    judge_prompt: Prompt = field(default_factory=lambda: load("judge"))
    """Filled in with `instruction`, `first`, `second` and `fence`, a mark that no answer can know."""
    improve_prompt: Prompt = field(default_factory=lambda: load("improve"))
    """Filled in with `instruction` and `action`."""
    iterations: int = settings.ITERATIONS
    """Most versions of an instruction that are judged; the basic one is the first."""
    threshold: float = settings.THRESHOLD
    """θ, on the 10-point scale: a gap beyond it is accepted."""
    contrastive_filter: bool = True
    """Without it nothing is judged: every instruction is improved to the end and kept (table 3)."""
    scoring: str = settings.SCORING
    """`discrete`: the two numbers the judge writes; `expected`: the means of their distributions."""
    thinking: str = settings.THINKING
    """`strip` leaves out what a model thinks before it answers; `keep` gives it columns of its own."""
    temperature: float = settings.TEMPERATURE
    """Of the responses and the improved instructions; 0 means greedy."""
    max_new_tokens: int = settings.MAX_NEW_TOKENS
    """Of a response."""
    strong_system: str | None = None
    """The system prompt that the strong model answers instructions with, where it has one."""
    target_system: str | None = None
    """The same of the target, as it will be served."""

    @property
    def features(self) -> Features:
        """The trace, with the models' thoughts where they are kept."""
        return schema.TRACE_WITH_REASONING if self.thinking == "keep" else schema.TRACE

    def spec(self) -> dict[str, Any]:
        """Return what shapes the output, without the settings that have no effect beside the others."""
        idle = {"improve_prompt"} if self.iterations == 1 else set()
        if not self.contrastive_filter:
            idle |= {"target_system", "target", "judge", "judge_prompt", "threshold", "scoring"}
        return {name: value for name, value in super().spec().items() if name not in idle}

    async def rows(self, row: Row) -> list[Row]:
        """Return the trace of one basic instruction: a row for each iteration."""

        async def actions() -> list[str]:
            return row.get("actions") or []

        return await self.trace(row, actions)

    async def trace(self, row: Row, actions: Actions) -> list[Row]:
        """Return the trace of one basic instruction whose metadata may not have its actions yet.

        Args:
            row: the instruction, with the columns that the stage takes.
            actions: awaited when the instruction is to be improved for the first time.
        """
        candidate = self._basic(row)
        if error := instruction_fault(row["instruction"]):
            return [{**candidate, "verdict": "failed", "error": row.get("error") or error}]
        trace = [candidate]
        try:
            await self._judge(candidate)
            while candidate["verdict"] == "retry":
                candidate = await self._improve(candidate, await actions())
                trace.append(candidate)
                await self._judge(candidate)
        except RowError as exc:
            # What was paid for so far stays in the row.
            candidate |= {"verdict": "failed", "error": str(exc)}
        return trace

    async def _judge(self, candidate: Row) -> None:
        """Fill the responses, the scores and the verdict into the candidate.

        It is filled in as answers come, so that a row that fails keeps those that were paid for.
        """
        last = candidate["iteration"] == self.iterations
        if not self.contrastive_filter:
            if last:
                await self._respond("strong", self.strong, candidate)
            candidate["verdict"] = "accept_strong" if last else "retry"
            return
        await gather(
            self._respond("strong", self.strong, candidate), self._respond("target", self.target, candidate)
        )
        judgements = await in_both_orders(
            self.judge,
            self.judge_prompt,
            self._scores,
            id=candidate["id"],
            instruction=candidate["instruction"],
            answers={role: candidate[f"{role}_response"] for role in ("strong", "target")},
            seed=self.seed,
            top_logprobs=TOP_LOGPROBS if self.scoring == "expected" else 0,
        )
        by_order = scores_by_answer(judgements)
        candidate |= {
            "scores_strong_first": by_order.as_given,
            "scores_target_first": by_order.swapped,
        }
        candidate |= contrast.averages(by_order.as_given, by_order.swapped)
        candidate["verdict"] = contrast.verdict(candidate["gap"], self.threshold, last=last)

    async def _respond(self, role: str, endpoint: Endpoint, candidate: Row) -> None:
        """Fill a model's response into the candidate, and its thoughts, which nobody is shown."""
        response = await respond(
            endpoint,
            candidate["instruction"],
            about=(role, candidate["id"]),
            seed=self.seed,
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            system=self.strong_system if role == "strong" else self.target_system,
        )
        candidate[f"{role}_response"] = response.text
        if self.thinking == "keep":
            candidate[f"{role}_reasoning"] = response.thinking or None

    def _scores(self, completion: Completion) -> tuple[float, float]:
        if self.scoring == "discrete":
            return scores(completion.text)
        if completion.top_logprobs is None:
            raise RequestRejected(
                "scoring `expected` needs token log-probabilities of the judge's answer; its server gives none"
            )
        return expected_scores(completion.top_logprobs, completion.text)

    async def _improve(self, candidate: Row, actions: list[str]) -> Row:
        if not actions:
            raise RequestRejected("the instruction needs an action to be improved by; its metadata has none")
        action = ids.rng(self.seed, "improve", candidate["id"]).choice(actions)
        instruction = await ask(
            self.strong,
            self.improve_prompt.messages(instruction=candidate["instruction"], action=action),
            lambda completion: answers.improved_instruction(completion.text, candidate["instruction"]),
            schema=_IMPROVED,
            seed=self.seed,
            about=("improve", candidate["id"]),
            temperature=self.temperature,
            max_new_tokens=2 * TOKENS_AN_INSTRUCTION,
        )
        return self._candidate(
            id=instruction_id(candidate["metadata_id"], instruction, candidate["id"]),
            root_id=candidate["root_id"],
            parent_id=candidate["id"],
            metadata_id=candidate["metadata_id"],
            iteration=candidate["iteration"] + 1,
            instruction=instruction,
            action=action,
        )

    def _basic(self, row: Row) -> Row:
        """Return the first row of an instruction's trace."""
        metadata_id = row.get("metadata_id") or ""
        id = row.get("id") or instruction_id(metadata_id, row["instruction"])
        return self._candidate(
            id=id, root_id=id, metadata_id=metadata_id, iteration=1, instruction=row["instruction"]
        )

    def _candidate(self, **columns: object) -> Row:
        """Return a row of the trace with these columns; the others are null."""
        return {name: columns.get(name) for name in self.features}
