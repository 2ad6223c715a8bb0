"""What versions gained on the test rows of their dataset, per row they were trained on. Reads stores."""

from dataclasses import asdict, dataclass

from flywheel.runfiles import CORRECTED
from flywheel.serving.engine import BASE_VERSION
from storage.datasets import DatasetStore
from storage.versions import Score, VersionStore

MOST = 8


@dataclass(frozen=True)
class Gain:
    """One version beside what it was compared with, on the same test rows. Shares are 0 to 1, `points` 0 to 100."""

    version: str
    dataset: str
    train_rows: int
    test_rows: int
    against: str
    before: float
    after: float
    points: float
    points_per_10_rows: float


class LearningValue:
    """Asked for each report."""

    def __init__(self, versions: VersionStore, datasets: DatasetStore) -> None:
        self._versions, self._datasets = versions, datasets

    def __call__(self) -> list[dict[str, object]]:
        """The last versions that were scored, newest first."""
        newest = {score.version: score for score in self._versions.all_scores() if score.suite == CORRECTED}
        found = []
        for version in self._versions.list()[:MOST]:
            dataset = self._datasets.get(version.dataset) if version.dataset else None
            score = newest.get(version.id)
            if dataset is not None and score is not None and (gain := _gain(score, dataset.id, dataset.counts)):
                found.append(asdict(gain))
        return found


def _gain(score: Score, dataset: str, counts: dict[str, int]) -> Gain | None:
    """Against what was served, where both answered; else against the base. None where nothing was asked beside it."""
    beside = {name: flags for name, flags in score.details.get("beside", {}).items() if flags}
    against = next((name for name in beside if name not in (BASE_VERSION, score.version)), None)
    against = against or (BASE_VERSION if BASE_VERSION in beside else None)
    train = counts.get("train", 0)
    if against is None or not train:
        return None
    before = sum(map(float, beside[against])) / len(beside[against])
    points = 100 * (score.value - before)
    return Gain(
        score.version, dataset, train, score.n, against, before, score.value, round(points, 2),
        round(10 * points / train, 3),
    )  # fmt: skip
