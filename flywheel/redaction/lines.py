"""`redact`: one JSON object in per line, one out, in order. Knows no arguments and no terminal."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from flywheel.errors import InvalidInput
from flywheel.redaction.redact import redact

NOT_JSON = 'The line is not a JSON object with a text under "text".'


def redact_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """For each line {"text"} the redacted text with its spans, or {"error"} for a line that is none."""
    for line in lines:
        text = _text(line)
        if text is None:
            yield {"error": NOT_JSON}
            continue
        try:
            redacted = redact(text)
        except InvalidInput as error:
            yield {"error": str(error)}
            continue
        yield {"text": redacted.text, "spans": [[span.start, span.end, span.type] for span in redacted.spans]}


def _text(line: str) -> str | None:
    try:
        given = json.loads(line.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    text = given.get("text") if isinstance(given, dict) else None
    return text if isinstance(text, str) else None
