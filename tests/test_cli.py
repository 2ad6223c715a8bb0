"""The commands: exit codes, JSON, errors in one sentence, alone on a home and through the app that holds it."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flywheel.cli import main
from tests.support.app import free_port, serving, settings_for

ROOT = Path(__file__).parent.parent
Run = Callable[..., tuple[int, str, str]]
ROW = {"prompt": "How many stores are there?", "completion": "SELECT count(*) FROM stores"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(free_port()))

    def command(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + '{"prompt": "", "completion": "SELECT 1"}\n' + "not json\n")
    return path


def lines(out: str) -> Iterator[dict[str, object]]:
    return (json.loads(line) for line in out.splitlines())


@pytest.mark.parametrize("wrong", [["fly"], ["train", "--set", "rank"]], ids=" ".join)
def test_wrong_use_exits_2(run: Run, wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*wrong)
    assert caught.value.code == 2


def test_wrong_setting_is_one_line_and_exits_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYWHEEL_TASK", "poetry")
    code, out, err = run("status")
    assert (code, out) == (2, "")
    assert err == "FLYWHEEL_TASK is `poetry`. Set it to `sql` or `chat`.\n"


def test_freeze_with_nothing_approved_exits_1_in_words(run: Run) -> None:
    code, out, err = run("freeze")
    assert code == 1 and out == ""
    assert "approve" in err.lower() and "Traceback" not in err
    code, out, _ = run("freeze", "--json")
    assert code == 1 and set(json.loads(out)) == {"error"}


def test_good_rows_are_taken_and_bad_ones_named(run: Run, rows: Path) -> None:
    code, out, _ = run("import", str(rows), "--approved", "--json")
    report = json.loads(out)
    assert code == 0 and report["added"] == 1
    assert [line for line, _ in report["bad"]] == [2, 3]
    code, out, _ = run("import", str(rows), "--approved", "--json")
    assert json.loads(out)["added"] == 0 and json.loads(out)["duplicates"] == 1


def test_same_rows_freeze_to_the_same_version(run: Run, rows: Path) -> None:
    run("import", str(rows), "--approved")
    first = json.loads(run("freeze", "--json")[1])
    code, out, _ = run("freeze", "--json")
    again = json.loads(out)
    assert code == 0 and first["id"] == again["id"] == "d1"
    assert first["created_now"] and not again["created_now"]
    assert first["counts"]["train"] == 1
    assert "d1: 1 train" in run("freeze")[1] and "the same version" in run("freeze")[1]
    assert "d1: 1 train" in run("datasets", "list")[1]
    assert "0 added, 0 removed" in run("datasets", "diff", "d1", "d1")[1]
    assert "  train: How many stores are there? → SELECT" in run("datasets", "show", "d1")[1]
    assert "d1: 1 rows" in run("datasets", "report", "d1")[1]
    assert json.loads(run("datasets", "report", "--json")[1])["lengths"]["measured"] == 1


def test_empty_lists_say_what_comes_next(run: Run) -> None:
    for command, words in (
        ("datasets", "freeze"),
        ("runs", "train"),
        ("versions", "`v0`"),
        ("review", "Nothing waits"),
    ):
        code, out, _ = run(command, "list")
        assert code == 0 and words in out


def test_pending_rows_are_decided_without_a_browser(run: Run, rows: Path) -> None:
    run("import", str(rows))
    (item,) = lines(run("review", "list", "--json")[1])
    code, _, err = run("review", "edit", str(item["id"]), "--completion", "-", stdin="DROP TABLE stores")
    assert code == 1 and "cannot be approved" in err
    edited = "SELECT count(*) AS n FROM stores"
    code, out, _ = run("review", "edit", str(item["id"]), "--completion", "-", "--json", stdin=edited)
    assert code == 0 and json.loads(out)["completion"] == edited
    assert list(lines(run("review", "list", "--json")[1])) == []


def test_personal_data_are_redacted_or_kept_without_a_browser(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "private.jsonl"
    sql = "SELECT name FROM customers WHERE email = '{}@example.com'"
    path.write_text("".join(json.dumps({"prompt": n, "completion": sql.format(n)}) + "\n" for n in ("ann", "bob")))
    run("import", str(path))
    first, second = (str(item["id"]) for item in lines(run("review", "list", "--json")[1]))
    code, out, _ = run("review", "approve", first, second, "--json")
    assert code == 1 and out.count("the completion holds 1 EMAIL") == 2
    code, out, _ = run("review", "redact", first, "--json")
    assert code == 0 and "[EMAIL]" in json.loads(out)["completion"]
    assert run("review", "approve", first)[0] == 0
    assert run("review", "approve", second, "--keep", "our own shop")[0] == 0
    assert json.loads(run("review", "show", second, "--json")[1])["example"]["reason"] == "our own shop"


def test_unknown_version_is_named(run: Run) -> None:
    for command in (["promote", "v9"], ["evaluate", "v9"], ["versions", "show", "v9"]):
        code, _, err = run(*command)
        assert code == 1 and "`v9`" in err


def test_sql_lines_are_judged_in_order(run: Run) -> None:
    given = '{"sql": "SELECT count(*) FROM stores"}\nnot json\n{"sql": "DELETE FROM stores"}\n'
    code, out, _ = run("sql", "check", stdin=given)
    assert code == 0 and [v["accepted"] for v in lines(out)] == [True, False, False]
    code, out, _ = run("sql", "run", stdin=given)
    assert code == 0 and next(lines(out))["rows"] == [[5]]


def test_texts_are_redacted_without_a_home(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("redact", stdin='{"text": "🚲 ann@example.com"}\nno\n{"text": ""}\n')
    assert code == 0
    first, second, third = lines(out)
    assert first == {"text": "🚲 [EMAIL]", "spans": [[2, 17, "EMAIL"]]}
    assert set(second) == {"error"} and third == {"text": "", "spans": []}
    assert not (tmp_path / "home").exists()


def test_ledger_verifies_after_work(run: Run, rows: Path) -> None:
    run("import", str(rows))
    code, out, _ = run("audit", "verify", "--json")
    assert code == 0 and json.loads(out)["ok"] is True


def test_backup_is_restored_into_an_empty_home_only(
    run: Run, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import", str(rows))
    code, out, err = run("backup", str(tmp_path / "b.tar.gz"), "--json")
    assert code == 0 and json.loads(out)["records"] > 0
    assert [line for line in err.splitlines() if line == "packing"] == ["packing"]
    assert run("backup", str(tmp_path / "b.tar.gz"))[0] == 1
    code, _, err = run("restore", str(tmp_path / "b.tar.gz"))
    assert code == 1 and "holds something already" in err and "FLYWHEEL_HOME" in err
    monkeypatch.setenv("FLYWHEEL_HOME", str(tmp_path / "new"))
    code, _, err = run("restore", str(rows))
    assert code == 1 and "no backup of Flywheel" in err and not (tmp_path / "new").exists()
    assert run("restore", str(tmp_path / "b.tar.gz"))[0] == 0
    assert len(list(lines(run("review", "list", "--json")[1]))) == 1


def test_status_says_where_the_wheel_stands_and_what_comes_next(run: Run, rows: Path) -> None:
    assert "Next: Ask questions, and correct the answers that are wrong\n" in run("status")[1]
    run("import", str(rows), "--approved")
    code, out, _ = run("status")
    assert code == 0 and out.splitlines() == [
        "app        not running",
        "waiting    0 for a decision",
        "approved   1, of which 1 are in no dataset; 29 more corrections of a kind would make a run worth while",
        "dataset    none yet",
        "run        none yet",
        "candidate  none",
        "serving    v0",
        "Next: Freeze 1 approved example",
    ]


def test_version_is_told() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0


def test_link_of_a_reviewer_needs_a_name(run: Run) -> None:
    code, _, err = run("login-link", "--role", "reviewer")
    assert code == 1 and "`--name`" in err


def test_command_goes_through_the_app_that_holds_the_home(run: Run, rows: Path, tmp_path: Path) -> None:
    with serving(settings_for(tmp_path / "home")) as app:
        code, out, _ = run("import", str(rows), "--json")
        assert code == 0 and json.loads(out)["added"] == 1
        status = json.loads(run("status", "--json")[1])
        assert (status["waiting"], status["next_step"]["key"], status["url"]) == (1, "review", app.url)
        assert f"Next: Review 1 waiting example ({app.url}/review)" in run("status")[1]
        code, out, _ = run("ask", "How many stores are there?", "--json")
        assert code == 0 and json.loads(out)["version"] == "v0"
        code, _, err = run("promote", "v9")
        assert code == 1 and "`v9`" in err
        code, out, _ = run("backup", str(tmp_path / "b.tar.gz"), "--json")
        assert code == 0 and json.loads(out)["bytes"] == (tmp_path / "b.tar.gz").stat().st_size
        code, _, err = run("restore", str(tmp_path / "b.tar.gz"))
        assert code == 1 and app.url in err
        code, out, _ = run("login-link", "--role", "reviewer", "--name", "ann", "--json")
        assert json.loads(out)["link"].startswith(f"{app.url}/enter?token=")
        code, out, _ = run("login-link")
        assert code == 0 and out == f"{app.owner_link}\n"


def test_second_app_on_a_home_is_refused_in_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(settings_for(tmp_path / "home", hub_repo="ann/shop")) as app:
        monkeypatch.setenv("FLYWHEEL_HUB_REPO", "ann/shop")
        assert run("status")[2] == ""
        monkeypatch.setenv("HF_TOKEN", "hf_another")
        monkeypatch.setenv("FLYWHEEL_HUB_REPO", "bob/shop")
        code, out, err = run("status", "--json")
        assert code == 0 and json.loads(out)["waiting"] == 0
        assert err.count("\n") == 1 and "not used: FLYWHEEL_HUB_REPO, HF_TOKEN." in err
        assert "hf_another" not in err and "bob" not in err
        code, _, err = run("serve")
        assert code == 1 and app.url in err and "already running" in err and err.count("\n") == 1


def test_reader_that_has_enough_ends_a_command_quietly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flywheel", "sql", "check"]
    environment = {**os.environ, "FLYWHEEL_HOME": str(tmp_path / "home")}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=ROOT
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b'{"sql": "SELECT 1"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["accepted"]
        process.stdout.close()
        process.stdin.write(b'{"sql": "SELECT 1"}\n' * 3)
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_refusal_does_not_steer_the_terminal(run: Run) -> None:
    for command in (["promote", "v\x1b[31m9"], ["versions", "show", "v\u202e9"]):
        code, _, err = run(*command)
        assert code == 1 and "\x1b" not in err and "\u202e" not in err
        assert "\\x1b[31m9" in err or "\\u202e9" in err


def test_unknown_version_is_told_before_any_progress(run: Run) -> None:
    code, _, err = run("evaluate", "v9")
    assert code == 1 and err.startswith("There is no version `v9`") and err.count("\n") == 1
