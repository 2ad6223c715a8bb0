"""Where a version came from, put together from the stores for its publication.

Reads; decides nothing. What of it goes out is `release`'s to say.
"""

from pathlib import Path

from flywheel.base_model import BaseModel
from flywheel.licence import licence_of
from flywheel.release import Origin
from flywheel.standing import VersionView
from storage.datasets import DatasetStore
from storage.home import Home
from storage.runs import RunStore
from trainers.job import read_outcome

ROOT = Path(__file__).resolve().parent.parent


class Origins:
    """Asked once for each publication."""

    def __init__(self, home: Home, base: BaseModel, runs: RunStore, datasets: DatasetStore) -> None:
        self._home, self._base, self._runs, self._datasets = home, base, runs, datasets

    def of(self, view: VersionView) -> Origin:
        """Everything known of a version. Raises Unavailable while its base is still being fetched."""
        version = view.version
        run = self._runs.get(version.run) if version.run is not None else None
        dataset = self._datasets.get(version.dataset) if version.dataset else None
        outcome = read_outcome(self._home.run_dir(run.number)) if run else None
        return Origin(
            view=view,
            base=self._base,
            dataset=dataset,
            rows=self._datasets.rows(dataset.id) if dataset else [],
            preset=run.preset if run else "",
            settings=run.settings if run else {},
            libraries=outcome.versions if outcome else {},
            licence=licence_of(self._base.record()),
        )

    def places(self, name: str) -> tuple[Path, list[str]]:
        """Where the version's adapter lies, and the places of this machine that nothing published may name."""
        hidden = [str(self._home.path), str(ROOT)]
        if Path(self._base.location).is_absolute():
            hidden.append(self._base.location)
        return self._home.version_dir(name), hidden
