"""How examples are read: the origin joined with its latest event, without those that nothing may learn from."""

from storage.consents import HELD_EXAMPLES

_FIELDS = """x.* REPLACE (coalesce(e.prompt, x.prompt) AS prompt), e.prompt IS NOT NULL AS redacted, e.kind,
    e.provenance, e.completion, e.reasons, e.comment, e.reason,
    e.id AS event_id, e.created AS decided_at, e.created_by AS decided_by"""

CURRENT = f"""SELECT {_FIELDS} FROM examples x JOIN example_events e ON e.example_id = x.id
    WHERE {{}} QUALIFY row_number() OVER (PARTITION BY x.id ORDER BY e.id DESC) = 1"""

ONE = f"""SELECT {_FIELDS} FROM examples x JOIN example_events e ON e.example_id = x.id
    WHERE x.id = $1 ORDER BY e.id DESC LIMIT 1"""

# Picked by the narrow columns first: the texts are read only for the examples that are shown.
PICKED = f"""WITH placed AS (
        SELECT example_id, max(id) AS event_id, arg_max(provenance NOT IN ('thumb', 'preference'), id) AS first
        FROM example_events WHERE example_id NOT IN ({HELD_EXAMPLES})
        GROUP BY example_id HAVING list_contains($1::VARCHAR[], arg_max(kind, id))),
    picked AS MATERIALIZED (SELECT * FROM placed {{}})
    SELECT {_FIELDS} FROM picked p JOIN examples x ON x.id = p.example_id JOIN example_events e ON e.id = p.event_id
    ORDER BY {{}}"""
