"""Families of questions, read from the wording files.

    [key] head=orders weight=2
    ? how many {head} do we have
    > SELECT count(*){from}{where}

With a head, `{head}` in the question becomes a phrase of that kind, and `{from}`, `{from:more,tables}`, `{where}` and
`{and}` in the answer the joins and conditions that belong to it. Question and answer share slot markers. Knows nothing
of how heads and slots are filled.
"""

from dataclasses import dataclass

from starter import wording

FILES = ("orders", "people", "goods", "talk")


@dataclass(frozen=True)
class Family:
    """Wordings of one question, as bracket grammar, and the answer: SQL, or a sentence where `talk` is set."""

    key: str
    question: str
    answer: str
    head: str = ""
    weight: float = 1.0
    talk: bool = False


def load() -> tuple[Family, ...]:
    """All families, in the order of the files."""
    return tuple(_family(section, name == "talk") for name in FILES for section in wording.read(name))


def _family(section: wording.Section, talk: bool) -> Family:
    options = dict(option.split("=") for option in section.options)
    question, answer = section.lines
    if not (question.startswith("? ") and answer.startswith("> ")):
        raise ValueError(
            f"`[{section.name}]` needs a line that starts with `?` and one that starts with `>`. Add them."
        )
    weight = float(options.get("weight", 1))
    return Family(section.name, question[2:], answer[2:], options.get("head", ""), weight, talk)
