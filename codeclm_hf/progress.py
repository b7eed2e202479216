"""How far a run is, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from datasets import Dataset

from codeclm_hf.endpoints.journal import Journaled
from codeclm_hf.stages import contrast
from codeclm_hf.stages.stage import Row, Stage


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stage is."""

    stage: str
    done: int
    total: int
    accepted: int
    """Instructions accepted so far."""
    requests: int
    """Requests sent and answered, in the whole run."""
    tokens: int
    """Tokens of the answers so far, prompts included, replayed ones too."""


OnProgress = Callable[[Progress], None]


class Report:
    """Maps the stages of one run and tells how far they are.

    Args:
        endpoints: the run's endpoints by role.
        tell: called on the transport's thread when a row is done.
    """

    def __init__(self, endpoints: Mapping[str, Journaled], tell: OnProgress | None) -> None:
        self._endpoints = endpoints
        self._tell = tell
        self._accepted = 0

    def map(self, name: str, stage: Stage, dataset: Dataset) -> Dataset:
        """`stage.map`, with reports."""
        if self._tell is None:
            return stage.map(dataset)
        tell, done = self._tell, 0

        def on_rows(rows: list[Row]) -> None:
            nonlocal done
            done += 1
            self._accepted += sum(row.get("verdict") in contrast.ACCEPTED for row in rows)
            tell(self._progress(name, done, len(dataset)))

        tell(self._progress(name, 0, len(dataset)))
        return stage.map(dataset, on_rows=on_rows)

    def _progress(self, name: str, done: int, total: int) -> Progress:
        usages = [endpoint.usage for endpoint in self._endpoints.values()]
        return Progress(
            stage=name,
            done=done,
            total=total,
            accepted=self._accepted,
            requests=sum(usage.requests for usage in usages),
            tokens=sum(usage.prompt_tokens + usage.completion_tokens for usage in usages),
        )

    def usage(self) -> dict[str, dict[str, int]]:
        """Answers and tokens that the data set is made of, by role: the same whether asked now or replayed."""
        return {
            role: {
                "answers": endpoint.usage.requests + endpoint.usage.replayed,
                "prompt_tokens": endpoint.usage.prompt_tokens,
                "completion_tokens": endpoint.usage.completion_tokens,
            }
            for role, endpoint in self._endpoints.items()
        }
