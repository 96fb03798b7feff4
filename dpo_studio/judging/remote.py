"""A server's model and its choice between two letters: from its log-probabilities where it gives them, else its words.

What is neither A nor B (a refusal, an explanation) is no answer: it is counted and never guessed.
"""

from __future__ import annotations

import math
import queue
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dpo_studio.core.server_reference import ServerReference
from dpo_studio.core.types import Message
from dpo_studio.generation.remote import AT_ONCE, Server
from dpo_studio.generation.server_errors import RefusedError

from .comparer import LETTERS, QuestionRefused

#: As many alternatives as servers give at most (vLLM and OpenAI: 20).
TOP_LOGPROBS = 20
#: Tokens of a reply: a letter, and a little that may stand around it.
REPLY_TOKENS = 8
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
    """

    def __init__(self, reference: ServerReference) -> None:
        self._server = Server(reference)
        self._model = reference.model
        self._gives_logprobs = True
        self.graded = True

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
        stopped = threading.Event()
        for number in range(len(questions)):
            waiting.put(number)

        def work() -> None:
            while not stopped.is_set():
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    said.put((number, self._ask(questions[number], stopped)))
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
                if isinstance(one, RefusedError):
                    raise QuestionRefused(one.message, one.hint) from one
                if isinstance(one, BaseException):
                    raise one
                found[one[0]] = one[1]
        finally:
            stopped.set()
        return [found[number] for number in range(len(questions))]

    def _ask(self, question: Message, stopped: threading.Event) -> float | None:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [question.to_json()],
            "temperature": 0,
            "max_tokens": REPLY_TOKENS,
        }
        if self._gives_logprobs:
            try:
                answer = self._server.complete(
                    {**body, "logprobs": True, "top_logprobs": TOP_LOGPROBS}, stopped=stopped
                )
            except RefusedError:  # it may be the log-probabilities that it does not give
                answer = self._server.complete(body, stopped=stopped)
                self._gives_logprobs = False
        else:
            answer = self._server.complete(body, stopped=stopped)
        choices = answer.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}
        value = of_logprobs(choice.get("logprobs"))
        if value is not None:
            return value
        message = choice.get("message")
        letter = of_words(message.get("content") if isinstance(message, Mapping) else None)
        if letter is not None:
            self.graded = False
        return letter


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
        known = [(token.strip(), float(value)) for token, value in told if isinstance(value, (int, float))]
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
