"""The composition: from settings to every service, built once in a process, and taken down in order.

Knows how the parts are put together and nothing of what they do. Imports no page and, itself, no model library.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from flywheel import addresses, bundled, pinned_suite
from flywheel.alike import Alike
from flywheel.audit import Audit
from flywheel.backups import Backups
from flywheel.base_model import BaseModel, base_model
from flywheel.chat import Chat
from flywheel.comparing import Comparing, two_samples
from flywheel.curation import Curation
from flywheel.dataset_push import DatasetPush
from flywheel.datasets import Datasets
from flywheel.drafts import Drafts
from flywheel.engines import build_engine, rules_of, warmer
from flywheel.errors import InvalidInput, Unavailable
from flywheel.exports import Exporter
from flywheel.guarding import Guard
from flywheel.guests import Guests
from flywheel.identity import Identity
from flywheel.imports import Importer
from flywheel.inbox import Inbox
from flywheel.invitations import Invitations
from flywheel.keys import Keys
from flywheel.leakguard import Reserved
from flywheel.learned import Learned
from flywheel.learning_value import LearningValue
from flywheel.leases import Leases
from flywheel.live import Live
from flywheel.merging import Merging
from flywheel.metrics import Metrics
from flywheel.origins import Origins
from flywheel.overview import Overview
from flywheel.pins import Pins
from flywheel.poisoning.limits import Limits
from flywheel.privacy import Privacy
from flywheel.publishing import Publishing
from flywheel.queue import Queue
from flywheel.redaction.presidio import look_for_names
from flywheel.remarks import Remarks
from flywheel.roles import SYSTEM, Principal, Role, require
from flywheel.scoring import Scoring
from flywheel.second_eyes import SecondEyes
from flywheel.serving.engine import Engine
from flywheel.settings import Settings
from flywheel.standing import Standing
from flywheel.standins import StandIns
from flywheel.suggestions import Suggestions
from flywheel.synthesis import Synthesis
from flywheel.tasks.build import Task, build_task
from flywheel.teacher import Teacher
from flywheel.training import Training
from flywheel.usage import Usage
from flywheel.versions import Versions
from flywheel.wheel import Wheel
from flywheel.words import catalogue as words
from flywheel.words.catalogue import say
from flywheel.worker import Worker
from storage.audit import AuditStore
from storage.consents import ConsentStore
from storage.conversations import ConversationStore
from storage.database import Database
from storage.datasets import DatasetStore
from storage.drafts import DraftStore
from storage.examples import ExampleStore
from storage.feedback import FeedbackStore
from storage.home import Home
from storage.hub import Hub
from storage.invitations import InvitationStore
from storage.keys import KeyStore
from storage.ledger import LedgerReport, verify
from storage.lock import HomeLock
from storage.notices import NoticeStore
from storage.own_words import in_own_words
from storage.pins import PinStore
from storage.publications import PublicationStore
from storage.queue import QueueStore
from storage.runs import RunStore
from storage.tags import TagStore
from storage.versions import VersionStore

READY_SECONDS = 120.0
WORDS_SECONDS = 1.0
"""How often it is looked whether there is something new to tell."""


@dataclass
class Services:
    """Everything one process runs on. `url` is set once the page is served."""

    settings: Settings
    home: Home
    lock: HomeLock
    identity: Identity
    keys: Keys
    invitations: Invitations
    usage: Usage
    overview: Overview
    database: Database
    base: BaseModel
    engine: Engine
    task: Task
    teacher: Teacher
    chat: Chat
    comparing: Comparing
    live: Live
    drafts: Drafts
    standins: StandIns
    learned: Learned
    remarks: Remarks
    privacy: Privacy
    metrics: Metrics
    guard: Guard
    curation: Curation
    inbox: Inbox
    alike: Alike
    audit: Audit
    suggestions: Suggestions
    pins: Pins
    datasets: Datasets
    importer: Importer
    exporter: Exporter
    training: Training
    versions: Versions
    merging: Merging
    publishing: Publishing
    hub: Callable[[], Hub]
    dataset_push: DatasetPush
    synthesis: Synthesis
    wheel: Wheel
    worker: Worker
    backups: Backups
    url: str = ""

    def wait_until_ready(self) -> None:
        """Block until the model answers. Raises Unavailable with the reason when it cannot."""
        for _ in self.waiting():
            pass

    def waiting(self) -> Iterator[str]:
        """Wait until the model answers, telling what is being done when it takes its time: a download may take hours.

        Raises Unavailable when it cannot answer, or when nothing new is told for READY_SECONDS.
        """
        told, patient_until = "", time.monotonic() + READY_SECONDS
        while True:
            began = time.monotonic()
            ready, words = self.engine.wait_ready(WORDS_SECONDS)
            if ready:
                return
            if words != told:
                told, patient_until = words, time.monotonic() + READY_SECONDS
                yield words
            elif time.monotonic() - began < WORDS_SECONDS / 2 or time.monotonic() > patient_until:
                raise Unavailable(say("error.model.fails", words=words.rstrip(".")))

    def login_links(self, who: Principal, role: str, name: str) -> list[str]:
        """The same link under each address of the app: it signs its opener in, a reviewer once. Only the owner asks."""
        require(who, Role.OWNER)
        if role not in ("reviewer", "owner"):
            raise InvalidInput(say("error.access.no_role", role=role))
        token = self.invitations.invite(who, name) if role == "reviewer" else self.identity.login_token(Role.OWNER)
        return [f"{address}/enter?token={token}" for address in addresses.for_people(self.settings)]

    def verify_ledger(self, who: Principal) -> LedgerReport:
        """Whether every record is as it was written. Only the owner asks."""
        require(who, Role.OWNER)
        return verify(self.database)

    def close(self) -> None:
        """Stop what runs, last started first; then the home is free for another process."""
        self.publishing.close()
        self.worker.stop()
        self.engine.close()
        self.task.close()
        self.database.close()
        self.lock.release()


def build_services(settings: Settings, load: bool = True) -> Services:
    """Open the home and put everything together; the model loads in the background, or, unless `load`, on first use.

    Raises what is wrong in words (ConfigurationError, HomeLocked, StorageError); nothing is left held then.
    """
    words.use(settings.language)
    look_for_names(settings.presidio)
    with ExitStack() as undo:
        home = Home.open(settings.home)
        lock = HomeLock.acquire(home, "")
        undo.callback(lock.release)
        task = build_task(settings, home)
        undo.callback(task.close)
        database = Database.open(home.database, home.ledger_tail)
        undo.callback(database.close)
        # A freeze that was killed leaves rows without their version: texts of people that nothing needs.
        DatasetStore(database).clear(by=SYSTEM.id)
        services = _compose(settings, home, lock, task, database, undo, load)
        undo.pop_all()
    return services


def _compose(
    settings: Settings, home: Home, lock: HomeLock, task: Task, database: Database, undo: ExitStack, load: bool
) -> Services:
    conversations, examples, datasets = ConversationStore(database), ExampleStore(database), DatasetStore(database)
    feedback, runs, version_store = FeedbackStore(database), RunStore(database), VersionStore(database)
    base = base_model(settings, home)
    pins = Pins(PinStore(database), examples)
    scoring = Scoring(
        version_store, home, base, task, settings, lambda: pinned_suite.rows(pins.in_force(), task, base.folder)
    )
    publications = PublicationStore(database)
    versions = Versions(version_store, home, Standing(version_store, runs, home, base), publications)
    engine = build_engine(settings, base, versions, load, task)
    undo.callback(engine.close)
    versions.on_served = warmer(engine)
    rules = rules_of(engine, settings)
    training = Training(database, runs, version_store, datasets, home, base, scoring)
    teacher = Teacher(settings)
    merging, origins = Merging(home, base, versions), Origins(home, base, runs, datasets)
    keys, invitations = Keys(KeyStore(database), home.owner_token()), Invitations(InvitationStore(database))
    guests = Guests(settings, keys)
    limits = Limits(settings.guest_rows, settings.guest_alike, settings.guest_same_reply, settings.guest_own_words)
    guard = Guard(examples, limits, guests.is_guest, lambda: in_own_words(database))
    queue, leases = Queue(QueueStore(database)), Leases()
    eyes = SecondEyes(database, examples, queue, settings.second_review / 100, lambda: guard.flags(SYSTEM))
    curation = Curation(examples, conversations, task, rules, bundled.folder(settings), guard, leases, eyes)
    learnt, tags = LearningValue(version_store, datasets), TagStore(database)
    frozen = Datasets(
        datasets, examples, task, home, rules, guard, learnt, tags.of,
        lambda: Reserved([example.id for example in pins.in_force()], scoring.general_prompts()),
    )  # fmt: skip
    chat = Chat(database, conversations, feedback, examples, engine, task, versions.served, settings)
    sides = two_samples(versions.served, chat.usual_sampling)
    notices = NoticeStore(database)
    return Services(
        settings=settings,
        home=home,
        lock=lock,
        identity=Identity(home.secret(), home.owner_token(), settings, invitations.ended),
        keys=keys,
        invitations=invitations,
        usage=Usage(database, keys),
        overview=Overview(settings),
        database=database,
        base=base,
        engine=engine,
        task=task,
        teacher=teacher,
        chat=chat,
        comparing=Comparing(database, chat, conversations, examples, task, sides, settings.compare_share),
        live=Live(),
        drafts=Drafts(chat, task),
        standins=StandIns(chat.threads, task),
        learned=Learned(feedback, examples, datasets, version_store, notices, home, versions.served),
        remarks=Remarks(chat, feedback, task),
        privacy=Privacy(database, home),
        metrics=Metrics(database, chat, engine, versions, examples, feedback),
        guard=guard,
        curation=curation,
        inbox=Inbox(queue, QueueStore(database), curation, tags, leases, eyes, datasets, version_store),
        alike=Alike(examples, curation),
        audit=Audit(AuditStore(database)),
        suggestions=Suggestions(curation, teacher, engine, task, versions.served, DraftStore(database)),
        pins=pins,
        datasets=frozen,
        importer=Importer(examples, task, rules),
        exporter=Exporter(examples, datasets, conversations, feedback, ConsentStore(database)),
        training=training,
        versions=versions,
        wheel=Wheel(examples, datasets, runs, training, versions, learns_here=not base.is_remote),
        merging=merging,
        publishing=Publishing(publications, versions, merging, origins, _hub(settings), settings.hub_repo),
        hub=_hub(settings),
        synthesis=Synthesis(teacher, examples, task, home, rules),
        dataset_push=DatasetPush(publications, frozen, _hub(settings), settings.hub_repo),
        worker=Worker(training),
        backups=Backups(database, home, base, settings),
    )


def _hub(settings: Settings) -> Callable[[], Hub]:
    """The Hub as these settings know it; the client is loaded when something is asked of it."""
    return lambda: Hub(settings.hub_endpoint, settings.hub_token or None)
