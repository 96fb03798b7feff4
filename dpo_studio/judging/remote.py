"""A server's model and its choice between two letters: from its log-probabilities where it gives them, else its words.

A model that thinks first is given room for it, and the letter that it says afterwards counts: the probability of that
letter would tell how sure the model is of its own thoughts, and not how near the two answers are. What is neither A nor
B (a refusal, an explanation, thinking without an end) is no answer: it is counted and never guessed.
"""

from __future__ import annotations

import math
import queue
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dpo_studio.core import thinking
from dpo_studio.core.server_reference import ServerReference
from dpo_studio.core.types import Message
from dpo_studio.generation.remote import AT_ONCE, Server, Talk
from dpo_studio.generation.server_errors import MOST_FAILURES, FailedRequestError, RefusedError

from .comparer import ADVICE, LETTERS, QuestionRefused

#: As many alternatives as servers give at most (vLLM and OpenAI: 20).
TOP_LOGPROBS = 20
#: Tokens of a reply: a letter, and a little that may stand around it.
REPLY_TOKENS = 8
#: Tokens for thinking and a reply; the second number for a server whose context has no room for the first.
THINKING_TOKENS = (4096, 1024)
#: Greedily, models that think go round in circles (so say Qwen3's and DeepSeek-R1's cards); a seed makes it repeatable.
_THINKING = {"temperature": 0.6, "top_p": 0.95, "seed": 0}
#: Log-odds that stand for a letter alone, without a probability: enough to be no tie.
OF_A_LETTER = 1.0
_POLL_S = 0.05
_LONGEST_REPLY = 200
_LETTER = re.compile(
    r"[\W_]*(?:(?:the\s+)?(?:better\s+|best\s+)?(?:answer|option|choice)?\s*(?:is\b)?\s*[:\-–]?)?[\W_]*(?P<letter>[AB])[\W_]*",
    re.IGNORECASE,
)


class ServerComparer:
    """Asks a server, a few questions at once. Close it when done.

    Attributes:
        graded: whether its answers so far came with probabilities.
        thinks: whether the model thinks before it answers; None while that is not known.
    """

    def __init__(self, reference: ServerReference) -> None:
        self._server = Server(reference)
        self._model = reference.model
        self._gives_logprobs, self._failures = True, 0
        self._room = list(THINKING_TOKENS)
        self.graded, self.advice = True, ADVICE
        self.thinks: bool | None = None

    def check(self) -> None:
        """Raises UserError where the server is not there or does not have the model."""
        self._server.check()

    def close(self) -> None:
        self._server.close()

    def log_odds(self, questions: Sequence[Message], cancelled: Callable[[], bool]) -> list[float | None] | None:
        """For each question log p(A) − log p(B), in nats; None for one that was not answered with a letter.

        Returns:
            one value a question; None altogether when it was cancelled.

        Raises:
            UserError: the server cannot be used; QuestionRefused where only these questions are at fault.
        """
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        said: queue.SimpleQueue[tuple[int, float | None] | BaseException] = queue.SimpleQueue()
        talk = Talk()
        for number in range(len(questions)):
            waiting.put(number)

        def work() -> None:
            while not talk.stopped.is_set():
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    said.put((number, self._ask(questions[number], talk)))
                except BaseException as error:
                    said.put(error)
                    return

        for _ in range(min(AT_ONCE, len(questions))):
            threading.Thread(target=work, name="ask a judge", daemon=True).start()
        found: dict[int, float | None] = {}
        try:
            while len(found) < len(questions):
                if cancelled():
                    return None
                try:
                    one = said.get(timeout=_POLL_S)
                except queue.Empty:
                    continue
                self._failures += isinstance(one, FailedRequestError)
                refused = isinstance(one, FailedRequestError) and self._failures < MOST_FAILURES
                if isinstance(one, RefusedError) or refused:
                    raise QuestionRefused(one.message, one.hint) from one
                if isinstance(one, BaseException):
                    raise one
                found[one[0]] = one[1]
        finally:
            talk.stop()
        self._failures = 0
        return [found[number] for number in range(len(questions))]

    def _ask(self, question: Message, talk: Talk) -> float | None:
        body: dict[str, Any] = {"model": self._model, "messages": [question.to_json()]}
        if self.thinks:
            return self._thought_over(body, talk)
        choice = self._choice(body, talk)
        message = choice.get("message")
        message = message if isinstance(message, Mapping) else {}
        letter, value = of_words(message.get("content")), of_logprobs(choice.get("logprobs"))
        cut = choice.get("finish_reason") == "length"
        if has_thought(message) or (cut and not message.get("content")):  # where thinking is not shown at all
            self.thinks = True
            return self._thought_over(body, talk)
        if self.thinks is not False and letter is None and cut:  # which another question may have shown meanwhile
            return self._thought_over(body, talk, otherwise=value)
        if value is not None:
            return value
        if letter is not None:
            self.graded = False
        return letter

    def _choice(self, body: Mapping[str, Any], talk: Talk) -> Mapping[str, Any]:
        """The server's short reply, with log-probabilities where it gives them."""
        short = {**body, "temperature": 0, "max_tokens": REPLY_TOKENS}
        if self._gives_logprobs:
            try:
                answer = self._server.complete(
                    {**short, "logprobs": True, "top_logprobs": TOP_LOGPROBS}, stopped=talk.stopped
                )
            except RefusedError:  # it may be the log-probabilities that it does not give
                answer = self._server.complete(short, stopped=talk.stopped)
                self._gives_logprobs = False
        else:
            answer = self._server.complete(short, stopped=talk.stopped)
        choices = answer.get("choices")
        return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}

    def _thought_over(self, body: Mapping[str, Any], talk: Talk, otherwise: float | None = None) -> float | None:
        """The letter after thinking; of a model that turns out not to think, what its short reply said.

        Its thinking may not have shown in the few tokens of that: many chat formats begin it themselves.
        """
        text, reason = self._at_length(body, talk)
        self.thinks = bool(self.thinks) or any(section.is_thinking for section in thinking.split(text))
        if not self.thinks and otherwise is not None:
            return otherwise
        self.graded = False
        if self.thinks and reason == "length":
            self.advice = (
                f"It thought for {self._room[0]:,} tokens and came to no end: choose a model that thinks less, or say"
                " the principles more plainly."
            )
            return None
        return of_words(thinking.answer(text))

    def _at_length(self, body: Mapping[str, Any], talk: Talk) -> tuple[str, str]:
        while True:
            room = self._room[0]
            try:
                return self._server.think({**body, **_THINKING, "max_tokens": room}, talk=talk)
            except RefusedError:
                if room == THINKING_TOKENS[-1]:
                    raise
                self._room = [one for one in THINKING_TOKENS if one < room]


