import pytest

from flywheel.tasks.chat import ChatTask


def test_conversation_follows_the_system_message() -> None:
    history = [{"role": "user", "content": "hi"}]
    assert ChatTask("Be brief.").messages(history) == [{"role": "system", "content": "Be brief."}, *history]
    assert ChatTask("").messages(history) == history


def test_right_means_same_text() -> None:
    task = ChatTask()
    assert task.correct("Yes,  of course\n", "yes, of course")
    assert not task.correct("Yes", "No")


@pytest.mark.parametrize(
    ("prediction", "least", "most"),
    [
        ("we open at nine", 1.0, 1.0),
        ("We open at  NINE", 1.0, 1.0),
        ("We open at nine.", 0.99, 0.99),
        ("at nine we open", 0.99, 0.99),
        ("we open at ten", 0.7, 0.8),
        ("nine", 0.3, 0.5),
        ("we open at nine, " + "or so I was told by somebody " * 3, 0.1, 0.4),
        ("no idea", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_answers_are_worth_the_words_they_share(prediction: str, least: float, most: float) -> None:
    assert least <= ChatTask().grade(prediction, "we open at nine") <= most


def test_scripts_without_blanks_are_graded_too() -> None:
    assert 0.5 < ChatTask().grade("九時に開店します", "十時に開店します") < 1


def test_nothing_is_run() -> None:
    assert ChatTask().outcome("SELECT 1") is None
