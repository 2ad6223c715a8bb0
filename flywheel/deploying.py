"""Putting this tree on a Hugging Face Space: look, plan, one commit, then secrets, variables, hardware, volumes.

Runs where the tree lies and needs no home. Values of secrets pass through here and are kept, printed and raised
nowhere. What was done stays done: after a fault the same command goes on, since each run compares anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel.deploy_plan import ENVIRONMENT, MISSING, PROMPT, THERE, Plan, Secret, foreign, make_plan
from flywheel.errors import Conflict, InvalidInput, NotFound, Unavailable
from flywheel.product_files import Content, product_files, refuse_secrets
from flywheel.spacefile import NAME, Spacefile, read_spacefile, with_front_matter
from storage.errors import HubBusy, HubError
from storage.files import write_atomic
from storage.hub import Account, Hub
from storage.hub_spaces import Mount, SpaceState

TREE = Path(__file__).parent.parent
README = "README.md"
MESSAGE = "Deploy Flywheel"
Ask = Callable[[str], str]
"""Asks a person for a secret by its name, without showing what is typed."""
ValuesOf = Callable[[Iterable[str]], Mapping[str, str]]
Event = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What a person chose on the command line."""

    repo: str = ""
    spacefile: Path | None = None
    dry_run: bool = False
    force: bool = False
    update_secrets: bool = False
    tree: Path = TREE


def write_front_matter(spacefile: Path | None = None, tree: Path = TREE) -> dict[str, Any]:
    """Check the Spacefile and write README's front matter from it; says whether that changed anything."""
    space = read_spacefile(spacefile or tree / NAME)
    readme = tree / README
    try:
        before = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(f"`{readme}` cannot be read ({error.strerror}). Run this in Flywheel's own tree.") from error
    after = with_front_matter(before, space)
    if after != before:
        write_atomic(readme, after)
    return {"readme": str(readme), "changed": after != before}


