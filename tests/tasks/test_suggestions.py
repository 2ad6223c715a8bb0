"""Questions to begin with come from the tables that are there, each of another kind."""

from flywheel.tasks.suggestions import questions

TICKETS = [("ticket_id", "INTEGER"), ("opened_on", "DATE"), ("status", "VARCHAR"), ("hours_spent", "DECIMAL(8,2)")]


def test_one_table_gives_a_count_kinds_an_average_and_months() -> None:
    assert questions({"support_tickets": TICKETS}) == [
        "How many support tickets are there?",
        "How many support tickets are there for each status?",
        "What is the average hours spent of the support tickets?",
        "How many support tickets are there for each month of opened on?",
    ]


def test_names_that_mean_no_amount_are_not_averaged() -> None:
    tables = {name: [("id", "BIGINT"), ("zip", "INTEGER")] for name in ("a", "b", "c", "d", "e")}
    assert questions(tables) == [f"How many {name} are there?" for name in "abcd"]


def test_no_tables_give_no_questions() -> None:
    assert questions({}) == []
