"""Which texts are nearly the same: exact search by shared words, cheap enough for tens of thousands of questions.

Pure. Two texts are near-duplicates when the words they share are at least 0.8 of the words that either has (values such
as numbers and names count as words). The search is exact, not sampled: two such texts must share one of their rarest
words, so only texts that share one are compared. Beyond about 100,000 texts a sampled signature would be the way.
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
        # By rare word and by group: the texts that have it, each with how many words stand from there on.
        self._holders: dict[str, dict[int, list[tuple[frozenset[str], int]]]] = {}

    def add(self, text: frozenset[str], group: int) -> None:
        """Make `text` findable as a member of `group`."""
        for place, word in enumerate(self._rarest(text)):
            self._holders.setdefault(word, {}).setdefault(group, []).append((text, len(text) - place))

    def groups(self, text: frozenset[str], current: Callable[[int], int]) -> set[int]:
        """Groups that hold a near-duplicate of `text`; `current` gives what a group was merged into since."""
        found: set[int] = set()
        for place, word in enumerate(self._rarest(text)):
            for group, members in self._holders.get(word, {}).items():
                # One near-duplicate decides for its group: large groups cost no more than small ones.
                if current(group) not in found and _any_near(text, len(text) - place, members):
                    found.add(current(group))
        return found

    def _rarest(self, text: frozenset[str]) -> list[str]:
        """So many that two near-duplicates must have one of them in common."""
        kept = len(text) - math.ceil(SHARED * len(text)) + 1
        return sorted(text, key=self._rank.__getitem__)[:kept]


def _any_near(text: frozenset[str], left: int, members: list[tuple[frozenset[str], int]]) -> bool:
    """Whether a member shares enough; `left` words remain on each side from the rare word that both have on.

    The words before the rarest shared one are not shared, so most members are ruled out without comparing words.
    """
    size = len(text)
    for other, other_left in members:
        # Shared words are 4/5 of all when nine times the shared are four times both sizes.
        enough = 4 * (size + len(other))
        if 9 * left >= enough and 9 * other_left >= enough and 9 * len(text & other) >= enough:
            return True
    return False


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