class Deployment:
    """One deployment: what shall be there, and the Hub it goes to.

    `values_of` gives the values of secrets that the environment has, `ask` those that a person types (None: nobody is
    there to be asked).
    """

    def __init__(self, hub: Hub, options: Options, values_of: ValuesOf, ask: Ask | None) -> None:
        self._hub, self._options, self._ask = hub, options, ask
        source = options.spacefile or options.tree / NAME
        self.space: Spacefile = read_spacefile(source)
        self._environment = values_of(self.space.secrets)
        self.files: dict[str, Content] = product_files(options.tree)
        if self.space.app_file not in self.files:
            raise InvalidInput(f"`app_file` is `{self.space.app_file}`, which is no file of {options.tree}. Name one.")
        readme = (options.tree / README).read_text(encoding="utf-8")
        self.files[README] = with_front_matter(readme, self.space).encode()
        self.files[NAME] = source.read_bytes()

    def run(self) -> Iterator[Event]:
        """Plan, and unless it is a dry run, do it. Yields events as operations do; raises before anything is done."""
        refuse_secrets(self.files, self._environment.values())
        account = self._hub.account()
        repo = self._repo(account)
        yield {"progress": f"looking at {repo}"}
        self._hub.may_write(repo, "space")
        plan = self._plan(repo, account)
        if self._options.dry_run:
            yield {"result": plan.record() | {"dry_run": True}}
            return
        values = self._values(plan)
        refuse_secrets(self.files, values.values())
        if plan.creates:
            yield {"progress": f"creating {repo}"}
            if not self._create(plan, values):
                # Somebody was faster, or an answer was lost: look again and go on from what is there.
                plan = self._plan(repo, account)
        yield from self._carry_out(plan, values)

    def _carry_out(self, plan: Plan, values: dict[str, str]) -> Iterator[Event]:
        done: list[str] = [f"{plan.repo} created"] if plan.creates else []
        sha = None
        steps = self._steps(plan, {name: values[name] for name in plan.secrets_sent})
        for number, (words, action) in enumerate(steps):
            yield {"progress": words, "fraction": number / len(steps)}
            sha = self._step(action, values, done, [name for name, _ in steps[number:]]) or sha
            done.append(words)
        yield {"result": plan.record() | {"dry_run": False, "done": done, "commit": sha}}

    def _repo(self, account: Account) -> str:
        name = self._options.repo or "flywheel"
        return name if "/" in name else f"{account.name}/{name}"

    def _plan(self, repo: str, account: Account) -> Plan:
        state = self._hub.space(repo)
        there = self._hub.files(repo, kind="space") if state else {}
        reason = foreign(self.space, state, there) if state else None
        if reason and not self._options.force:
            raise Conflict(
                f"`{repo}` is not a Space of Flywheel's: {reason}. Give another name with `--repo`, "
                "or take it over with `--force`; its other files stay."
            )
        secrets = tuple(Secret(name, self._source(name, state)) for name in self.space.secrets)
        url = f"{self._hub.endpoint}/spaces/{repo}"
        return make_plan(repo, url, self.space, self.files, state, there, secrets, account.name)

    def _source(self, name: str, state: SpaceState | None) -> str:
        if state and name in state.secrets and not self._options.update_secrets:
            return THERE
        if name in self._environment:
            return ENVIRONMENT
        return PROMPT if self._ask else MISSING

    def _values(self, plan: Plan) -> dict[str, str]:
        """The values of the secrets to be sent. Raises InvalidInput naming those that nobody gives."""
        missing = [secret.name for secret in plan.secrets if secret.source == MISSING]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            raise InvalidInput(
                f"The Spacefile names the secret {names}, and no value was given. "
                "Set it as an environment variable, or run this in a terminal to be asked. Nothing was changed."
            )
        values = {}
        for name in plan.secrets_sent:
            values[name] = self._environment.get(name) or (self._ask(name).strip() if self._ask else "")
            if not values[name]:
                raise InvalidInput(f"No value was given for the secret `{name}`. Nothing was changed.")
        return values

    def _create(self, plan: Plan, values: Mapping[str, str]) -> bool:
        def create() -> bool:
            return self._hub.create_space(
                plan.repo,
                self.space.sdk,
                visibility=plan.visibility,
                variables=plan.variables,
                secrets=values,
                hardware=plan.hardware,
                volumes=plan.volumes or (),
            )

        return bool(self._step(create, values, [], [f"creating {plan.repo}"]))

    def _steps(self, plan: Plan, values: Mapping[str, str]) -> list[tuple[str, Callable[[], Any]]]:
        """What is to be done, in words and as an action. A new Space has all but its code from the start."""
        hub, repo = self._hub, plan.repo
        steps: list[tuple[str, Callable[[], Any]]] = []
        if plan.changes_code:
            files = {name: self.files[name] for name in (*plan.added, *plan.changed)}
            words = f"commit of {len(files)} files" + (f", {len(plan.deleted)} deleted" if plan.deleted else "")
            deleted = tuple(plan.deleted)
            steps.append((words, lambda: hub.commit(repo, files, MESSAGE, kind="space", delete=deleted)))
        if plan.creates:
            return steps
        for name, value in values.items():
            steps.append((f"secret {name}", _call(hub.set_secret, repo, name, value)))
        for name, value in plan.variables.items():
            steps.append((f"variable {name}", _call(hub.set_variable, repo, name, value)))
        for name in plan.variables_removed:
            steps.append((f"variable {name} removed", _call(hub.delete_variable, repo, name)))
        if plan.hardware:
            steps.append((f"hardware {plan.hardware}", _call(hub.request_hardware, repo, plan.hardware)))
        if plan.volumes is not None:
            steps.append(("volumes", _call(hub.set_volumes, repo, plan.volumes)))
        return steps

    def _step(self, action: Callable[[], Any], values: Mapping[str, str], done: list[str], open_: list[str]) -> Any:
        """Do one thing. Raises Unavailable that says what is done and what is not, and holds no secret."""
        try:
            return action()
        except HubError as error:
            words = str(error)
            for value in values.values():
                words = words.replace(value, "…")
            if isinstance(error, HubBusy):
                # Its answer may be all that was lost.
                words += f" Whether this was done is not known: {open_.pop(0)}."
            elif not done:
                raise Unavailable(f"{words} Nothing was changed.") from None
            words += f" Done: {', '.join(done) or 'nothing'}. Not done: {', '.join(open_) or 'nothing else'}."
            raise Unavailable(f"{words} Run the same command again: it looks first and goes on.") from None


def _call(method: Callable[..., None], *given: str | tuple[Mount, ...]) -> Callable[[], None]:
    return lambda: method(*given)
