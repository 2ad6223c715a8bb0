"""The chat service over real storage, for tests: who asks, what the parrot knows, and the stores in reach."""

from dataclasses import dataclass, replace

from flywheel import settings as settings_module
from flywheel.chat import Chat
from flywheel.reply import Update
from flywheel.roles import Principal, Role
from flywheel.serving.engine import Sampling
from flywheel.serving.local import LocalEngine
from flywheel.setting_values import Limit
from flywheel.tasks.chat import ChatTask
from flywheel.tasks.sql import SqlTask
from storage.consents import ConsentStore
from storage.conversations import ConversationStore, Turn
from storage.database import Database
from storage.examples import ExampleStore
from storage.feedback import FeedbackStore
from storage.home import Home

ANN, BOB = Principal("guest:" + "a" * 32, Role.GUEST), Principal("guest:" + "b" * 32, Role.GUEST)
COUNT, SQL = "how many orders are there", "SELECT count(*) FROM orders"
ANSWERS = {
    COUNT: SQL,
    "think": "<think>two and two</think>It is four.",
    "hello": "Hello! Ask me about the shop.",
    "drop it all": "DROP TABLE orders",
    "list the orders": "SELECT order_id, total FROM orders ORDER BY order_id",
}
RAMBLE = Sampling(max_new_tokens=250)
"""With v1, whose weights are noise, an answer that goes on for a good while."""


@dataclass
class App:
    chat: Chat
    database: Database
    conversations: ConversationStore
    feedback: FeedbackStore
    examples: ExampleStore
    engine: LocalEngine
    served: list[str]

    def ask(self, who: Principal, text: str, conversation: str | None = None, **given) -> Update:
        return list(self.chat.reply(who, conversation, text, **given))[-1]

    def turns(self) -> list[Turn]:
        ids = [row["id"] for row in self.database.rows("SELECT id FROM conversations ORDER BY id")]
        return [turn for id in ids for turn in self.conversations.turns(id)]

    def events(self) -> int:
        return self.database.value("SELECT count(*) FROM ledger")


def make_app(home: Home, engine: LocalEngine, task: SqlTask | ChatTask, **changes) -> App:
    changes = {"guest_limit": Limit(), **changes}
    settings = replace(settings_module.read({"FLYWHEEL_HOME": str(home.path)}), **changes)
    database = Database.open(home.database, home.ledger_tail)
    stores = ConversationStore(database), FeedbackStore(database), ExampleStore(database)
    for who in (ANN, BOB):
        ConsentStore(database).choose(who.id, "yes", by=who.id)
    served = ["v0"]
    chat = Chat(database, *stores, engine, task, lambda: served[0], settings)
    return App(chat, database, *stores, engine, served)


def long_text(app: App, word: str) -> str:
    """About 300 of the 480 tokens that a question may take."""
    return word * (300 * 100 // app.engine.count_tokens(word * 100))
