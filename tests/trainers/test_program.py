import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from trainers.job import JobError, read_outcome
from trainers.program import Cancelled, Stop, TrainingError, conduct, explain


def raising(error: Exception) -> Callable[[Stop], dict[str, str]]:
    def work(stop: Stop) -> dict[str, str]:
        raise error

    return work


@pytest.mark.parametrize(
    ("work", "state", "code"),
    [
        (lambda stop: {"device": "CPU"}, "finished", 0),
        (raising(TrainingError("No rows.")), "failed", 1),
        (raising(RuntimeError("odd")), "failed", 1),
        (raising(Cancelled()), "cancelled", 130),
    ],
)
def test_every_end_leaves_an_outcome(
    tmp_path: Path, work: Callable[[Stop], dict[str, str]], state: str, code: int
) -> None:
    assert conduct(tmp_path, tmp_path, work, again=False) == code
    outcome = read_outcome(tmp_path)
    assert outcome is not None
    assert outcome.state == state
    assert outcome.versions["trl"]
    assert not (tmp_path / "process.json").exists()


def test_signal_asks_and_handlers_come_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work(stop: Stop) -> dict[str, str]:
        assert not stop.requested()
        signal.raise_signal(signal.SIGTERM)
        stop.check()
        raise AssertionError("check did not raise")

    assert conduct(tmp_path, tmp_path, work, again=False) == 130
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (JobError("`rank` is `0`. Give 1."), "`rank` is `0`. Give 1."),
        (MemoryError(), "Lower batch_size or max_length"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Lower batch_size or max_length"),
        (KeyError("x"), "KeyError"),
        (RuntimeError(""), "no message"),
    ],
)
def test_reasons_are_for_a_person(error: Exception, said: str) -> None:
    assert said in explain(error)


def test_full_disk_is_called_so() -> None:
    import torch

    with pytest.raises(OSError) as plain, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x" * 10)
    with pytest.raises(RuntimeError) as checkpoint:
        torch.save({"x": torch.zeros(1 << 16)}, "/dev/full")
    for caught in (plain, checkpoint):
        assert explain(caught.value) == "The disk is full. Free some space and resume the run."
