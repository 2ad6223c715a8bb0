"""Promotion, its refusals, and the way back, over real adapters and a real store."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from flywheel.errors import Conflict, Damaged, Forbidden, InvalidInput, NotFound, Refused
from flywheel.scoring import Scoring
from flywheel.tasks.chat import ChatTask
from storage.versions import Score
from tests.support.adapters import make_adapter
from tests.support.station import OWNER, REVIEWER, Station, open_station, settings_for
from tests.support.tiny import chat_row, make_tiny_model
from tests.trainers.conftest import write_rows
from trainers import environment
from trainers.files import sha256_of
from trainers.job import ADAPTER_FILES, PREDICTIONS, predictions_file

WEIGHTS = ADAPTER_FILES[1]
Make = Callable[..., str]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment.prepare()
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [make_adapter(base, folder / str(seed), seed=seed) for seed in (1, 2)]


@pytest.fixture
def station(base: Path, tmp_path: Path) -> Iterator[Station]:
    station = open_station(settings_for(tmp_path / "home", base))
    yield station
    station.close()


@pytest.fixture
def make(station: Station, adapters: list[Path]) -> Make:
    """Make a version as a finished run leaves it: `make(right=…)` answers so many of 20 test rows."""

    def make(right: int | None = 20, beside: dict[str, int] | None = None, rows: str = "rows") -> str:
        number = station.store.next_number()
        name = f"v{number}"
        run = station.runs.create(dataset="d1", method="sft", preset="quick", settings={}, by="test")
        folder = station.home.version_dir(name)
        shutil.copytree(adapters[number % 2], folder)
        station.store.create(
            run=run.number,
            dataset="d1",
            base=station.base.name,
            revision=station.base.fingerprint,
            base_form="nf4-dequantised",
            adapter_sha256=sha256_of(folder / WEIGHTS),
            number=number,
            by="test",
        )
        if right is not None:
            flags = {other: _flags(count) for other, count in (beside or {"v0": 0}).items()}
            details = {"correct": _flags(right), "beside": flags, "run": run.number}
            details |= {"dataset": "d1", "suite_sha256": rows, "base": station.base.fingerprint}
            station.store.add_scores([Score(name, "corrected", 20, right / 20, 0.0, 1.0, details)], by="test")
        station.runs.mark(run.number, "finished", version=name, by="test")
        return name

    return make


def _flags(right: int) -> Sequence[int]:
    return [1] * right + [0] * (20 - right)


def test_a_passed_version_is_promoted(station: Station, make: Make) -> None:
    told: list[str] = []
    station.versions.on_served = told.append
    make()
    promotion = station.versions.promote(OWNER, "v1")
    assert (promotion.previous, promotion.override) == ("v0", None)
    assert promotion.verdict["state"] == "passed"
    assert promotion.verdict["policy"]["least_test_rows"] == 10
    assert station.versions.served() == "v1"
    assert told == ["v1"]


def test_only_the_owner_promotes(station: Station, make: Make) -> None:
    make()
    for call in (station.versions.promote, station.versions.rollback, station.versions.verdict):
        with pytest.raises(Forbidden):
            call(REVIEWER, "v1")
    assert station.versions.served() == "v0"


def test_a_refusal_gives_the_reasons(station: Station, make: Make) -> None:
    make(right=2)
    with pytest.raises(Refused, match=r"0 of 20 right with v0, 2 of 20 with v1"):
        station.versions.promote(OWNER, "v1")
    assert station.versions.served() == "v0"
    assert Refused.exit_code == 3


def test_a_broken_pinned_test_refuses_by_its_example(station: Station, make: Make) -> None:
    make()
    run, folder = station.runs.get(1), station.home.run_dir(1)
    assert run is not None
    (folder / PREDICTIONS).mkdir(parents=True)
    pins = [{"id": f"p{i}", **chat_row(text, "yes")} for i, text in enumerate(("does it squeak", "does it shine"))]
    write_rows(folder / "pinned.jsonl", pins)
    for name, told in (("v0", ["yes", "no"]), ("v1", ["no", "yes"])):
        answers = [{"index": i, "text": text, "finish_reason": "stop", "tokens": 1} for i, text in enumerate(told)]
        write_rows(predictions_file(folder, "pinned", name), answers)
    Scoring(station.store, station.home, station.base, ChatTask(""), station.settings).settle(run, "v1", by=OWNER.id)
    assert station.versions.verdict(OWNER, "v1").blocking == ["Pinned test “p0”: right before, wrong after."]
    shown = station.versions.answers(OWNER, "v1", "pinned").rows
    assert {row.question for row in shown} == {"does it squeak", "does it shine"}


def test_an_override_needs_a_reason_that_is_kept(station: Station, make: Make) -> None:
    make(right=2)
    for blank in ("", "  ", "x"):
        with pytest.raises(InvalidInput, match="Write why"):
            station.versions.promote(OWNER, "v1", override=blank)
    station.versions.promote(OWNER, "v1", override="looked at all twenty answers myself")
    (kept,) = station.versions.history(OWNER)
    assert kept.override == "looked at all twenty answers myself"
    assert kept.verdict["state"] == "refused"
    assert kept.by == OWNER.id


def test_an_unscored_version_is_undecided(station: Station, make: Make) -> None:
    make(right=None)
    station.runs.create(dataset="d1", method="sft", preset="quick", settings={}, by="test")
    station.store.create(
        run=2, dataset="d1", base=station.base.name, revision=station.base.fingerprint,
        base_form="full", adapter_sha256=None, by="test",
    )  # fmt: skip
    verdict = station.versions.verdict(OWNER, "v2")
    assert verdict.state == "undecided"
    assert "flywheel evaluate v2" in verdict.reasons[0]


def test_what_is_served_must_have_answered_too(station: Station, make: Make) -> None:
    make()
    station.versions.promote(OWNER, "v1")
    make(beside={"v0": 0}, rows="other rows")
    verdict = station.versions.verdict(OWNER, "v2")
    assert verdict.state == "undecided"
    assert "evaluate v2 --against v1" in verdict.reasons[0]
    assert station.versions.verdict(OWNER, "v2", against="v0").state == "passed"


def test_a_rival_on_the_same_rows_is_compared(station: Station, make: Make) -> None:
    make(right=10)
    station.versions.promote(OWNER, "v1")
    make(right=18, beside={"v0": 0})
    verdict = station.versions.verdict(OWNER, "v2")
    assert verdict.state == "passed"
    assert any("10 of 20 right with v1, 18 of 20 with v2" in reason for reason in verdict.reasons)
    assert any("v0 (the base) on corrected: 0 of 20" in reason for reason in verdict.reasons)
    (suite,) = station.versions.show(OWNER, "v2").scores
    assert (suite.base.right, suite.current.right, suite.candidate.right) == (0, 10, 18)
    assert 0.69 < suite.candidate.lo < 0.9 < suite.candidate.hi < 0.98


@pytest.mark.parametrize("harm", ["flip", "cut", "missing", "manifest", "swap"])
def test_a_damaged_adapter_never_serves(station: Station, make: Make, adapters: list[Path], harm: str) -> None:
    make()
    file = station.home.version_dir("v1") / WEIGHTS
    data = bytearray(file.read_bytes())
    if harm == "flip":
        data[-100] ^= 4
        file.write_bytes(data)
    elif harm == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif harm == "missing":
        file.unlink()
    elif harm == "manifest":
        (file.parent / "MANIFEST.json").unlink()
    else:
        shutil.rmtree(file.parent)
        shutil.copytree(adapters[0], file.parent)
    assert station.versions.verdict(OWNER, "v1").state == "refused"
    with pytest.raises(Damaged, match="v1 cannot be served"):
        station.versions.promote(OWNER, "v1", override="I know what I am doing")
    assert station.versions.served() == "v0"


def test_a_version_of_another_base_never_serves(station: Station, make: Make) -> None:
    make()
    config = Path(station.settings.base_model) / "config.json"
    before = config.read_text()
    config.write_text(before + "\n")
    try:
        with pytest.raises(Damaged, match="trained on other weights") as refused:
            station.versions.promote(OWNER, "v1")
        assert "FLYWHEEL_BASE_MODEL" in str(refused.value) and "backup" not in str(refused.value)
        with pytest.raises(Damaged, match="trained on other weights"):
            station.versions.adapter("v1")
    finally:
        config.write_text(before)


def test_an_engine_finds_the_adapter(station: Station, make: Make) -> None:
    make()
    spec = station.versions.adapter("v1")
    assert spec is not None
    assert spec.base_form == "nf4-dequantised"
    assert spec.sha256 == sha256_of(spec.path / WEIGHTS)
    assert station.versions.adapter("v0") is None
    assert station.versions.adapter("v7") is None
    shutil.rmtree(spec.path)
    with pytest.raises(Damaged, match="is gone from"):
        station.versions.adapter("v1")


@pytest.mark.parametrize("name", ["v9", "", "../v1", "d1", "v1; rm"])
def test_an_unknown_version_is_not_found(station: Station, make: Make, name: str) -> None:
    make()
    for call in (station.versions.promote, station.versions.verdict, station.versions.show):
        with pytest.raises(NotFound):
            call(OWNER, name)


def test_the_base_is_rolled_back_to(station: Station, make: Make) -> None:
    with pytest.raises(InvalidInput, match="Roll back to it"):
        station.versions.promote(OWNER, "v0")
    with pytest.raises(Conflict, match="nothing before"):
        station.versions.rollback(OWNER)
    make()
    station.versions.promote(OWNER, "v1")
    with pytest.raises(Conflict, match="served already"):
        station.versions.promote(OWNER, "v1")
    assert station.versions.rollback(OWNER).version == "v0"
    assert station.versions.served() == "v0"


def test_rolling_back_twice_goes_two_back(station: Station, make: Make) -> None:
    make(right=10)
    station.versions.promote(OWNER, "v1")
    make(right=20, beside={"v0": 0, "v1": 10})
    station.versions.promote(OWNER, "v2")
    assert [station.versions.rollback(OWNER).version for _ in range(2)] == ["v1", "v0"]
    assert station.versions.rollback(OWNER, "v2").version == "v2"
    assert [p.kind for p in station.versions.history(OWNER)] == ["rollback"] * 3 + ["promote"] * 2


def test_no_way_back_to_what_never_served(station: Station, make: Make) -> None:
    make()
    with pytest.raises(Refused, match="never served"):
        station.versions.rollback(OWNER, "v1")
    assert station.versions.served() == "v0"


def test_a_version_keeps_the_verdict_it_served_under(station: Station, make: Make) -> None:
    make(right=10)
    station.versions.promote(OWNER, "v1")
    make(right=20, beside={"v0": 0, "v1": 10})
    station.versions.promote(OWNER, "v2")
    views = {view.version.id: view for view in station.versions.listing(OWNER)}
    assert (views["v1"].against, views["v1"].verdict.state) == ("v0", "passed")
    assert (views["v2"].against, views["v2"].version.state) == ("v1", "served")
    assert views["v1"].version.state == "retired"


def test_two_promotions_at_once_leave_one_served(station: Station, make: Make) -> None:
    make(right=20)
    make(right=20)
    outcomes: list[str] = []

    def promote(name: str) -> None:
        try:
            station.versions.promote(OWNER, name)
            outcomes.append("promoted")
        except Refused:
            outcomes.append("refused")

    threads = [threading.Thread(target=promote, args=(name,)) for name in ("v1", "v2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The second is no better than the first, which serves by then.
    assert sorted(outcomes) == ["promoted", "refused"]
    assert len(station.versions.history(OWNER)) == 1
