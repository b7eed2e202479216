"""From a few seeds to a data set tailored to a task and to a model (CodecLM, NAACL 2024 Findings).

```text
seeds ── Encode ──▶ metadata ── augment ──▶ more metadata       what the task is
metadata ── Rubrics ──▶ rubrics and actions                     what makes it hard
metadata ── Decode ──▶ basic instructions
metadata ── Draft ──▶ both at once                              a wave of drafts, and again for rejected ones
drafts ── Screen ──▶ instructions                               new ones alone, and none of a benchmark
instructions ── Tailor ──▶ trace                                respond, judge, filter, improve
trace ── tables ──▶ default, preference, trace, metadata        what people train on and look at
run directory ── publish ──▶ a version on the Hub               one commit, one tag; pull brings it back
benchmark ── Evaluation ──▶ capacity recovery, with intervals   whether it helped
```

`CodecLM` runs them in order into a run directory; each stage also works alone with `Dataset.map`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from codeclm_hf import package

if TYPE_CHECKING:
    from codeclm_hf.endpoints.budget import Budget
    from codeclm_hf.endpoints.connect import endpoint
    from codeclm_hf.endpoints.protocol import Completion, Endpoint, GenerationRequest, Message
    from codeclm_hf.errors import (
        BadInput,
        BudgetSpent,
        CodecLMError,
        EndpointError,
        HubError,
        MergeConflict,
        RowError,
    )
    from codeclm_hf.evaluation.run import Evaluation
    from codeclm_hf.exports.export import export
    from codeclm_hf.hub.publish import PublishResult, publish
    from codeclm_hf.hub.pull import pull, scan
    from codeclm_hf.hub.pull_requests import contribute
    from codeclm_hf.run.pipeline import CodecLM
    from codeclm_hf.run.progress import Progress
    from codeclm_hf.stages.augment import augment, subsample
    from codeclm_hf.stages.check_metadata import CheckMetadata
    from codeclm_hf.stages.contamination import Benchmark
    from codeclm_hf.stages.contrast import tables
    from codeclm_hf.stages.decode import Decode
    from codeclm_hf.stages.draft import Draft
    from codeclm_hf.stages.encode import Encode
    from codeclm_hf.stages.rubrics import Rubrics
    from codeclm_hf.stages.tailor import Tailor

__version__ = package.VERSION
"""The installed package's."""

__all__ = [
    "BadInput",
    "Benchmark",
    "Budget",
    "BudgetSpent",
    "CheckMetadata",
    "CodecLM",
    "CodecLMError",
    "Completion",
    "Decode",
    "Draft",
    "Encode",
    "Endpoint",
    "EndpointError",
    "Evaluation",
    "GenerationRequest",
    "HubError",
    "MergeConflict",
    "Message",
    "Progress",
    "PublishResult",
    "RowError",
    "Rubrics",
    "Tailor",
    "__version__",
    "augment",
    "contribute",
    "endpoint",
    "export",
    "publish",
    "pull",
    "scan",
    "subsample",
    "tables",
]

_MODULES = {
    "BadInput": "errors",
    "Benchmark": "stages.contamination",
    "Budget": "endpoints.budget",
    "BudgetSpent": "errors",
    "CheckMetadata": "stages.check_metadata",
    "CodecLM": "run.pipeline",
    "CodecLMError": "errors",
    "Completion": "endpoints.protocol",
    "Decode": "stages.decode",
    "Draft": "stages.draft",
    "Encode": "stages.encode",
    "Endpoint": "endpoints.protocol",
    "EndpointError": "errors",
    "Evaluation": "evaluation.run",
    "GenerationRequest": "endpoints.protocol",
    "HubError": "errors",
    "MergeConflict": "errors",
    "Message": "endpoints.protocol",
    "Progress": "run.progress",
    "PublishResult": "hub.publish",
    "RowError": "errors",
    "Rubrics": "stages.rubrics",
    "Tailor": "stages.tailor",
    "augment": "stages.augment",
    "contribute": "hub.pull_requests",
    "endpoint": "endpoints.connect",
    "export": "exports.export",
    "publish": "hub.publish",
    "pull": "hub.pull",
    "scan": "hub.pull",
    "subsample": "stages.augment",
    "tables": "stages.contrast",
}
"""The module that defines each public name. It is imported when the name is first used: all modules together
take seconds, for which somebody who reads a help text or imports one stage should not wait."""


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return __all__


if not TYPE_CHECKING:  # a type checker would accept any name, right or wrong, where it sees this function

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value  # the next use finds it without this function
        return value
