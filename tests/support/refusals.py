"""What real servers and gateways say in place of an answer, in our own words, and what each means for a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Said = str | dict[str, Any] | list[Any]


@dataclass(frozen=True)
class Case:
    """A refusal of a kind of server."""

    who: str
    """The kind of server, and what happened to it."""
    status: int
    said: Said = ""
    """The body: JSON, plain text or HTML."""
    headers: dict[str, str] = field(default_factory=dict)
    shows: str = ""
    """What the error must say."""

    def __str__(self) -> str:
        return f"{self.status} {self.who}"


@dataclass(frozen=True)
class Lesson(Case):
    """A refusal of a parameter."""

    refuses: Callable[[dict[str, Any]], bool] = lambda body: True
    """Whether the server refuses such a body."""
    then: dict[str, Any] = field(default_factory=dict)
    """What is sent in the end, where that is not what was asked; None where it stays out."""


def openai(message: str, **more: Any) -> dict[str, Any]:
    """An error as OpenAI and most others give it."""
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    }


def pydantic(
    *loc: str, kind: str = "extra_forbidden", msg: str = "Extra inputs are not permitted"
) -> dict[str, Any]:
    """An error as FastAPI servers give it."""
    return {
        "detail": [{"type": kind, "loc": ["body", *loc], "msg": msg, "input": "the whole of what was sent"}]
    }


def page(title: str, words: str = "") -> str:
    """A page of a proxy."""
    return f"<html><head><title>{title}</title><style>p {{color: red}}</style></head><body><h1>{title}</h1>{words}<hr></body></html>"


WAITS = [
    # It has too much to do.
    Case("TGI, overloaded", 429, {"error": "Model is overloaded", "error_type": "overloaded"}),
    Case("OpenAI, tokens a minute", 429, openai("Rate limit reached for m in organization o on tokens per min (TPM): Limit 30000, Used 29900. Please try again in 1.2s.", type="tokens", code="rate_limit_exceeded")),
    Case("Azure, a deployment's rate", 429, {"error": {"code": "429", "message": "Requests to the chat operation have exceeded the call rate limit. Please retry after 2 seconds."}}, {"Retry-After": "2", "retry-after-ms": "1500"}),
    Case("Gemini, free tier", 429, [{"error": {"code": 429, "message": "You exceeded your current quota, please check your plan and billing details. Please retry in 7.1s.", "status": "RESOURCE_EXHAUSTED"}}]),
    Case("Mistral, a request a second", 429, {"message": "Requests rate limit exceeded"}),
    Case("DeepSeek, busy", 429, "Rate limit reached"),
    Case("Kong, a plugin's limit", 429, {"message": "API rate limit exceeded"}, {"RateLimit-Reset": "3"}),
    Case("Cloudflare, a rule's limit", 429, "error code: 1015"),
    Case("LiteLLM, all deployments cool down", 429, openai("No deployments available for selected model, Try again in 5 seconds. Passed model=m", type="None", code="429")),
    Case("Anthropic behind a gateway, overloaded", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    Case("Together, busy", 503, openai("The server is overloaded or not ready yet.", type="service_unavailable")),
    Case("Groq, flex tier full", 498, openai("Flex tier capacity exceeded", type="capacity_exceeded")),
    # It starts, or is exchanged for another.
    Case("llama.cpp, loads its weights", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
    Case("Inference Endpoint, scaled to zero", 503, {"error": "503 Service Unavailable"}, {"Retry-After": "1"}),
    Case("HF router, model loads", 503, {"error": "Model org/m is currently loading", "estimated_time": 20.0}),
    Case("AWS ALB, no target is healthy", 503, page("503 Service Temporarily Unavailable")),
    Case("Envoy, nobody upstream", 503, "no healthy upstream"),
    Case("Envoy, reset before headers", 503, "upstream connect error or disconnect/reset before headers. reset reason: connection failure"),
    Case("Ray Serve, no replica", 503, "Request dropped due to backpressure (num_queued_requests=8)."),
    Case("Triton, not ready", 503, {"error": "Server is not ready"}),
    Case("Ollama, queue full", 503, {"error": "server busy, please try again.  maximum pending requests exceeded"}),
    Case("one-api, no channel", 503, openai("No available channel for model m under the current group", type="one_api_error")),
    # Its backend broke, or is gone.
    Case("nginx, backend gone", 502, page("502 Bad Gateway", "<center>nginx</center>")),
    Case("nginx, backend slow", 504, page("504 Gateway Time-out", "<center>nginx</center>")),
    Case("AWS API gateway, 29 s are over", 504, {"message": "Endpoint request timed out"}),
    Case("AWS API gateway, integration broke", 502, {"message": "Internal server error"}),
    Case("OpenRouter, provider broke", 502, {"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "upstream error", "provider_name": "P"}}}),
    Case("vLLM, engine died", 500, {"object": "error", "message": "EngineCore encountered an issue. See stack trace for the root cause.", "type": "InternalServerError", "code": 500}),
    Case("SGLang, a broken batch", 500, "Internal Server Error"),
    Case("Ollama, runner died", 500, {"error": "llama runner process has terminated: signal: killed"}),
    Case("LM Studio, model crashed", 500, {"error": "The model has crashed without additional information. (Exit code: 6)"}),
    Case("OpenAI, a server's error", 500, openai("The server had an error while processing your request. Sorry about that!", type="server_error")),
    Case("transformers serve, out of memory", 500, {"detail": "CUDA out of memory. Tried to allocate 2.00 GiB"}),
    Case("LiteLLM, backend gone", 500, openai("litellm.InternalServerError: Connection error.. Received Model Group=m", type=None, code="500")),
    Case("Modal, container exits", 500, "modal-http: internal error: function was terminated by signal"),
    Case("a server that implements it tomorrow", 501, "Not Implemented"),
    Case("HTTP/1.0 gateway", 505, "HTTP Version Not Supported"),
    Case("a full disk behind a gateway", 507, {"message": "Insufficient Storage"}),
    Case("a captive network", 511, page("Network Authentication Required")),
    *(Case(f"Cloudflare, {what}", status, page(f"m.example | {status}: {what}"))
      for status, what in ((520, "unknown error"), (521, "server is down"), (522, "connection timed out"), (523, "origin is unreachable"),
                           (524, "a timeout occurred"), (525, "SSL handshake failed"), (526, "invalid SSL certificate"), (527, "railgun error"), (530, "error 1033"))),
    Case("AWS ALB, unauthorized upstream", 561, ""),
    Case("a proxy, network read time-out", 598, ""),
    Case("a proxy, network connect time-out", 599, ""),
    # The request met its end on the way.
    Case("nginx, request not read in time", 408, page("408 Request Time-out")),
    Case("OpenRouter, time-out", 408, {"error": {"code": 408, "message": "Request timed out"}}),
    Case("LiteLLM, time-out", 408, openai("litellm.Timeout: Request timed out", type=None, code="408")),
    Case("vLLM production stack, being moved", 409, {"error": "conflict: the sleeping engine is waking up"}),
    Case("a gateway with replays", 425, "Too Early"),
    Case("nginx, thinks that we left", 499, ""),
    Case("AWS ALB, thinks that we left", 460, ""),
    # A gateway that answers 200 and puts the status inside.
    Case("OpenRouter, provider's limit inside a 200", 200, {"error": {"code": 429, "message": "Rate limited upstream"}}),
    Case("OpenRouter, provider's error inside a 200", 200, {"error": {"code": 502, "message": "Provider returned error"}, "user_id": "u"}),
    Case("OpenRouter, error in the choice", 200, {"choices": [{"error": {"code": 502, "message": "Network connection lost."}, "finish_reason": "error", "message": {"role": "assistant", "content": "Once"}}]}),
    Case("a gateway with codes as text inside a 200", 200, {"error": {"code": "503", "message": "busy"}}),
    Case("a gateway with an error of its own form inside a 200", 200, {"object": "error", "message": "busy", "code": 503}),
    Case("a gateway that names the error inside a 200", 200, {"error": {"type": "rate_limit_error", "message": "slow down"}}),
    Case("LiteLLM, its backend unavailable, in an odd type", 503, openai("litellm.ServiceUnavailableError: no healthy deployment")),
    # Wishes that nobody understands.
    *(Case(f"a limiter with Retry-After {wish!r}", 429, "slow down", {"Retry-After": wish})
      for wish in ("soon", "-5", "1.5", "2s", "1e400", "99999999999999999999", "٣", "Mon, 99 Zed 2031 99:99:99 GMT", "Wed, 21 Oct 2015 07:28:00", "")),
    Case("a limiter with retry-after-ms in words", 429, "slow down", {"retry-after-ms": "a moment"}),
]  # fmt: skip
"""The request is sent again, and no row is lost."""

BREAKS = [
    Case("TGI, generation failed", 424, {"error": "Request failed during generation: Server error: 0", "error_type": "generation"}),
    Case("TGI, inside a 200", 200, {"error": "CUDA error", "error_type": "generation"}),
    Case("a transfer that broke off", 200, '{"choices": [{"message": {"content": "cut o'),
    Case("a provider that gave up", 200, {"choices": [{"finish_reason": "error", "message": {"role": "assistant", "content": ""}}]}),
]  # fmt: skip
"""The server broke on this request: it has eight tries."""

UNKNOWN_SHAPES = [
    Case("a login page", 200, page("Sign in")),
    Case("a router's page in plain text", 200, "OK"),
    Case("nothing", 200, ""),
    Case("nothing, and says so", 204, ""),
    Case("a queue's receipt", 202, {"id": "job-1", "status": "queued"}),
    Case("no choices", 200, {"id": "x", "object": "chat.completion", "choices": []}),
    Case("choices of another kind", 200, {"choices": {"message": "hi"}}),
    Case("a number", 200, "42"),
    Case("a list", 200, [[], {}]),
    Case("a gateway's own codes", 200, {"code": 1113, "msg": "no such thing", "data": None}),
    Case("a message that is a number", 200, {"choices": [{"message": 3}]}),
]  # fmt: skip
"""A reply of a shape that is not known: it is asked for once again."""

ROWS = [
    Case("OpenAI, too long", 400, openai("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", param="messages", code="context_length_exceeded")),
    Case("vLLM, too long", 400, {"object": "error", "message": "'max_tokens' is too large: 4096. This model's maximum context length is 2048 tokens and your request has 900 input tokens.", "type": "BadRequestError", "code": 400}),
    Case("OpenAI, too many", 400, openai("max_tokens is too large: 18432. This model supports at most 16384 completion tokens, whereas you provided 18432.", param="max_tokens", code="invalid_value")),
    Case("Groq, too many", 400, openai("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model", param="max_tokens")),
    Case("DeepSeek, too many", 400, openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", code="invalid_request_error")),
    Case("Anthropic's OpenAI API, too many", 400, openai("max_tokens: 18432 > 8192, which is the maximum allowed number of output tokens")),
    Case("vLLM behind LiteLLM, too many", 400, openai("litellm.BadRequestError: max_tokens=18432 cannot be greater than max_model_len=4096. Please request fewer output tokens. (parameter=max_tokens, value=18432)", param="max_tokens")),
    Case("TGI, too long", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 500 `max_new_tokens`", "error_type": "validation"}),
    Case("llama.cpp, too long", 400, {"error": {"code": 400, "message": "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it", "type": "exceed_context_size_error"}}),
    Case("older llama.cpp, too long", 500, {"error": {"code": 500, "message": "the request exceeds the available context size. try increasing the context size", "type": "server_error"}}),
    Case("Groq, larger than a minute's tokens", 413, openai("Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 9000", code="rate_limit_exceeded")),
    Case("OpenAI, larger than a minute's tokens", 429, openai("Request too large for m on tokens per min (TPM): Limit 30000, Requested 40000.", type="tokens", code="rate_limit_exceeded")),
    Case("nginx, body too large", 413, page("413 Request Entity Too Large")),
    Case("a gateway, header too large", 431, ""),
    Case("Azure, content filter", 400, {"error": {"message": "The response was filtered due to the prompt triggering the content management policy.", "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, shows="filtered"),
    Case("OpenAI, content policy", 400, openai("Your request was rejected as a result of our safety system.", code="content_policy_violation")),
    Case("OpenRouter, moderation", 403, {"error": {"code": 403, "message": "This model requires moderation on OpenRouter. Your input was flagged", "metadata": {"reasons": ["violence"], "flagged_input": "Tell me how"}}}, shows="flagged"),
    Case("Bedrock behind a gateway, guardrail", 403, {"message": "Blocked by guardrail gr-1"}),
    Case("xAI, safety", 403, {"code": "The caller does not have the right to this", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}),
    Case("Gemini, prohibited content", 400, [{"error": {"code": 400, "message": "Prompt blocked: PROHIBITED_CONTENT", "status": "INVALID_ARGUMENT"}}]),
    Case("a gateway's classifier of hate", 403, {"error": "Hate speech detected"}),
    Case("a gateway's classifier of content", 403, {"error": "Sexual content detected"}),
    Case("a gateway's list of words", 403, {"error": "Disallowed words in the prompt"}),
    Case("a web application firewall", 451, "Unavailable For Legal Reasons"),
    Case("a gateway's moderation as 401", 401, {"error": "inappropriate content detected by the content filter"}),
    Case("Mistral, roles out of order", 400, {"object": "error", "message": "Expected last role User or Tool", "type": "invalid_request_error", "code": None}),
    Case("a gateway that refuses in a 5xx", 502, openai("litellm.BadRequestError: the messages do not alternate", type="None")),
    Case("OpenRouter, flagged inside a 200", 200, {"error": {"code": 403, "message": "Input flagged by moderation"}}),
    Case("a provider that refuses in the choice", 200, {"choices": [{"error": {"code": 400, "message": "bad roles"}, "message": {"content": ""}}]}),
    Case("a teapot", 418, "no"),
    Case("a server with no such media type", 415, "Unsupported Media Type"),
]  # fmt: skip
"""The row fails in the server's words, at once; the others go on."""

