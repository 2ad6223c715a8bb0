"""What became of a reviewer's approvals, as markup. Pure."""

from collections.abc import Sequence

from flywheel.inbox import Learned
from flywheel.ui import markup
from flywheel.words.catalogue import say


def learned_view(learned: Sequence[Learned]) -> str:
    """How much of what somebody approved is in which version, newest first."""
    if not learned:
        return markup.empty(say("review.mine_none"))
    head = (say("review.mine_dataset"), say("review.mine_rows"), say("review.mine_versions"))
    return markup.table(head, [(one.dataset, one.rows, ", ".join(one.versions) or "–") for one in learned])
