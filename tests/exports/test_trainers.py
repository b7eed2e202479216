"""TRL trains on what is published, as it is loaded: with the extra `train`, on a CPU, without a network."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from codeclm_hf import export, publish
from support.run_directories import REPO, run_directory_of

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs the extra `train`"),
    pytest.mark.usefixtures("token", "hub"),
    # TRL still calls by its old name what transformers has renamed
    pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing:FutureWarning:transformers"),
]

Make = Callable[[], Any]
Rows = Callable[[str], Dataset]
TEXTS = ["Name a river", 'Translate "é" to 字', "Sing", "Count to three"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One token a byte, and one a marker of the chat template: it can write and read any text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    markers = ["<|user|>", "<|assistant|>", "<|end|>"]
    tokens = ["<pad>", "</s>", *markers, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    inner = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate(tokens)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", additional_special_tokens=markers
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.fixture
def model(tokenizer: Any) -> Make:
    """Makes a Llama of one layer, always with the same random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    def make() -> Any:
        torch.manual_seed(0)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=tokenizer.eos_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        )

    return make


@pytest.fixture(params=["loaded", "exported"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Rows:
    """Gives a table of version 1.0.0, loaded from the Hub or exported from it; the Hub has gone on since."""
    run = run_directory_of(tmp_path / "run", TEXTS)
    publish(run, REPO)
    publish(run_directory_of(run, ["something else"]), REPO)

    def give(config: str) -> Dataset:
        if request.param == "loaded":
            return load_dataset(REPO, config, split="train", revision="v1.0.0")
        export(
            f"{REPO}@1.0.0", tmp_path / "files", to={"default": "trl-sft", "preference": "trl-dpo"}[config]
        )
        return load_dataset("json", data_files=str(tmp_path / "files" / "train.jsonl"), split="train")

    return give


def settings(folder: Path) -> dict[str, Any]:
    """Three steps on the CPU, of which nobody is told."""
    return {
        "output_dir": str(folder),
        "max_steps": 3,
        "per_device_train_batch_size": 2,
        "use_cpu": True,
        "bf16": False,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def trained(trainer: Any) -> Dataset:
    """Train; the rows as the trainer made them."""
    weights = [weight.detach().clone() for weight in trainer.model.parameters()]
    done = trainer.train()
    losses = [told["loss"] for told in trainer.state.log_history if "loss" in told]
    assert done.global_step == len(losses) == 3 and all(
        math.isfinite(loss) for loss in [*losses, done.training_loss]
    )
    assert any((old != new).any() for old, new in zip(weights, trainer.model.parameters(), strict=True))
    return trainer.train_dataset


def read(tokenizer: Any, rows: Dataset, column: str) -> list[str]:
    return [tokenizer.decode(ids) for ids in rows[column]]


def test_a_model_is_fine_tuned_on_default(rows: Rows, tokenizer: Any, model: Make, tmp_path: Path) -> None:
    """As it is: `messages` becomes the chat template's text, and the loss is finite."""
    from trl import SFTConfig, SFTTrainer

    made = trained(
        SFTTrainer(
            model=model(),
            args=SFTConfig(**settings(tmp_path / "out")),
            train_dataset=rows("default"),
            processing_class=tokenizer,
        )
    )
    assert read(tokenizer, made, "input_ids") == [
        f"<|user|>{text}<|end|><|assistant|>An answer to {text}<|end|>" for text in TEXTS
    ]


def test_a_model_learns_to_prefer(rows: Rows, tokenizer: Any, model: Make, tmp_path: Path) -> None:
    """`preference`, as it is: its prompt, chosen and rejected turns become the chat template's text."""
    from trl import DPOConfig, DPOTrainer

    made = trained(
        DPOTrainer(
            model=model(),
            ref_model=model(),
            args=DPOConfig(**settings(tmp_path / "out")),
            train_dataset=rows("preference"),
            processing_class=tokenizer,
        )
    )
    assert read(tokenizer, made, "prompt_ids") == [f"<|user|>{text}<|end|><|assistant|>" for text in TEXTS]
    assert read(tokenizer, made, "chosen_ids") == [f"An answer to {text}<|end|>" for text in TEXTS]
    assert read(tokenizer, made, "rejected_ids") == [f"A weaker answer to {text}<|end|>" for text in TEXTS]
