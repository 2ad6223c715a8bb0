"""Which examples say what a model had said itself: in the conversation they come from or as a draft that was taken
unchanged, apart from blanks at the ends.

Knows nothing of what follows from that.
"""

from storage.database import Database
from storage.drafts import BLANKS, DRAFTED

_OWN = f"""WITH latest AS (SELECT example_id, arg_max(completion, id) AS completion FROM example_events
    GROUP BY example_id)
    SELECT DISTINCT x.id FROM examples x JOIN latest e ON e.example_id = x.id
    JOIN turns t ON t.conversation_id = x.conversation_id
    WHERE t.role = 'assistant' AND t.version IS NOT NULL
        AND trim(t.content, '{BLANKS}') = trim(e.completion, '{BLANKS}')
    UNION {DRAFTED}"""


def in_own_words(db: Database) -> set[str]:
    """Ids of the examples whose completion stands as a model's answer in their conversation, or was drafted by one."""
    return {row["id"] for row in db.rows(_OWN)}
