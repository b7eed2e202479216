"""What trainers document of the files they read, as JSON Schemas; each names the page it was written from."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_SOME: Schema = {"type": "string", "minLength": 1}


def _exactly(needed: Schema, allowed: Schema | None = None) -> Schema:
    """An object that has the first properties, may have the second, and has no others."""
    properties = {**needed, **(allowed or {})}
    return {"type": "object", "properties": properties, "required": [*needed], "additionalProperties": False}


def _turns(turn: Schema) -> Schema:
    return {"type": "array", "minItems": 2, "items": turn}


# https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md, "Alpaca Format"
_PAST = {
    "system": _TEXT,
    "history": {"type": "array", "items": {"type": "array", "items": _TEXT, "minItems": 2}},
}
ALPACA = _exactly({"instruction": _SOME, "output": _SOME}, {"input": _TEXT, **_PAST})
ALPACA_PAIR = _exactly(
    {"instruction": _SOME, "chosen": _SOME, "rejected": _SOME}, {"input": _TEXT, "system": _TEXT}
)

# the same page, "Sharegpt Format": human and observation in odd places, gpt and function_call in even ones, and a
# system prompt at most before them
_HUMAN, _MODEL = ["human", "observation"], ["gpt", "function_call"]
SHAREGPT = _exactly(
    {"conversations": _turns(_exactly({"from": {"enum": ["system", *_HUMAN, *_MODEL]}, "value": _SOME}))},
    {"system": _TEXT, "tools": _TEXT},
)

# the same page, the beginning
_COLUMNS = [
    "prompt",
    "query",
    "response",
    "history",
    "messages",
    "system",
    "tools",
    "images",
    "videos",
    "audios",
]
_COLUMNS += ["chosen", "rejected", "kto_tag"]
_TAGS = [
    "role_tag",
    "content_tag",
    "user_tag",
    "assistant_tag",
    "observation_tag",
    "function_tag",
    "system_tag",
]
_SOURCES = ["hf_hub_url", "ms_hub_url", "script_url", "cloud_file_name", "file_name"]
_ENTRY = _exactly(
    {},
    {
        **dict.fromkeys([*_SOURCES, "subset", "split", "folder"], _SOME),
        "formatting": {"enum": ["alpaca", "sharegpt"]},
        "ranking": {"type": "boolean"},
        "num_samples": {"type": "integer"},
        "columns": _exactly({}, dict.fromkeys(_COLUMNS, _SOME)),
        "tags": _exactly({}, dict.fromkeys(_TAGS, _SOME)),
    },
)
_ENTRY["anyOf"] = [{"required": [name]} for name in _SOURCES]
_ENTRY["if"] = {"properties": {"ranking": {"const": True}}, "required": ["ranking"]}
_ENTRY["then"] = {"properties": {"columns": {"required": ["chosen", "rejected"]}}, "required": ["columns"]}
DATASET_INFO: Schema = {"type": "object", "minProperties": 1, "additionalProperties": _ENTRY}

# https://developers.openai.com/api/docs/guides/supervised-fine-tuning and its API reference, "chat" training examples
OPENAI = _exactly(
    {
        "messages": _turns(
            _exactly(
                {"role": {"enum": ["system", "user", "assistant"]}, "content": _SOME},
                {"name": _TEXT, "weight": {"enum": [0, 1]}},
            )
        )
    },
    {"tools": {"type": "array"}, "parallel_tool_calls": {"type": "boolean"}},
)

# https://huggingface.co/docs/trl/dataset_formats, "Conversational": prompt and completions are lists of messages;
# what a turn has besides is for a chat template: `thinking` for that of gpt-oss, `reasoning_content` for most
_MESSAGES: Schema = {"type": "array", "minItems": 1, "items": _exactly({"role": _SOME, "content": _SOME})}
_DEEP = _exactly({"role": _SOME, "content": _SOME}, {"reasoning_content": _SOME, "thinking": _SOME})
TRL_SFT = _exactly({"messages": {**_MESSAGES, "items": _DEEP}})
TRL_DPO = _exactly({"prompt": _MESSAGES, "chosen": _MESSAGES, "rejected": _MESSAGES})

# https://docs.axolotl.ai/docs/dataset-formats/conversation.html and https://docs.axolotl.ai/docs/config-reference.html;
# of files for evaluation it asks the name of the split, which in a JSON file is `train`
AXOLOTL_ROW = TRL_SFT
_AXOLOTL = _exactly(
    {"path": _SOME, "type": {"const": "chat_template"}},
    {
        "ds_type": {"enum": ["json", "arrow", "parquet", "text", "csv"]},
        "split": {"const": "train"},
        "chat_template": _SOME,
        "field_messages": _SOME,
        "message_property_mappings": _exactly(
            {"role": _SOME, "content": _SOME}, {"reasoning_content": _SOME}
        ),
        "roles_to_train": {"type": "array", "items": _SOME},
        "train_on_eos": {"enum": ["all", "turn", "last", "none"]},
    },
)
AXOLOTL = _exactly(
    {"datasets": {"type": "array", "minItems": 1, "items": _AXOLOTL}},
    {
        "test_datasets": {
            "type": "array",
            "minItems": 1,
            "items": {**_AXOLOTL, "required": ["path", "type", "split"]},
        }
    },
)

ROWS: dict[str, Schema] = {
    "trl-sft": TRL_SFT,
    "trl-dpo": TRL_DPO,
    "alpaca": ALPACA,
    "sharegpt": SHAREGPT,
    "openai": OPENAI,
    "llama-factory sft": ALPACA,
    "llama-factory dpo": ALPACA_PAIR,
    "axolotl": AXOLOTL_ROW,
}
"""A row's schema, by layout."""


def in_turns(row: dict[str, Any]) -> bool:
    """Whether a conversation begins with the human's turn, alternates, and ends with the model's.

    A schema cannot say it of any length.
    """
    turns = (
        row.get("conversations") or row.get("messages") or [*row.get("prompt", []), *row.get("chosen", [])]
    )
    who = [turn.get("from") or turn["role"] for turn in turns]
    who = who[who[0] == "system" :]
    human, model = {*_HUMAN, "user"}, {*_MODEL, "assistant"}
    return len(who) % 2 == 0 and set(who[::2]) <= human and set(who[1::2]) <= model