def has_thought(message: Mapping[str, Any]) -> bool:
    """Whether a reply holds thinking, begun at least: in a field of its own, or in marks."""
    apart = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(apart, str) and apart.strip():
        return True
    said = message.get("content")
    return isinstance(said, str) and any(section.is_thinking for section in thinking.split(said))


def of_logprobs(logprobs: Any) -> float | None:
    """The log-odds of A over B at the first token of a reply that is one of them; None where there is no such token.

    Tokens that differ in blanks around the letter count together. A letter that is not among the alternatives has
    at most the probability of the least of them, which is taken for it: the log-odds are then a lower bound in size.

    Args:
        logprobs: the `logprobs` of a choice, of whatever shape it came in.
    """
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    for place in content if isinstance(content, list) else ():
        if not isinstance(place, Mapping) or str(place.get("token", "")).strip() not in LETTERS:
            continue
        listed = place.get("top_logprobs")
        told = [(str(one.get("token", "")), one.get("logprob")) for one in listed or () if isinstance(one, Mapping)]
        known = [
            (token.strip(), float(value))
            for token, value in told
            if isinstance(value, (int, float)) and math.isfinite(value)
        ]
        if len(known) < 2:
            return None
        masses = [_log_sum([value for token, value in known if token == letter]) for letter in LETTERS]
        least = min(value for _, value in known)
        first, second = (least if mass is None else mass for mass in masses)
        return first - second
    return None


def of_words(text: Any) -> float | None:
    """1 for a reply that says A, −1 for B, None for anything else. "A", "**B**", "Answer: A." are letters."""
    if not isinstance(text, str) or len(text) > _LONGEST_REPLY:
        return None
    match = _LETTER.fullmatch(text.strip())
    if match is None or match["letter"] not in LETTERS:
        return None
    return OF_A_LETTER if match["letter"] == "A" else -OF_A_LETTER


def _log_sum(values: Sequence[float]) -> float | None:
    if not values:
        return None
    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values))
