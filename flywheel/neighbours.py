"""Which texts are nearly the same: exact search by shared words, cheap enough for a hundred thousand questions.

Pure. Two texts are near-duplicates when the words they share are at least 0.8 of the words that either has (values such
as numbers and names count as words). The search is exact, not sampled: two such texts must share one of their rarest
words, and from it on have so many left that they can share enough; only texts that do are compared. So questions of one
pattern that differ in a value cost nothing, however many there are.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

SHARED = Fraction(4, 5)
_WORD = re.compile(r"\w+")


def normalise(text: str) -> str:
    """Case, blanks, invisible characters, compatibility forms and end punctuation removed; values stay."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    visible = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(visible.split()).rstrip(" .?!")


def words(text: str) -> frozenset[str]:
    """The words of a normalised text; the text itself when it has none."""
    return frozenset(_WORD.findall(text)) or frozenset([text])


class Neighbours:
    """Groups of texts, searchable for near-duplicates. Give it all texts that will be added or asked for first."""

    def __init__(self, texts: Iterable[frozenset[str]]) -> None:
        frequency: Counter[str] = Counter()
        for text in texts:
            frequency.update(text)
        self._rank = {word: (count, word) for word, count in frequency.items()}
        # By rare word, then by how many words the text has and has left from there on: the texts of each group.
        self._holders: dict[str, dict[tuple[int, int], dict[int, list[frozenset[str]]]]] = {}

    def add(self, text: frozenset[str], group: int) -> None:
        """Make `text` findable as a member of `group`."""
        for place, word in enumerate(self._rarest(text)):
            alike = self._holders.setdefault(word, {}).setdefault((len(text), len(text) - place), {})
            alike.setdefault(group, []).append(text)

    def groups(self, text: frozenset[str], current: Callable[[int], int]) -> set[int]:
        """Groups that hold a near-duplicate of `text`; `current` gives what a group was merged into since."""
        found: set[int] = set()
        for place, word in enumerate(self._rarest(text)):
            for (size, left), groups in self._holders.get(word, {}).items():
                # The words before the rarest shared one are not shared: with too few left there is no need to compare.
                if not _enough(min(left, len(text) - place), len(text), size):
                    continue
                for group, members in groups.items():
                    # One near-duplicate decides for its group: large groups cost no more than small ones.
                    if current(group) not in found and any(near(text, other) for other in members):
                        found.add(current(group))
        return found

    def _rarest(self, text: frozenset[str]) -> list[str]:
        """So many that two near-duplicates must have one of them in common."""
        kept = len(text) - math.ceil(SHARED * len(text)) + 1
        return sorted(text, key=self._rank.__getitem__)[:kept]


def near(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts, as their words, are near-duplicates."""
    return _enough(len(one & other), len(one), len(other))


def _enough(shared: int, one: int, other: int) -> bool:
    """Whether so many shared words are 4/5 of all: nine times the shared are then four times both sizes."""
    return 9 * shared >= 4 * (one + other)


def clusters(texts: Sequence[str]) -> list[int]:
    """The number of each text's cluster: that of its copies, its near-duplicates and theirs."""
    places: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        places.setdefault(text, []).append(place)
    found = [words(text) for text in places]
    near, parent = Neighbours(found), list(range(len(found)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, of_text in enumerate(found):
        groups = near.groups(of_text, root)
        top = min(groups | {i})
        for other in groups | {i}:
            parent[other] = top
        near.add(of_text, top)
    numbers = [0] * len(texts)
    for i, members in enumerate(places.values()):
        for place in members:
            numbers[place] = root(i)
    return numbers
