"""What programs may send: the fields of each body, their types and ranges, and words for everything else.

A field that is not read is refused rather than ignored: a program that asks for tools, images or three answers should
learn that it gets none. Knows neither roles nor services.
"""

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from flywheel.problem import Problem

MOST_MESSAGES = 400
MOST_STOPS = 16
LONGEST_STOP = 1000
LONGEST_QUOTE = 60
Parsed = TypeVar("Parsed", bound="Body")
StopText = Annotated[str, Field(min_length=1, max_length=LONGEST_STOP)]


def _text_of(content: Any) -> Any:
    """A message's text: as it is, or its text parts put together with line breaks."""
    if not isinstance(content, list):
        return content
    texts = []
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text":
            named = f"of the type `{kind}`" if isinstance(kind, str) else "of no type"
            raise PydanticCustomError("part", "is {named}, and only text is read", {"named": named, "at": f"[{at}]"})
        if not isinstance(part.get("text"), str) or set(part) != {"type", "text"}:
            raise PydanticCustomError("part", "must hold `type` and a `text`, nothing else", {"at": f"[{at}]"})
        texts.append(part["text"])
    return "\n".join(texts)


def _no_flag(given: Any) -> Any:
    """`true` equals 1, and is no number of answers."""
    if isinstance(given, bool):
        raise PydanticCustomError("flag", "Input should be 1")
    return given


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class Body(BaseModel):
    """What all bodies have in common: no field but the declared ones, and no value turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Message(Body):
    """One message. What an answer of OpenAI's holds beside its text may come along as null."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text_of)]
    refusal: None = None
    annotations: None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None


class StreamOptions(Body):
    include_usage: bool | None = None


class CompletionBody(Body):
    """The body of POST /v1/chat/completions."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1, le=32_768)
    max_completion_tokens: int | None = Field(None, ge=1, le=32_768)
    temperature: float | None = Field(None, ge=0.0, le=2.0)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    stop: Annotated[list[StopText] | None, BeforeValidator(_as_list)] = Field(None, max_length=MOST_STOPS)
    seed: int | None = Field(None, ge=0, lt=2**63)
    n: Annotated[Literal[1] | None, BeforeValidator(_no_flag)] = None
    user: str | None = Field(None, max_length=256)

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        return tuple(self.stop or ())


class FeedbackBody(Body):
    """The body of POST /v1/feedback."""

    turn_id: str
    rating: Literal["up", "down"] | None = None
    reasons: list[str] | None = None
    comment: str | None = None
    correction: str | None = None


def parsed(shape: type[Parsed], raw: bytes) -> Parsed:
    """The body. Raises Problem (400) that names the field."""
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Problem(
            400, f"The body is no JSON ({_first(str(error))}). Send a JSON object.", code="bad_json"
        ) from error
    if not isinstance(given, dict):
        raise Problem(400, "The body is no JSON object. Send an object with the fields of this request.")
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        raise _told(shape, error.errors(include_url=False)) from error


def _told(shape: type[Body], errors: list[ErrorDetails]) -> Problem:
    unknown = [_path(error) for error in errors if error["type"] == "extra_forbidden"]
    if unknown:
        names = ", ".join(f"`{name}`" for name in unknown[:5])
        # Of a field inside another one, those of the request would be the wrong ones.
        known = "" if "." in unknown[0] else f"; the fields of this request are: {', '.join(shape.model_fields)}"
        words = f"{names} cannot be used here. Leave it out{known}."
        return Problem(400, words, param=unknown[0], code="unknown_parameter")
    first = errors[0]
    param = _path(first) or "a field"
    if first["type"] == "missing":
        return Problem(400, f"`{param}` is missing. Give it a value.", param=param, code="missing_required_parameter")
    if first["type"] == "part":
        return Problem(400, f"`{param}` {first['msg']}. Send text.", param=param)
    reason = first["msg"][:1].lower() + first["msg"][1:]
    return Problem(400, f"`{param}` is {_quoted(first['input'])}: {reason}.", param=param)


def _path(error: ErrorDetails) -> str:
    """The field as a program would write it: `messages[0].content[1]`."""
    path = ""
    for part in error["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif (part.isidentifier() and part not in ("str", "list")) or not path:
            path += f".{part}" if path else part
    return path[: 3 * LONGEST_QUOTE] + str((error.get("ctx") or {}).get("at", ""))


def _quoted(value: Any) -> str:
    text = json.dumps(value, default=str)
    return f"`{text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + '…'}`"


def _first(line: str) -> str:
    return line.splitlines()[0][:100]
