"""The words of the shell and of the chat page, in one place."""

from flywheel.roles import Role

TITLE = "Flywheel"
CHAT_PLACEHOLDER_SQL = "Ask about the data"
CHAT_PLACEHOLDER = "Ask anything"
CHAT_WELCOME_SQL = "### Ask the database\nIn plain words. Tell it when it is wrong: that is how it learns."
CHAT_WELCOME = "### Ask anything\nTell it when it is wrong: that is how it learns."
GUESTS_MAY_NOT = "Only invited people may ask here. The owner can send you a link."
WRITING = "Writing the query …"
THINKING = "…"
REASONING = "Thinking …"
THOUGHTS = "Thoughts before the answer"
STOPPED = "Stopped."
ABORTED = "This answer was cut off when the page was closed."
CUT = "The answer was cut at the length limit."
OVERDUE = "This took too long and was stopped. Ask for less, or ask again."
LEFT_OUT = "The first {count} messages were left out: this model reads no more at once."
FAILED = "This answer failed."
NO_ANSWER = "(no answer)"
CORRECTION_TITLE = "#### What should it have said?"
CORRECTION_HINT_SQL = "Change the query so that it answers the question, or write the words it should have said."
CORRECTION_HINT = "Change the answer to what it should have said."
THANKS_CORRECTION = (
    "Thank you. A reviewer looks at your correction; when enough are approved, a new version learns from them "
    "and answers here."
)
THANKS_CORRECTION_ELSEWHERE = "Thank you. A reviewer looks at your correction."
THANKS_RATING = "Thank you, noted. A reviewer sees it."
NOTHING_TO_SEND = "Nothing is changed yet. Change the answer, pick a reason or write a comment, then send."
STANDING = {
    "pending": "waits for a reviewer",
    "skipped": "waits for a reviewer",
    "approved": "approved, the next training run uses it",
    "rejected": "not taken over by the reviewer",
    "quarantined": "set aside by a check",
    "withdrawn": "withdrawn",
}
NOT_FOUND = "There is no such message in this conversation. Reload the page."
SIGN_IN = (
    "### This page is for {role}s\n"
    "You are here as a {yours}. The owner comes in by the link that starts with `Owner:` in the window where Flywheel "
    "was started. A reviewer asks the owner for a link; `python -m flywheel login-link` makes one."
)
SIGN_IN_HUB = (
    "### This page is for {role}s\n"
    "You are here as a {yours}. Sign in with Hugging Face above. Who may come in is named in the Space's variables "
    "`FLYWHEEL_OWNERS` and `FLYWHEEL_REVIEWERS`."
)
SPACE_FORGETS = (
    "The disk of a Space is emptied at each restart: conversations, corrections, datasets and versions are lost then, "
    "and a Space restarts when its settings or its code change, or when it has slept. Export the examples on the Data "
    "page before, and publish the versions you want to keep. docs/deploy.md says more."
)
SPACE_FORGETS_TITLE = "What is stored here does not last"
SPACE_SIGN_IN = "Sign in with Hugging Face"
SPACE_SIGN_OUT = "Sign out"
SPACE_OWN_TAB = "Your browser keeps no cookies for this frame. Open Flywheel in its own tab"
ROLES = {
    Role.ANONYMOUS: "visitor whose browser sent no cookie",
    Role.GUEST: "guest",
    Role.REVIEWER: "reviewer",
    Role.OWNER: "owner",
}
