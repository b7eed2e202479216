"""What all dialects share: a server is asked as it is known to take it, and its refusals teach how that is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from codeclm_hf.endpoints import transport
from codeclm_hf.endpoints.http import Client
from codeclm_hf.endpoints.lessons import SCHEMA, Lesson, Lessons, failed_json, lesson_of
from codeclm_hf.endpoints.protocol import Completion, GenerationRequest
from codeclm_hf.endpoints.server_words import without_numbers
from codeclm_hf.errors import CodecLMError

MIN_LOGPROB = -100.0
"""Stands for minus infinity and all below: JSON has no infinities, and e⁻¹⁰⁰ is as good as 0."""
MOST_TGI_LOGPROBS = 5
"""Most alternatives to a token that TGI gives, in either of its protocols."""


class Dialect:
    """One server and the wire format in which it is asked; each request is sent once."""

    client: Client
    identity: str
    """The identity of the model that it serves."""
    extra: Mapping[str, Any]
    """Fields that its user adds to every request."""
    lessons: Lessons
    """What its refusals have taught so far."""
    taken: set[str]
    """The parameters that it has answered a request with."""

    async def generate(self, request: GenerationRequest, max_tokens: int) -> Completion:
        """Answer one request; where a parameter is refused, ask again without it.

        That is a lesson only if the request is then answered: a refusal may name a parameter because it
        quotes the prompt.

        Args:
            request: what is asked.
            max_tokens: most tokens of thoughts and answer.

        Returns:
            The answer as the server wrote it: thoughts may stand in its text.

        Raises:
            EndpointError: the server cannot answer anything now.
            RowError: the server cannot answer this request.
        """
        negotiation = _Negotiation(request, self.lessons, self.taken)
        while True:
            try:
                completion = await self._generate(request, max_tokens, negotiation.lessons)
            except CodecLMError as exc:
                if not negotiation.refused(exc, self._parameters):
                    raise
            else:
                for lesson in negotiation.learnt:
                    self._learn(lesson)
                self.taken.update(self._parameters(request, negotiation.lessons))
                return completion

    def _learn(self, lesson: Lesson) -> None:
        lessons = lesson.added_to(self.lessons)
        if lessons == self.lessons:
            return  # another request was quicker
        self.lessons = lessons
        transport.log.warning("%s %s", self.client.public_url, lesson.says())

    def _parameters(self, request: GenerationRequest, lessons: Lessons) -> list[str]:
        """Return which of the parameters that a lesson may be about a request is sent with."""
        raise NotImplementedError

    async def _generate(self, request: GenerationRequest, max_tokens: int, lessons: Lessons) -> Completion:
        """Send a request once."""
        raise NotImplementedError


class _Negotiation:
    """One request, and what its refusals have changed about how it is sent."""

    def __init__(self, request: GenerationRequest, lessons: Lessons, taken: Collection[str]) -> None:
        self.request = request
        self._taken = taken
        self.lessons = lessons
        """How it is sent next."""
        self.learnt: list[Lesson] = []
        """What it was sent with otherwise than the server was known to want."""
        self._tried: list[Lesson] = []
        self._tried_all = False
        """Whether it was sent without all that the words name."""
        self._before, self._learnt_before = lessons, self.learnt
        self._said = ""
        self._no_json = 0
        """How often the model wrote no JSON."""

    def refused(
        self, exc: CodecLMError, sent: Callable[[GenerationRequest, Lessons], Collection[str]]
    ) -> bool:
        """Take in a refusal, and return whether the request is to be sent again.

        Args:
            exc: the refusal.
            sent: which parameters a request is sent with.
        """
        if exc.refusal is None:
            return False
        if failed_json(exc) and SCHEMA in sent(self.request, self.lessons):
            # It is about this one answer: again, and then without the schema, which is no lesson.
            self._no_json += 1
            if self._no_json > 1:
                self.lessons = Lesson(SCHEMA).added_to(self.lessons)
            return True
        said = without_numbers(exc.refusal.words)
        if self.learnt and said == self._said:
            # The same again: it was another parameter, or all of them, or none.
            self.learnt, self.lessons = self._learnt_before, self._before
        names = sent(self.request, self.lessons)
        lesson = lesson_of(exc, self.request, self.lessons, names, self._tried, self._taken)
        if lesson is not None:
            lessons = [lesson]
            self._tried.append(lesson)
        else:
            lessons = [tried for tried in self._tried if tried.value is None and tried.parameter in names]
            if len(lessons) < 2 or self._tried_all:
                return False
            self._tried_all = True
        self._said, self._before, self._learnt_before = said, self.lessons, self.learnt
        self.learnt = [*self.learnt, *lessons]
        for lesson in lessons:
            self.lessons = lesson.added_to(self.lessons)
        return True


def clean(text: str) -> str:
    """Return the text as every file format can hold it.

    A lone surrogate, which comes from a broken JSON escape, becomes "?".
    """
    return text.encode("utf-8", "replace").decode("utf-8")
