"""The words of the shell and of the chat page, in one place."""

from flywheel.roles import Role

TITLE = "Flywheel"
CHAT_PLACEHOLDER_SQL = "Ask about the data"
CHAT_PLACEHOLDER = "Ask anything"
CHAT_WELCOME_SQL = "### Ask the database\nIn plain words. Tell it when it is wrong: that is how it learns."
CHAT_WELCOME = "### Ask anything\nTell it when it is wrong: that is how it learns."
GUESTS_MAY_NOT = "Only invited people may ask here. The owner can send you a link."
CONSENT_QUESTION = "May Flywheel learn from what you write here? You can chat either way."
CONSENT_RATED = "Thank you, that is kept. Flywheel does not learn from it unless you allow it. May it?"
LEARN_ALL = "Flywheel may learn from what I write here"
LEARN_ALL_INFO = "From corrections and thumbs down, once a reviewer approves them. You can change it at any time."
LEAVE_OUT = "Don't learn from this conversation"
DOWNLOAD_DATA = "Download my data (JSON)"
DELETE_DATA = "Delete my data …"
DELETE_WARNING = (
    "All your conversations, thumbs and corrections here go, for good. What a version has learnt already stays in it; "
    "its owner sees that, and no later version learns from it."
)
DELETED = "Deleted: {turns} messages, and all that belonged to them."
WRITING = "Writing the query …"
THINKING = "…"
DOWNLOAD_CSV = "Download CSV"
REASONING = "Thinking …"
THOUGHTS = "Thoughts before the answer"
STOPPED = "Stopped."
ABORTED = "This answer was cut off when the page was closed."
CUT = "The answer was cut at the length limit."
OVERDUE = "This took too long and was stopped. Ask for less, or ask again."
LEFT_OUT = "The first {count} messages were left out: this model reads no more at once."
FAILED = "This answer failed."
NO_ANSWER = "(no answer)"
CORRECTION_LABEL = "What should it have said?"
CORRECTION_HINT_SQL = "Change the query so that it answers the question, or write the words it should have said."
CORRECTION_HINT = "Change the answer to what it should have said."
THANKS_CORRECTION = (
    "Thank you. A reviewer looks at your correction; when enough are approved, a new version learns from them "
    "and answers here. <a href='/corrections'>Corrections</a> tells how far yours is."
)
THANKS_CORRECTION_ELSEWHERE = (
    "Thank you. A reviewer looks at your correction. <a href='/corrections'>Corrections</a> tells how far yours is."
)
THANKS_HELD = (
    "Thank you, it is kept. You do not allow learning from it, so no reviewer sees it until you do. "
    "<a href='/corrections'>Corrections</a> tells how far yours is."
)
THANKS_RATING = "Thank you, noted. A reviewer sees it. The answer itself is unchanged, so no correction was sent."
GO_ON = "Go on from the corrected answer"
STANDS_IN = "Your correction: the conversation goes on from it. What the model had answered stands beside it."
NOTED = "Noted. You may stop here, or say below what the answer should have been."
CHANGES = "What you change"
UNCHANGED = "Nothing is changed yet."
ITS_RESULT, YOUR_RESULT = "What the answer returned", "What yours returns"
SAME_RESULT = "Both return the same rows: your change makes no difference to the result."
OTHER_RESULT = "The results differ. Send it if yours is what was asked for."
NOT_RUN = "The answer was not run."
CORRECTIONS_TITLE = "Your corrections"
NO_CORRECTIONS = (
    "You have corrected nothing yet. Click the thumb down under an answer that is wrong and say what it should have "
    "been: here you see what becomes of it."
)
LEARNED = "Version {version} has learned {count} of your corrections."
LESSON_STATES = {
    "waiting": "Waiting",
    "approved": "Approved",
    "frozen": "In a dataset",
    "learned": "Learned",
    "declined": "Declined",
    "set aside": "Set aside",
    "withdrawn": "Withdrawn",
    "not used": "Not used",
}
LESSON_WORDS = {
    "waiting": "A reviewer has not decided yet.",
    "approved": "The next dataset takes it in.",
    "frozen": "In dataset {dataset}; the next version that is trained on it and promoted has learned it.",
    "learned": "In dataset {dataset}, learned in {version}.",
    "declined": "The reviewer wrote: {reason}",
    "set aside": "A check set it aside: {reason}",
    "withdrawn": "It was taken back.",
    "not used": "You do not allow learning from it, so no reviewer sees it and nothing learns from it.",
}
LESSON_CHECKS = "In dataset {dataset}, kept out of training: it checks what new versions know."
LESSON_LEFT_OUT = "The latest dataset left it out: {reason}"
LESSON_HELD = "You no longer allow learning from it: later datasets leave it out."
LESSON_NOT_SERVING = "What answers now is {served}, which has not learned it."
NO_REASON = "no reason"
APPROVED_AS = "Approved as the reviewer changed it"
CHANGED = "From the answer to your correction"
ASK_AGAIN = "Ask {version} the same question"
NOTHING_TO_SEND = "Nothing is changed yet. Change the answer, pick a reason or write a comment, then send."
STANDING = {
    "pending": "waits for a reviewer",
    "skipped": "waits for a reviewer",
    "approved": "approved, new versions learn from it",
    "rejected": "not taken over by the reviewer",
    "held": "kept, and not learned from",
    "quarantined": "set aside by a check",
    "withdrawn": "withdrawn",
}
EDIT_QUESTION = "Edit question"
RETRY = "Retry"
EDIT_HINT = "It is asked in the place of the earlier one; both are kept, and ‹ 1/2 › switches between them."
CHATS = "Chats"
NO_CHATS = "Your chats are listed here."
NO_CHATS_FOUND = "None of your chats has these words."
NO_CHAT_SHOWN = "No chat is shown. Choose one from the list first."
STILL_WRITING = "An answer is still being written here. Wait for it, or stop it."
UNTITLED = "Untitled"
OLDER = "Older chats"
NEWEST = "Newest chats"
DELETE_ASKS = "Delete the chat that is shown? This cannot be undone. Corrections sent from it stay with the reviewers."
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
