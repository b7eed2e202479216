"""From a few seed instructions to a data set tailored to a task and to a model (CodecLM, NAACL 2024 Findings).

```text
seeds ── Encode ──▶ metadata ── augment ──▶ more metadata       what the task is
metadata ── Rubrics ──▶ rubrics and actions                     what makes it hard
metadata ── Decode ──▶ basic instructions
instructions ── Tailor ──▶ trace                                respond, judge, filter, improve
metadata ── Chain ──▶ the three at once                         no row waits at a stage's end
trace ── tables ──▶ default, preference, trace, metadata        what people train on and look at
run directory ── publish ──▶ a version on the Hub               one commit, one tag; pull brings it back
benchmark ── Evaluation ──▶ capacity recovery, with intervals   whether it helped
```

`CodecLM` runs them in order into a run directory; each stage also works alone with `Dataset.map`.
"""

from codeclm_hf import package
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
from codeclm_hf.hub.publish import Published, publish
from codeclm_hf.hub.pull import pull, scan
from codeclm_hf.hub.pull_requests import contribute
from codeclm_hf.run.pipeline import CodecLM
from codeclm_hf.run.progress import Progress
from codeclm_hf.stages.augment import augment, subsample
from codeclm_hf.stages.chain import Chain
from codeclm_hf.stages.contrast import tables
from codeclm_hf.stages.decode import Decode
from codeclm_hf.stages.encode import Encode
from codeclm_hf.stages.rubrics import Rubrics
from codeclm_hf.stages.tailor import Tailor

__version__ = package.VERSION
"""The installed package's."""

__all__ = [
    "BadInput",
    "Budget",
    "BudgetSpent",
    "Chain",
    "CodecLM",
    "CodecLMError",
    "Completion",
    "Decode",
    "Encode",
    "Endpoint",
    "EndpointError",
    "Evaluation",
    "GenerationRequest",
    "HubError",
    "MergeConflict",
    "Message",
    "Progress",
    "Published",
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