STOPS = [
    # Who pays.
    Case("OpenRouter, no credits", 402, {"error": {"code": 402, "message": "Insufficient credits. Add more"}}, shows="credits are spent"),
    Case("OpenRouter, too few credits", 402, {"error": {"code": 402, "message": "This request requires more credits, or fewer max_tokens. You requested up to 4352 tokens, but can only afford 300."}}, shows="credits are spent"),
    Case("DeepSeek, no balance", 402, openai("Insufficient Balance", type="unknown_error"), shows="credits are spent"),
    Case("HF router, month is used up", 402, {"error": "You have exceeded your monthly included credits for Inference Providers."}, shows="credits are spent"),
    Case("OpenAI, quota", 429, openai("You exceeded your current quota, please check your plan and billing details.", type="insufficient_quota", code="insufficient_quota"), shows="credits are spent"),
    Case("LiteLLM, a key's budget", 400, openai("Budget has been exceeded! Current cost: 10.1, Max budget: 10.0", type="budget_exceeded", code="400"), shows="credits are spent"),
    Case("Anthropic behind a gateway, low balance", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}}, shows="credits are spent"),
    Case("xAI, a team without credits", 403, {"code": "x", "error": "Your newly created team doesn't have any credits yet."}, shows="credits are spent"),
    Case("OpenRouter, a key's limit", 403, {"error": {"code": 403, "message": "Key limit exceeded (total limit). Manage it in the settings."}}, shows="credits are spent"),
    Case("Zhipu, no balance", 429, {"error": {"code": "1113", "message": "Your account balance is insufficient, please recharge."}}, shows="credits are spent"),
    Case("a service, exhausted", 429, {"error": "credits exhausted"}, shows="credits are spent"),
    Case("Qwen's service, in arrears", 400, {"error": {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}}, shows="credits are spent"),
    Case("a service that says so in a 400", 400, {"error": "Insufficient credits"}, shows="credits are spent"),
    Case("inside a 200", 200, {"error": {"code": 402, "message": "no money"}}, shows="credits are spent"),
    # Which model.
    Case("OpenAI, no such model", 404, openai("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"), shows="no such model"),
    Case("vLLM, no such model", 404, {"object": "error", "message": "The model `m` does not exist.", "type": "NotFoundError", "param": "model", "code": 404}, shows="no such model"),
    Case("Ollama, not pulled", 404, openai("model 'llama9.1' not found", type="not_found_error"), shows="no such model"),
    Case("Azure, no such deployment", 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}, shows="no such model"),
    Case("LiteLLM, no such alias", 400, openai("/chat/completions: Invalid model name passed in model=m. Call `/v1/models` to view available models for your key."), shows="no such model"),
    Case("HF router, not served", 400, {"error": {"message": "The requested model 'org/m' is not supported by any provider you have enabled.", "code": "model_not_supported"}}, shows="no such model"),
    Case("OpenRouter, no such model", 404, {"error": {"code": 404, "message": "No endpoints found for org/m."}}, shows="no such model"),
    Case("Groq, decommissioned", 400, openai("The model `m-70b` has been decommissioned and is no longer supported.", code="model_decommissioned"), shows="no such model"),
    Case("LM Studio, not loaded", 404, {"error": {"message": "Model m not found"}}, shows="no such model"),
    Case("OpenAI, a project without the model", 403, openai("Project `p` does not have access to model `m`", code="model_not_found"), shows="no such model"),
    Case("Triton, unknown model", 404, {"error": "Request for unknown model: 'm' is not found"}, shows="no such model"),
    Case("transformers serve, another model", 400, {"detail": "Server is pinned to 'SmolLM2'; requested 'm'."}, shows="no such model"),
    Case("OpenRouter, no such id", 400, {"error": {"code": 400, "message": "m is not a valid model ID"}}, shows="no such model"),
    Case("OpenRouter, no provider", 404, {"error": {"code": 404, "message": "No allowed providers are available for the selected model."}}, shows="no such model"),
    Case("Gemini, no such model", 404, [{"error": {"code": 404, "message": "models/m is not found for API version v1main", "status": "NOT_FOUND"}}], shows="no such model"),
    # Who asks.
    Case("OpenAI, wrong key", 401, openai("Incorrect API key provided: sk-12. You can find yours on the site.", code="invalid_api_key"), shows="give a valid token"),
    Case("nginx, basic auth", 401, page("401 Authorization Required"), {"WWW-Authenticate": 'Basic realm="x"'}, shows="asks for a user and a password"),
    Case("LiteLLM, wrong key", 401, openai("Authentication Error, Invalid proxy server token passed.", type="token_not_found_in_db"), shows="give a valid token"),
    Case("LiteLLM without a database, wrong key", 400, openai("No connected db.", type="no_db_connection", code="400"), shows="give a valid token"),
    Case("Kong, no key", 401, {"message": "No API key found in request"}, shows="give a valid token"),
    Case("AWS API gateway, no key", 403, {"message": "Forbidden"}, shows="give a valid token"),
    Case("OpenAI, country", 403, openai("Country, region, or territory not supported", code="unsupported_country_region_territory"), shows="give a valid token"),
    Case("AWS, a policy of identities", 403, {"message": "User u is not authorized to perform: invoke because no identity-based policy allows it"}, shows="give a valid token"),
    Case("Cloudflare, an address", 403, page("Sorry, you have been blocked", "Your IP: 10.0.0.1"), shows="give a valid token"),
    # Where it is.
    *(Case("a gateway, moved", status, "", {"Location": "https://user:pa55@new.example/v1/chat/completions?key=k"}, shows="redirects to https://new.example/v1/chat/completions;") for status in (301, 302, 303)),
    Case("a gateway, moved nowhere", 301, page("Moved"), shows="redirects, and does not say where"),
    Case("a gateway, moved to what is no URL", 302, "", {"Location": "http://[::"}, shows="redirects, and does not say where"),
    Case("nginx, no such route, whose title is its heading", 404, page("404 Not Found", "<center>nginx</center>"), shows="answered 404: 404 Not Found nginx; it takes no such requests"),
    Case("FastAPI, no such route", 404, {"detail": "Not Found"}, shows="takes no such requests"),
    Case("a static site", 405, page("405 Not Allowed"), shows="takes no such requests"),
    Case("a service that was ended", 410, "Gone", shows="takes no such requests"),
    Case("Modal, app is stopped", 404, "modal-http: app for invoked web endpoint is stopped", shows="takes no such requests"),
]  # fmt: skip
"""The run stops before anything is paid for, and says why."""


