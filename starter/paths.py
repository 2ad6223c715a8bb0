"""Where the starter's files lie. Knows nothing of what is in them and imports nothing heavy."""

from pathlib import Path

STARTER_DIR = Path(__file__).resolve().parent
MODEL_DIR = STARTER_DIR / "model"
DATA_DIR = STARTER_DIR / "data"
REPLAY_FILE = DATA_DIR / "replay.jsonl"
GENERAL_FILE = DATA_DIR / "general.jsonl"
FIGURES_FILE = STARTER_DIR / "figures.json"
EXAMPLES_FILE = DATA_DIR / "examples.json"
HANDWRITTEN_DEV_FILE = DATA_DIR / "handwritten_dev.jsonl"
HANDWRITTEN_EARLY_FILE = DATA_DIR / "handwritten_early.jsonl"
HANDWRITTEN_TEST_FILE = DATA_DIR / "handwritten_test.jsonl"

TERMS: tuple[str, ...] = ("big_ticket", "regulars", "no_orders")
"""The shop's words the starter does not know, in the order in which the demo teaches them."""


def corrections_file(term: str) -> Path:
    """Example corrections of one term, as a person would write them: rows `{"term", "question", "correction"}`."""
    return DATA_DIR / "corrections" / f"{_known(term)}.jsonl"


def phrasings_file(term: str) -> Path:
    """Held-out questions about one term with their SQL: rows `{"term", "question", "sql"}`."""
    return DATA_DIR / "phrasings" / f"{_known(term)}.jsonl"


def _known(term: str) -> str:
    if term not in TERMS:
        raise ValueError(f"`{term}` is not a term of the starter. Use one of: {', '.join(TERMS)}.")
    return term
