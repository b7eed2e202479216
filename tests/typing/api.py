"""The public API as callers use it: type-checked, never run."""

from __future__ import annotations

from datasets import Dataset, DatasetDict

from codeclm_hf import (
    CodecLM,
    Decode,
    Encode,
    Endpoint,
    Evaluation,
    Progress,
    PublishResult,
    Rubrics,
    Tailor,
    augment,
    contribute,
    endpoint,
    publish,
    pull,
    subsample,
    tables,
)

strong: Endpoint = endpoint("http://tgi-strong:8080", api_key="key", concurrency=8)
codec = CodecLM(strong=strong, target=endpoint("local:smollm2-135m-instruct"), threshold=2, seed=1)


def on_progress(progress: Progress) -> None:
    print(progress.stage, progress.done / progress.total)


seeds = Dataset.from_dict({"instruction": ["Plan a weekend in Rome."]})
made: DatasetDict = codec.run(seeds, num_instructions=200, out="my-set", on_progress=on_progress)
given: DatasetDict = codec.run(metadata=[{"use_case": "letters", "skills": ["formal tone"]}], out="by-hand")

encode: Encode = codec.encode
rubrics: Rubrics = codec.rubrics
decode: Decode = codec.decode
tailor: Tailor = codec.tailor
metadata: Dataset = subsample(augment(encode.map(seeds), 200, seed=1), 0.6)
trace: Dataset = tailor.map(decode.map(rubrics.map(metadata)))
default: Dataset = tables(trace, metadata)["default"]

published: PublishResult = publish("my-set", "org/my-set", bump="auto", message="first round", redact=True)
pull("org/my-set", "their-set", revision=published.version)
number: int | None = contribute("their-set", "org/my-set").pull_request

evaluation = Evaluation(candidate=codec.target, reference=seeds, judge=strong)
for group in evaluation.run(seeds, out="before", by="use_case").groups:
    name: str | None = group.name
    recovered: float | None = group.capacity_recovery_ratio