def sends(*names: str) -> Callable[[dict[str, Any]], bool]:
    """A server that refuses bodies with a field of these."""
    return lambda body: any(name in body for name in names)


NO_SEED = {"refuses": sends("seed"), "then": {"seed": None}}
NO_TEMPERATURE = {"refuses": sends("temperature"), "then": {"temperature": None}}
NOT_ZERO = {"refuses": lambda body: body.get("temperature") == 0, "then": {"temperature": 0.01}}
NO_LOGPROBS = {"refuses": sends("logprobs", "top_logprobs"), "then": {"logprobs": None, "top_logprobs": None}}
NO_SCHEMA = {"refuses": sends("response_format"), "then": {"response_format": None}}
NEWER = {"refuses": sends("max_tokens"), "then": {"max_tokens": None, "max_completion_tokens": 64}}


def fewer(most: int) -> dict[str, Any]:
    """A server that gives no more alternatives to a token."""
    return {"refuses": lambda body: body.get("top_logprobs", 0) > most, "then": {"top_logprobs": most}}


LESSONS = [
    Lesson("Mistral, seed is random_seed there", 422, {"object": "error", "message": {"detail": pydantic("seed")["detail"]}, "type": "invalid_request_error"}, **NO_SEED),
    Lesson("a FastAPI server", 422, pydantic("seed"), **NO_SEED),
    Lesson("Groq", 400, openai("property 'seed' is unsupported"), **NO_SEED),
    Lesson("a server in Go", 400, {"error": 'json: unknown field "seed"'}, **NO_SEED),
    Lesson("a server in Rust", 422, "Failed to deserialize the JSON body into the target type: unknown field `seed`, expected one of `model`, `messages`, `temperature`, `max_tokens` at line 1 column 90", **NO_SEED),
    Lesson("Gemini's older OpenAI API", 400, [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.', "status": "INVALID_ARGUMENT"}}], **NO_SEED),
    Lesson("LiteLLM, drop_params is off", 400, openai("litellm.UnsupportedParamsError: p does not support parameters: ['seed'], for model=m. To drop these, set `litellm.drop_params=True`", type="None", code="400"), **NO_SEED),
    Lesson("a gateway that says so in a 500", 500, {"error": "TypeError: create() got an unexpected keyword argument 'seed'"}, **NO_SEED),
    Lesson("vLLM on TPU", 400, {"object": "error", "message": "Torch XLA does not support per-request seed.", "type": "BadRequestError"}, **NO_SEED),
    Lesson("a server that names the parameter apart", 400, openai("Unsupported parameter", param="seed", code="unsupported_parameter"), **NO_SEED),
    Lesson("a provider behind OpenRouter", 400, {"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": '{"error": {"message": "unrecognized request argument: seed"}}'}}}, **NO_SEED),
    Lesson("a service in another language", 400, {"message": "参数 seed 不支持"}, **NO_SEED),
    Lesson("a service in words of its own", 415, "seed must be null", **NO_SEED),
    Lesson("ASP.NET, a list of errors with fields", 400, {"errors": [{"message": "Unknown parameter", "field": "seed"}]}, **NO_SEED),
    Lesson("Gemini, the field stands in the details", 400, {"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT", "details": [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "seed", "description": "no such field"}]}]}}, **NO_SEED),
    Lesson("a service with problem details", 400, {"title": "Bad Request", "status": 400, "invalid-params": [{"name": "seed", "reason": "is nothing here"}]}, **NO_SEED),
    Lesson("a service of its own", 501, {"message": "seed is not implemented yet"}, **NO_SEED),
    Lesson("OpenAI, thinking models", 400, openai("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", param="temperature", code="unsupported_value"), **NO_TEMPERATURE),
    Lesson("OpenAI, o-series", 400, openai("Unsupported parameter: 'temperature' is not supported with this model.", param="temperature", code="unsupported_parameter"), **NO_TEMPERATURE),
    Lesson("Kimi, one temperature", 400, openai("invalid temperature: only 1 is allowed for this model"), **NO_TEMPERATURE),
    Lesson("Anthropic behind a gateway", 400, {"error": {"message": "`temperature` may only be set to 1 when thinking is enabled.", "type": "invalid_request_error"}}, **NO_TEMPERATURE),
    Lesson("Bedrock behind a gateway", 400, {"message": "temperature is deprecated for this model."}, **NO_TEMPERATURE),
    Lesson("transformers behind a gateway", 400, {"error": "`temperature` (=0.0) has to be a strictly positive float, otherwise your next token scores will be invalid."}, **NOT_ZERO),
    Lesson("TGI's Messages API", 422, {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"}, **NOT_ZERO),
    Lesson("GigaChat, an open range", 422, {"status": 422, "message": "Invalid params: temperature must be in range (0, +inf)"}, **NOT_ZERO),
    Lesson("Qwen's service, an open range", 400, openai("Range of temperature should be (0.0, 2.0)", code="invalid_parameter_error"), **NOT_ZERO),
    Lesson("a FastAPI server, more than 0", 422, pydantic("temperature", kind="greater_than", msg="Input should be greater than 0"), **NOT_ZERO),
    Lesson("a server that wants sampling", 400, {"error": "temperature=0 is not supported, use a small value"}, **NOT_ZERO),
    Lesson("vLLM, five alternatives", 400, {"object": "error", "message": "Requested sample logprobs of 20, which is greater than max allowed: 5", "type": "BadRequestError", "code": 400}, **fewer(5)),
    Lesson("a FastAPI server, ten alternatives", 422, pydantic("top_logprobs", kind="less_than_equal", msg="Input should be less than or equal to 10"), **fewer(10)),
    Lesson("Together, one alternative", 400, openai("20 is greater than the maximum of 1 - 'logprobs'", param="logprobs"), **fewer(1)),
    Lesson("xAI, eight alternatives", 400, {"code": "x", "error": "top_logprobs must be between 0 and 8"}, **fewer(8)),
    Lesson("Fireworks, five alternatives", 400, {"error": {"object": "error", "type": "invalid_request_error", "message": "top_logprobs must be <= 5"}}, **fewer(5)),
    Lesson("a service with a comparison", 400, {"message": "logprobs: 20 > 5"}, **fewer(5)),
    Lesson("a service with a limit", 400, {"message": "logprobs value 20 exceeds the limit of 5"}, **fewer(5)),
    Lesson("a service that wants money for them", 400, {"message": "logprobs need another plan"}, **NO_LOGPROBS),
    Lesson("Groq, none", 400, openai("'logprobs' is not supported with this model"), **NO_LOGPROBS),
    Lesson("OpenAI, thinking models, none", 403, openai("You are not allowed to request logprobs from this model"), **NO_LOGPROBS),
    Lesson("Gemini, none", 400, [{"error": {"code": 400, "message": "Logprobs is not supported for this model.", "status": "INVALID_ARGUMENT"}}], **NO_LOGPROBS),
    Lesson("DeepSeek's reasoner, none", 400, openai("This model does not support the 'logprobs' parameter.", param="logprobs"), **NO_LOGPROBS),
    Lesson("Cerebras, none", 400, {"message": "top_logprobs: property not permitted", "type": "invalid_request_error", "param": "validation_error"}, **NO_LOGPROBS),
    Lesson("SGLang, breaks on them", 500, {"object": "error", "message": "KeyError: 'output_top_logprobs'", "type": "InternalServerError"}, **NO_LOGPROBS),
    Lesson("DeepSeek, no schemas", 400, openai("This response_format type is unavailable now"), **NO_SCHEMA),
    Lesson("OpenAI, older models", 400, openai("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", param="response_format"), **NO_SCHEMA),
    Lesson("OpenAI, an unknown type", 400, openai("Invalid value: 'json_schema'. Supported values are: 'json_object' and 'text'.", param="response_format.type", code="invalid_value"), **NO_SCHEMA),
    Lesson("OpenAI, a schema that it dislikes", 400, openai("Invalid schema for response_format 'answer': In context=(), 'additionalProperties' is required to be supplied and to be false.", param="response_format"), **NO_SCHEMA),
    Lesson("TGI without grammars", 422, {"error": "Input validation error: grammar is not supported", "error_type": "validation"}, **NO_SCHEMA),
    Lesson("TGI's Messages API behind a gateway", 422, "Failed to deserialize the JSON body into the target type: response_format: unknown variant `json_schema`, expected `json_object` or `regex`", **NO_SCHEMA),
    Lesson("llama.cpp, a grammar that it cannot make", 400, {"error": {"code": 400, "message": "Failed to parse grammar", "type": "invalid_request_error"}}, **NO_SCHEMA),
    Lesson("llama.cpp, a grammar that breaks it", 500, {"error": {"code": 500, "message": "JSON schema conversion failed: Unrecognized schema", "type": "server_error"}}, **NO_SCHEMA),
    Lesson("vLLM with speculative decoding", 400, {"object": "error", "message": "Structured outputs are not supported with this configuration", "type": "BadRequestError"}, **NO_SCHEMA),
    Lesson("older vLLM", 400, {"object": "error", "message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}]", "type": "BadRequestError"}, **NO_SCHEMA),
    Lesson("Perplexity, strict", 400, openai("'strict' is not a valid field of json_schema"), **NO_SCHEMA),
    Lesson("LM Studio, MLX", 501, {"error": "'response_format.type' must be 'text' for this engine"}, **NO_SCHEMA),
    Lesson("Ray Serve, no such engine", 415, {"error": "guided_json backends are disabled"}, **NO_SCHEMA),
    Lesson("newer llama.cpp, a schema that it cannot make", 400, {"error": {"code": 400, "message": "Unable to generate parser for this template. Automatic parser generation failed: JSON schema error at #: unrecognized type nothing", "type": "invalid_request_error"}}, **NO_SCHEMA),
    Lesson("vLLM, a schema that it cannot compile", 400, openai("Grammar error: regex parse error:\n    (?<=x)y\\b\n    look-around, including look-ahead and look-behind, is not supported"), **NO_SCHEMA),
    Lesson("a service that compiles schemas", 400, {"message": "llguidance: the schema has too many states"}, **NO_SCHEMA),
    Lesson("a service with objects alone", 400, {"message": "Only JSON object mode is here"}, **NO_SCHEMA),
    Lesson("a service in camel case", 400, {"message": "this model does not support MaxTokens, please use MaxCompletionTokens"}, **NEWER),
    Lesson("OpenAI, newer models", 400, openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", param="max_tokens", code="unsupported_parameter"), **NEWER),
    Lesson("Azure, newer models", 400, {"error": {"code": "unsupported_parameter", "message": "Unsupported parameter: 'max_tokens'", "param": "max_tokens"}}, **NEWER),
    Lesson("a service without a limit", 422, "unknown field `max_tokens`", refuses=sends("max_tokens", "max_completion_tokens"), then={"max_tokens": None}),
    Lesson("a strict server, two at once", 400, openai("Unrecognized request arguments supplied: logprobs, top_logprobs"), **NO_LOGPROBS),
]  # fmt: skip
"""A parameter that the server does not take: it is sent again without it, and so is every later request."""

NO_JSON = [
    Case("Groq", 400, openai("Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.", code="json_validate_failed")),
    Case("Groq, the schema is not met", 400, openai("Generated JSON does not match the expected schema.", code="json_validate_failed")),
    Case("Together", 422, openai("The model could not produce valid JSON")),
    Case("Cohere", 500, {"message": "unable to generate a valid JSON object"}),
    Case("Fireworks inside a 200", 200, {"error": {"message": "the output is not valid JSON"}}),
    Case("LiteLLM", 400, openai("litellm.JSONSchemaValidationError: model=m, returned an invalid response: the response does not match the schema")),
]  # fmt: skip
"""The model wrote no JSON this time: again, and then without the schema, this once."""
