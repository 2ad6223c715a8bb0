"""The licence of a base model, as a card repeats it for whatever is made of that base. Nothing is guessed."""

from dataclasses import dataclass, field

from flywheel.base_model import BaseRecord

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Licence:
    """`id` as the Hub writes it (`apache-2.0`, `other` …), or `unknown`."""

    id: str = UNKNOWN
    name: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    """LICENSE, NOTICE and the like, by name."""

    @property
    def front_matter(self) -> dict[str, str]:
        """The fields of a model card that say it; the Hub has no word for an unknown one but `other`."""
        told = {"license": "other" if self.id == UNKNOWN else self.id}
        if told["license"] == "other":
            told["license_name"] = self.name or UNKNOWN
        return told


def licence_of(record: BaseRecord) -> Licence:
    """The licence that came with a base, its texts included."""
    files = {path.name: path.read_bytes() for path in record.licence_files}
    return Licence((record.licence or UNKNOWN).lower(), record.licence_name, files)
