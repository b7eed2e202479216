"""Responses of a model, as people keep them: outputs of a benchmark, chats, or an earlier evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets

from codeclm_hf.endpoints.reply import NO_ANSWER_REASONS
from codeclm_hf.errors import BadInput

from .dialogue import assistant_text, turns_in
from .seed_pass import column_list
from .seeds import load_seeds

COLUMNS = ("response", "output", "completion", "answer", "generation", "model_output", "text")
"""Names of columns that hold responses, the likeliest first."""
CHATS = ("messages", "conversations", "conversation")
FINISH_REASONS = ("finish_reason", "stop_reason")
"""Names of columns that say why a response ended."""
MODELS = ("generator", "model", "model_id")
"""Names of columns that say whose the responses are."""


def load_responses(source: str, *, role: str | None = None) -> datasets.Dataset:
    """Return a model's responses: the first to each instruction.

    Args:
        source: what `load_seeds` takes, a Hub data set also as `org/name@revision`; or the folder of an
            evaluation.
        role: `candidate` or `reference`: whose responses to take where there are both, as in an evaluation's
            folder.

    Returns:
        The columns `instruction` and `response`, which is null where a row has none, and empty where its
        `finish_reason` or its `refusal` says that it is no answer. A response is in one of
        the columns that `COLUMNS` names, or the assistant's first turn in a chat. `Dataset.info.description`
        is the model's name where a column or the evaluation gives one, or else what the file or the data set
        is called.

    Raises:
        BadInput: there is no such source, or no column with responses.
    """
    # The evaluation is imported here, since a run, which reads seeds alone, does not need it.
    from codeclm_hf.evaluation.comparisons import COMPARISONS

    comparisons = Path(source) / COMPARISONS
    is_file = "://" in source or Path(source).exists()
    name, _, revision = (source, "", "") if is_file else source.partition("@")
    table = load_seeds(str(comparisons) if comparisons.is_dir() else name, revision=revision or None)
    columns = {column.lower(): column for column in table.column_names}
    response = _response_reader(columns, role, source)
    rows = [{"instruction": row["instruction"], "response": response(row)} for row in table]
    features = datasets.Features(
        {"instruction": datasets.Value("string"), "response": datasets.Value("string")}
    )
    responses = datasets.Dataset.from_list(rows, features=features)
    model = _evaluated_model(Path(source), role) or _only_model(table, columns)
    responses.info.description = model or (Path(source).name if Path(source).exists() else source)
    return responses


def _response_reader(
    columns: dict[str, str], role: str | None, source: str
) -> Callable[[dict[str, Any]], str | None]:
    """Return the function that reads a row's response, from the likeliest of the columns."""
    likely = [f"{role}_response", *COLUMNS] if role else COLUMNS
    texts, chats = ([columns[name] for name in names if name in columns] for names in (likely, CHATS))
    if not texts and not chats:
        raise BadInput(
            f"needs a column with responses ({', '.join(COLUMNS)}) or chats ({', '.join(CHATS)}); "
            f"{source} has {column_list(columns.values())}"
        )

    def read(row: dict[str, Any]) -> str | None:
        if _is_no_answer(row, columns):
            return ""
        if not texts:
            return assistant_text(turns_in(row[chats[0]]))
        return row[texts[0]] if isinstance(row[texts[0]], str) else None

    return read


def _is_no_answer(row: dict[str, Any], columns: dict[str, str]) -> bool:
    """Return whether a row says that the model refused, or that its server filtered or broke the answer."""
    reasons = {str(row[columns[name]]).lower() for name in FINISH_REASONS if name in columns}
    return bool(reasons & NO_ANSWER_REASONS) or bool("refusal" in columns and row[columns["refusal"]])


def _evaluated_model(folder: Path, role: str | None) -> str | None:
    """Return the model whose responses these are, as an evaluation's results name it."""
    from codeclm_hf.evaluation.results import RESULTS, read_results

    if role is None or not (folder / RESULTS).is_file():
        return None
    return str(getattr(read_results(folder).models, role))


def _only_model(table: datasets.Dataset, columns: dict[str, str]) -> str | None:
    """Return the model that all rows name; None where there are several, or none."""
    for name in MODELS:
        if name in columns:
            models: Sequence[Any] = table.unique(columns[name])
            if len(models) == 1 and isinstance(models[0], str) and models[0].strip():
                return models[0].strip()
    return None
