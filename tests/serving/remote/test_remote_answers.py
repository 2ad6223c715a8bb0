"""Answers of a model at another server, against a real HTTP server that behaves and misbehaves."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from flywheel.errors import InvalidInput, NotFound, Unavailable
from flywheel.serving.engine import Sampling
from flywheel.serving.remote import MOST_AT_ONCE, RemoteEngine
from flywheel.serving.thinking import Said, parted
from tests.support.openai_server import OpenAIServer
from tests.support.remote import HELLO, QUICK, ask, until

# ---- an answer ----


def test_answer_comes_in_pieces(server: OpenAIServer, engine: RemoteEngine) -> None:
    stream = engine.submit(HELLO, "v0", Sampling())
    pieces = [piece for piece in stream if piece]
    answer = stream.result()
    assert pieces == ["You", " said:", " hello", " there"]
    assert (answer.text, answer.finish_reason, answer.error) == ("You said: hello there", "stop", None)
    assert (answer.version, answer.base, answer.base_form) == ("v0", "parrot", "")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.tokens_estimated) == (7, 4, False)
    assert answer.first_token_s is not None and 0 < answer.first_token_s <= answer.total_s
    assert json.loads(answer.rendered_prompt) == HELLO


def test_only_needed_fields_are_sent(server: OpenAIServer, engine: RemoteEngine) -> None:
    ask(engine)
    ask(engine, temperature=0.5, top_p=0.9, seed=7, max_new_tokens=9, stop=("x",))
    plain, rich = server.asked
    least = {"model", "messages", "stream", "stream_options", "temperature", "max_tokens"}
    assert set(plain) == least
    assert set(rich) == least | {"top_p", "seed"}
    assert (rich["temperature"], rich["top_p"], rich["seed"], rich["max_tokens"]) == (0.5, 0.9, 7, 9)


def test_stop_text_ends_the_answer(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.answer = lambda messages: "one two three four"
    stopped = ask(engine, stop=("o th", "never"))
    assert (stopped.text, stopped.finish_reason) == ("one tw", "stop")
    assert ask(engine, stop=("five",)).text == "one two three four"


def test_length_is_told(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.finish_reason = "length"
    assert ask(engine).finish_reason == "length"


def test_missing_counts_are_estimates(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.tells_usage = False
    answer = ask(engine)
    assert answer.tokens_estimated
    assert (answer.prompt_tokens, answer.completion_tokens) == (engine.count_tokens(HELLO), 4)


@pytest.mark.parametrize("told", [[-5, 2], [5, 10**30], [5, None], ["5", 2]])
def test_impossible_counts_are_estimates(server: OpenAIServer, engine: RemoteEngine, told: list[object]) -> None:
    usage = {"prompt_tokens": told[0], "completion_tokens": told[1]}
    server.raw = _events({"content": "yes"}, usage=usage)
    answer = ask(engine)
    assert (answer.text, answer.tokens_estimated) == ("yes", True)
    assert (answer.prompt_tokens, answer.completion_tokens) == (engine.count_tokens(HELLO), 1)


def test_text_may_come_in_parts(server: OpenAIServer, engine: RemoteEngine) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    parts = [{"type": "text", "text": "one "}, thought, {"type": "text", "text": "two "}, {"type": "text"}, None]
    server.raw = _events({"content": parts}, {"content": "three"})
    assert ask(engine).text == "one two three"


def test_halves_of_a_character_become_one(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.raw = _events(*({"content": half} for half in ("ab\ud83c", "\udfa1c", "\ud83c")))
    assert ask(engine).text == "ab🎡c\ufffd"


def _events(*deltas: dict[str, object], **last: object) -> bytes:
    """A stream of these pieces, then its end."""
    events: list[dict[str, object]] = [{"choices": [{"delta": delta}]} for delta in deltas]
    events.append({"choices": [{"delta": {}, "finish_reason": "stop"}], **last})
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)


def test_only_the_base_answers(engine: RemoteEngine) -> None:
    answer = engine.submit(HELLO, "v3", Sampling()).result()
    assert answer.finish_reason == "error" and "only `v0` answers and not `v3`" in str(answer.error)
    with pytest.raises(NotFound, match="`v3`"):
        engine.warm("v3")


# ---- ending early ----


def test_cancelling_closes_the_connection(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.answer, server.pause = lambda messages: "word " * 2000, 0.01
    stream = engine.submit(HELLO, "v0", Sampling())
    assert next(piece for piece in stream if piece)
    stream.cancel()
    stream.cancel()
    answer = stream.result()
    assert answer.finish_reason == "cancelled" and 0 < len(answer.text) < 10_000
    assert server.left.wait(20), "the server goes on writing"


def test_cancelling_a_silent_server(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    engine = connect(server, timing=replace(QUICK, silence=60))
    server.silent = True
    stream = engine.submit(HELLO, "v0", Sampling())
    until(lambda: len(server.asked) == 1)
    stream.cancel()
    assert stream.result().finish_reason == "cancelled"
    assert server.left.wait(20)


def test_deadline_keeps_what_came(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.answer, server.pause = lambda messages: "word " * 2000, 0.02
    answer = ask(engine, deadline_s=0.5)
    assert answer.finish_reason == "deadline" and answer.text.startswith("word word")
    assert server.left.wait(20)


def test_closing_ends_all_answers(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.answer, server.pause = lambda messages: "word " * 2000, 0.02
    streams = [engine.submit(HELLO, "v0", Sampling()) for _ in range(3)]
    assert next(piece for piece in streams[0] if piece)
    engine.close()
    assert {stream.result().finish_reason for stream in streams} == {"cancelled"}
    assert engine.ready() == (False, "the engine is closed")
    with pytest.raises(Unavailable):
        engine.submit(HELLO, "v0", Sampling())


# ---- a server that fails ----


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_trouble_is_tried_again(server: OpenAIServer, engine: RemoteEngine, status: int) -> None:
    server.fail(2, status)
    assert ask(engine).text == "You said: hello there"
    assert len(server.asked) == 3


def test_broken_connection_is_tried_again(server: OpenAIServer, engine: RemoteEngine) -> None:
    ask(engine)
    server.stop()
    server.start()
    assert ask(engine).text == "You said: hello there"


def test_retry_after_is_waited_for(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.fail(1, 429, {"Retry-After": "1"})
    answer = ask(engine)
    assert answer.text == "You said: hello there" and answer.total_s >= 1


def test_no_waiting_beyond_the_deadline(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.fail(1, 429, {"Retry-After": "30"})
    answer = ask(engine, deadline_s=10)
    assert answer.finish_reason == "error" and answer.total_s < 10
    assert answer.error == f"`{server.url}` has too much to do (429) and asks to come back in 30 s; ask again later."


def test_lasting_trouble_is_told(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.fail(9, 503)
    assert f"`{server.url}` failed (503)" in str(ask(engine).error)
    assert len(server.asked) == 1 + QUICK.retries


def test_spent_account_is_not_tried_again(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.fail(1, 429, code="insufficient_quota")
    assert "has no credit left" in str(ask(engine).error)
    assert len(server.asked) == 1


def test_other_refusals_are_passed_on(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.failing.append((400, {}, {"error": {"message": "roles must take turns"}}))
    assert "(400: roles must take turns)" in str(ask(engine).error)


@pytest.mark.parametrize("how", ["cut_after", "ends_after"])
def test_half_an_answer_is_kept_and_marked(server: OpenAIServer, engine: RemoteEngine, how: str) -> None:
    setattr(server, how, 2)
    answer = ask(engine)
    assert (answer.text, answer.finish_reason) == ("You said:", "error")
    assert str(answer.error).startswith("The answer was cut off: ") and "What had come is kept" in str(answer.error)
    assert len(server.asked) == 1, "what had come was asked for again"


def test_filtered_answer_is_marked(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.finish_reason = "content_filter"
    answer = ask(engine)
    assert answer.finish_reason == "error" and "filter" in str(answer.error)


def test_silence_ends_in_words(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.silent = True
    answer = ask(engine)
    assert answer.finish_reason == "error" and "went silent" in str(answer.error)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "raw",
    [b"<html>hello</html>", b"data: {\n\n", b"data: []\n\n", b'data: {"choices": "x"}\n\n', b"", b"data: [DONE]\n\n"],
)
def test_nonsense_ends_in_words(server: OpenAIServer, engine: RemoteEngine, raw: bytes) -> None:
    server.raw = raw
    answer = ask(engine)
    assert (answer.text, answer.finish_reason) == ("", "error")
    assert "OPENAI_BASE_URL" in str(answer.error)


def test_error_inside_the_stream_is_told(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.raw = b'data: {"error": {"message": "out of memory"}}\n\n'
    assert "out of memory" in str(ask(engine).error)


@pytest.mark.parametrize("field", ["seed", "stream_options", "temperature", "top_p"])
def test_refused_field_is_left_out_and_logged(
    server: OpenAIServer, engine: RemoteEngine, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = (field,)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert ask(engine, seed=1, top_p=0.5, temperature=1.0).text == "You said: hello there"
    assert [field in body for body in server.asked] == [True, False, False]
    assert f"refuses the field `{field}`" in caplog.text


def test_newer_name_of_the_limit_is_found(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.refuses = ("max_tokens",)
    assert ask(engine, max_new_tokens=50).text == "You said: hello there"
    assert server.asked[-1]["max_completion_tokens"] == 50 and "max_tokens" not in server.asked[-1]


# ---- how much it takes ----


def test_context_comes_from_the_server(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    server.models = {"parrot": {"max_model_len": 400}}
    engine = connect(server)
    assert engine.context_length == 400
    talk = [{"role": role, "content": "word " * 100} for role in ("user", "assistant", "user")]
    with pytest.raises(InvalidInput, match="reads at most 368"):
        engine.check(talk)
    engine.check(talk[2:])
    ask(engine, talk[:1], max_new_tokens=4000)
    assert server.asked[-1]["max_tokens"] == 400 - engine.count_tokens(talk[:1])


def test_context_is_learnt_from_a_refusal(server: OpenAIServer, engine: RemoteEngine) -> None:
    assert engine.context_length is None
    told = "This model's maximum context length is 512 tokens. However, you requested 900 tokens in 'max_tokens'."
    server.failing.append((400, {}, {"error": {"message": told}}))
    assert "longer than `parrot` reads at once" in str(ask(engine).error)
    assert engine.context_length == 512
    assert "max_tokens" in server.asked[-1] and ask(engine).finish_reason == "stop"


def test_estimates_are_on_the_high_side(engine: RemoteEngine) -> None:
    assert engine.count_tokens("The quick brown fox jumps over the lazy dog.") >= 10
    assert engine.count_tokens("東京都に住んでいます。") >= 8
    assert engine.count_tokens([]) == 0


def test_too_many_answers_are_refused(server: OpenAIServer, connect: Callable[..., RemoteEngine]) -> None:
    engine = connect(server, timing=replace(QUICK, silence=60))
    server.silent = True
    streams = [engine.submit(HELLO, "v0", Sampling()) for _ in range(MOST_AT_ONCE)]
    with pytest.raises(Unavailable, match=f"{MOST_AT_ONCE} answers are being written"):
        engine.submit(HELLO, "v0", Sampling())
    for stream in streams:
        stream.cancel()
    assert {stream.result().finish_reason for stream in streams} == {"cancelled"}
    server.silent = False

    def answered() -> bool:
        # A cancelled answer gives its place free a moment after its stream has ended.
        try:
            return ask(engine).finish_reason == "stop"
        except Unavailable:
            return False

    until(answered)


def test_many_answers_at_once(server: OpenAIServer, engine: RemoteEngine) -> None:
    server.answer, server.pause = lambda messages: messages[-1]["content"] * 3, 0.005
    asked = [[{"role": "user", "content": f"number {i} of many "}] for i in range(MOST_AT_ONCE)]
    streams = [engine.submit(messages, "v0", Sampling()) for messages in asked]
    assert [stream.result().text for stream in streams] == [messages[0]["content"] * 3 for messages in asked]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_sent_apart_come_in_tags(server: OpenAIServer, engine: RemoteEngine, name: str) -> None:
    deltas = [{name: "two "}, {name: "and two"}, {"content": "It is"}, {"content": " 4."}, {name: "afterthought"}]
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    server.raw = "".join(f"data: {json.dumps(event)}\n\n" for event in [*events]).encode() + b"data: [DONE]\n\n"
    assert parted(ask(engine).text) == Said("It is 4.", "two and two")
    server.raw = "".join(f"data: {json.dumps(event)}\n\n" for event in [*events[:2], events[-1]]).encode()
    assert parted(ask(engine).text) == Said("", "two and two")
