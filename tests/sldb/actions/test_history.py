from __future__ import annotations

from sldb.actions import history

LINE = {"txid": 7, "min_txid": 7, "time": None, "kind": None, "pages": None, "bytes": 4096, "readable": False}


def test_a_line_for_people_and_for_programs() -> None:
    shown = history.table([LINE], "table")
    assert [column.name for column in shown.columns] == [*history.COLUMNS, "readable"]
    assert shown.rows == [(7, "gone", "", "4.1 KB", "no")]
    for format_name, readable in (("json", "False"), ("jsonl", "False"), ("csv", "0"), ("insert", "0")):
        row = history.table([LINE], format_name).rows[0]
        assert str(row[history.FIELDS.index("readable")]) == readable


def test_notes_are_a_column_where_there_are_any() -> None:
    noted = {**LINE, "message": "why", "command": "import a.csv", "caller": None}
    shown = history.table([LINE, noted], "table")
    assert [column.name for column in shown.columns] == [*history.COLUMNS, "readable", "note"]
    assert [row[-1] for row in shown.rows] == ["", "why · import a.csv"]


def test_what_can_be_read_needs_no_column() -> None:
    shown = history.table([{**LINE, "readable": True}], "vertical")
    assert [column.name for column in shown.columns] == list(history.COLUMNS)


def test_a_restored_state_is_named() -> None:
    line = {**LINE, "kind": "undo", "restored": 4}
    assert history.table([line], "table").rows[0][2] == "undo to 4"
    assert history.table([line], "csv").rows[0][history.FIELDS.index("restored")] == 4


def test_a_run_of_transactions_is_one_line() -> None:
    assert history.table([{**LINE, "min_txid": 3}], "markdown").rows[0][0] == "3..7"
