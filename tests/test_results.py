"""The table behind an answer, as a file that a spreadsheet opens without computing anything."""

import csv
import io

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel.results import FORMULA, as_csv
from flywheel.roles import Principal
from tests.support.app import App


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "  =1+1", "＝1+1", "-"])
def test_formulas_are_defused_in_cells_and_names(cell: str) -> None:
    assert read(as_csv([cell], [[cell]])) == [[f"'{cell}"], [f"'{cell}"]]


def test_values_stay_what_they_are() -> None:
    row = [-5, 1.5, "-12.345678901234567890", None, True, [1, "a"], 'say "hi", all\nof you', "a=b", ""]
    told = read(as_csv([f"c{i}" for i in range(len(row))], [row]))[1]
    assert told == ["-5", "1.5", "-12.345678901234567890", "", "true", '[1, "a"]', 'say "hi", all\nof you', "a=b", ""]


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2), max_size=4))
def test_no_cell_starts_a_formula(rows: list[list[str]]) -> None:
    for cell in (cell for row in read(as_csv(["a", "b"], rows)) for cell in row):
        bare = cell.lstrip(" ")
        assert not bare.startswith(FORMULA) or bare.lstrip("+-").replace(".", "").replace("e", "").isalnum()


def test_file_is_given_to_its_reader_alone(app: App) -> None:
    identity, chat = app.services.identity, app.services.chat
    first, other = (httpx.Client(base_url=app.url) for _ in range(2))
    for client in (first, other):
        client.get("/").raise_for_status()
    who: Principal = identity.of(dict(first.cookies))
    *_, last = chat.reply(who, None, "show me all customers")
    *_, words = chat.reply(who, None, "who are you")
    address = f"/answers/{last.turn_id}/rows.csv"
    answer = first.get(address)
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{last.turn_id}.csv"'
    assert last.outcome is not None
    assert read(answer.content.decode("utf-8-sig")) == [last.outcome.columns, *last.outcome.rows]
    assert other.get(address).status_code == 404
    assert first.get(f"/answers/{words.turn_id}/rows.csv").status_code == 404
    assert first.get("/answers/..%2f..%2f/rows.csv").status_code == 404
    assert httpx.get(f"{app.url}{address}").status_code == 403
