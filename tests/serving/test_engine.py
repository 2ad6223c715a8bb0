import pytest

from flywheel.errors import InvalidInput
from flywheel.serving.engine import Generation, Sampling, Stream

WAITING = Generation("", "error", "v0", "tiny", "full")


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_new_tokens", 0), ("temperature", -1.0), ("temperature", float("nan")), ("top_p", 0.0), ("seed", -1),
     ("stop", ("",)), ("deadline_s", 0.0)],
)  # fmt: skip
def test_unusable_sampling_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"`{name}` is"):
        Sampling(**{name: value})


def test_heartbeats_while_nothing_comes() -> None:
    stream = Stream(WAITING, 60)
    beats = iter(stream)
    assert [next(beats), next(beats)] == [None, None]


def test_overdue_in_the_queue_ends() -> None:
    stream = Stream(WAITING, 0.05)
    assert stream.result().finish_reason == "deadline"
    assert not stream.take()


def test_late_cancel_changes_nothing() -> None:
    stream = Stream(WAITING, 60)
    assert stream.take()
    stream.put("whole")
    stream.finish(Generation("whole", "stop", "v0", "tiny", "full"))
    assert list(stream) == ["whole"]
    stream.cancel()
    assert stream.result().text == "whole"
    assert stream.result().finish_reason == "stop"
