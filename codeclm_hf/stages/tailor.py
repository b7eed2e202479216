"""Tailor: respond, judge in both orders, filter, improve, up to 4 iterations of one instruction (§4.2, §4.3).

The whole loop of an instruction runs inside its row, so no instruction waits for another at an iteration's
end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from datasets import Features

from codeclm_hf import ids, schema, settings
from codeclm_hf.endpoints import row_requests
from codeclm_hf.endpoints.protocol import Completion, Endpoint
from codeclm_hf.errors import RequestRejected, RowError, UnreadableAnswer
from codeclm_hf.prompts import Prompt, load
from codeclm_hf.stages import contrast, improvements
from codeclm_hf.stages.contamination import Contamination
from codeclm_hf.stages.decode import TOKENS_AN_INSTRUCTION, instruction_id
from codeclm_hf.stages.encode import instruction_fault
from codeclm_hf.stages.flags import in_order
from codeclm_hf.stages.judging import in_both_orders, scores_by_answer
from codeclm_hf.stages.parsing import answers, talk
from codeclm_hf.stages.parsing.scores import expected_scores, scores
from codeclm_hf.stages.responding import Responder
from codeclm_hf.stages.stage import OnRows, Row, Stage
from codeclm_hf.stages.structured import SENTENCE, ask, gather, object_of
from codeclm_hf.text import shorten

TOP_LOGPROBS = 10
"""Alternatives a token that `expected` scoring reads."""
ROLES = ("strong", "target")
"""Who responds, in the order of the scores."""
IMPROVEMENT_TRIES = 4
"""Most requests for one improvement: the first, and three while what comes is none."""
BEGUN, VERSION = "begun", "version"
"""What is reported of an instruction beside its trace: its first request is sent; a version is to be improved."""
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
    contamination: Contamination | None = None
    """What evaluation sets hold: responses and improvements that share words with them are no good."""

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
        return await self._trace(row, None)

    async def process(self, row: Row, on_rows: OnRows | None) -> list[Row]:
        """Process one row and report to `on_rows` when it is `BEGUN`, each `VERSION` to improve, and the trace."""
        row_requests.begin_row(None if on_rows is None else partial(on_rows, BEGUN, []))
        trace = await self._trace(row, on_rows)
        if on_rows is not None:
            on_rows(self.name, trace)
        return trace

    async def _trace(self, row: Row, on_rows: OnRows | None) -> list[Row]:
        candidate = self._basic(row)
        if error := instruction_fault(row["instruction"]):
            return [{**candidate, "verdict": "failed", "error": row.get("error") or error}]
        trace = [candidate]
        try:
            await self._judge(candidate)
            while candidate["verdict"] == "retry":
                if on_rows is not None:
                    on_rows(VERSION, [candidate])
                candidate = await self._improve(candidate, row.get("actions") or [])
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
                await self._respond(candidate, "strong")
            candidate["verdict"] = "accept_strong" if last else "retry"
            return
        await self._respond(candidate, *ROLES)
        judgements = await in_both_orders(
            self.judge,
            self.judge_prompt,
            self._scores,
            id=candidate["id"],
            instruction=candidate["instruction"],
            answers={role: candidate[f"{role}_response"] for role in ROLES},
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

    async def _respond(self, candidate: Row, *roles: str) -> None:
        """Fill in responses of models as they come, with their flags, and thoughts, which nobody is shown.

        Raises:
            RequestRejected: one of them cannot be judged.
        """

        async def fill(role: str) -> str:
            response = await self._responder(role).respond(candidate["instruction"], candidate["id"])
            candidate[f"{role}_response"] = response.text
            candidate[f"{role}_flags"] = list(response.flags)
            if self.thinking == "keep":
                candidate[f"{role}_reasoning"] = response.thinking or None
            return f"the {role}'s response {response.fault}" if response.fault else ""

        try:
            faults = await gather(*map(fill, roles))
        finally:
            found = [candidate[f"{role}_flags"] for role in roles]
            if any(flags is not None for flags in found):
                candidate["flags"] = list(in_order(flag for flags in found for flag in flags or ()))
        if any(faults):
            raise RequestRejected("; ".join(filter(None, faults)))

    def _responder(self, role: str) -> Responder:
        return Responder(
            role=role,
            endpoint=self.strong if role == "strong" else self.target,
            seed=self.seed,
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            system=self.strong_system if role == "strong" else self.target_system,
            contamination=self.contamination,
        )

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
            lambda completion: self._improvement(completion, candidate),
            schema=_IMPROVED,
            seed=self.seed,
            about=("improve", candidate["id"]),
            temperature=self.temperature,
            max_new_tokens=2 * TOKENS_AN_INSTRUCTION,
            tries=IMPROVEMENT_TRIES,
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

    def _improvement(self, completion: Completion, parent: Row) -> str:
        """Read an improved instruction, and list it with its parent where it is no good.

        Raises:
            UnreadableAnswer: there is none to be read, or it is no good.
        """
        text = answers.improved_instruction(completion.text)
        responses = [parent[f"{role}_response"] for role in ROLES if parent[f"{role}_response"]]
        fault = improvements.fault_of(
            text, parent=parent["instruction"], responses=responses, contamination=self.contamination
        )
        if fault is None:
            return text
        parent["rejected"].append({"reason": fault, "text": text})
        what = f"the model {improvements.WORDS[fault]}"
        raise UnreadableAnswer(f"needs an improved instruction; {what}: {shorten(text, talk.QUOTED)!r}")

    def _basic(self, row: Row) -> Row:
        """Return the first row of an instruction's trace."""
        metadata_id = row.get("metadata_id") or ""
        id = row.get("id") or instruction_id(metadata_id, row["instruction"])
        return self._candidate(
            id=id, root_id=id, metadata_id=metadata_id, iteration=1, instruction=row["instruction"]
        )

    def _candidate(self, **columns: object) -> Row:
        """Return a row of the trace with these columns; the others are null."""
        return {**dict.fromkeys(self.features), "rejected": [], **columns}
