from flywheel.tasks.chat import ChatTask


def test_conversation_follows_the_system_message() -> None:
    history = [{"role": "user", "content": "hi"}]
    assert ChatTask("Be brief.").messages(history) == [{"role": "system", "content": "Be brief."}, *history]
    assert ChatTask("").messages(history) == history


def test_right_means_same_text() -> None:
    task = ChatTask()
    assert task.correct("Yes,  of course\n", "yes, of course")
    assert not task.correct("Yes", "No")


def test_nothing_is_run() -> None:
    assert ChatTask().outcome("SELECT 1") is None
