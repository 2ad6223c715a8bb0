"""Deploying: the real client against a Hub over HTTP. What goes there, in which order, once; and what never does."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flywheel.deploying import Deployment, Options
from flywheel.errors import PUBLIC, Conflict, InvalidInput, Unavailable
from flywheel.product_files import is_product, product_files
from storage.errors import HubDenied
from storage.hub import Hub, Patience
from tests.support.hub.server import HubServer

ROOT = Path(__file__).parent.parent
REPO = "alice/flywheel"
VALUE = "a-secret-that-nobody-sees"
WRITES = ("POST", "PUT", "DELETE", "PATCH")
# The client asks these with POST and nothing is changed by it.
ASKS = ("/preupload/", "/validate-yaml", "/paths-info/")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout: some of the product, and much that must stay at home."""
    root = tmp_path / "tree"
    for name in ("app.py", "requirements.txt", "README.md", "Spacefile", "LICENSE", "flywheel/roles.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "starter/model").mkdir(parents=True)
    (root / "starter/model/model.safetensors").write_bytes(b"weights" * 1000)
    for name in (".env", ".git/config", "tests/test_x.py", "flywheel/.secret.py", "flywheel/x.duckdb", "owner.key"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("stays at home")
    (root / "flywheel/__pycache__").mkdir()
    (root / "flywheel/__pycache__/roles.py").write_text("")
    return root


Deploy = Callable[..., dict[str, Any]]


@pytest.fixture
def deploy(hub: HubServer, tree: Path) -> Deploy:
    """Deploys the small tree as alice; returns the result."""

    def run(token: str = hub.writer, given: Mapping[str, str] | None = None, **options: Any) -> dict[str, Any]:
        ask = options.pop("ask", None)
        client = Hub(hub.url, token, Patience(timeout_s=5, read_s=0.3, write_s=0.3, first_s=0.01))

        def values_of(names: Iterable[str]) -> dict[str, str]:
            return {name: (given or {})[name] for name in names if name in (given or {})}

        events = Deployment(client, replace(Options(tree=tree), **options), values_of, ask).run()
        return next(event["result"] for event in events if "result" in event)

    return run


def set_keys(tree: Path, **keys: Any) -> None:
    values = yaml.safe_load((tree / "Spacefile").read_text()) | keys
    (tree / "Spacefile").write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False))


def writes(hub: HubServer) -> list[str]:
    return [f"{e.method} {e.path}" for e in hub.log if e.method in WRITES and not any(a in e.path for a in ASKS)]


def test_first_deploy_creates_a_private_space_with_all_from_the_start(
    hub: HubServer, tree: Path, deploy: Deploy
) -> None:
    set_keys(tree, variables={"FLYWHEEL_REVIEWERS": "bob"}, secrets=["OPENAI_API_KEY"], hardware="t4-small")
    result = deploy(given={"OPENAI_API_KEY": VALUE})
    space = hub.repo("space", REPO)
    assert (result["action"], space.private, space.sdk) == ("create", True, "gradio")
    assert space.variables == {"FLYWHEEL_REVIEWERS": "bob"} and space.secrets == {"OPENAI_API_KEY": VALUE}
    assert space.hardware == "t4-small" and space.head.sha == result["commit"] and len(space.commits) == 2
    assert [line.split("?")[0] for line in writes(hub) if "lfs" not in line and "cdn" not in line] == [
        "POST /api/repos/create",
        f"POST /api/spaces/{REPO}/commit/main",
    ]
    expected = {"app.py", "requirements.txt", "README.md", "Spacefile", "LICENSE", "flywheel/roles.py"}
    assert set(space.listing()) == expected | {"starter/model/model.safetensors", ".gitattributes"}
    assert space.file("starter/model/model.safetensors") == b"weights" * 1000
    assert any("paid" in warning for warning in result["warnings"])


def test_second_deploy_changes_nothing(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    volume = {"type": "model", "source": "alice/model", "mount_path": "/models"}
    set_keys(tree, secrets=["OPENAI_API_KEY"], variables={"A": "1"}, hardware="cpu-basic", volumes=[volume])
    deploy(given={"OPENAI_API_KEY": VALUE})
    hub.log.clear()
    result = deploy(given={"OPENAI_API_KEY": "another"})
    assert result["action"] == "nothing" and result["done"] == [] and writes(hub) == []
    assert [secret["source"] for secret in result["secrets"]] == ["there already"]
    assert hub.repo("space", REPO).secrets == {"OPENAI_API_KEY": VALUE}


def test_a_changed_and_a_deleted_file_are_one_commit(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    deploy()
    hub.add("space", REPO, {"packages.txt": b"git\n", "flywheel/old.py": b"", "notes.py": b""})
    (tree / "app.py").write_text("print('new')\n")
    (tree / "flywheel/roles.py").unlink()
    before = len(hub.repo("space", REPO).commits)
    result = deploy()
    space = hub.repo("space", REPO)
    assert len(space.commits) == before + 1 and space.file("app.py") == b"print('new')\n"
    assert list(result["changed"]) == ["app.py"] and set(result["deleted"]) == {"flywheel/roles.py", "flywheel/old.py"}
    # What this product never has is somebody's own: it stays.
    assert {"packages.txt", "notes.py"} <= set(space.listing()) and "packages.txt" in result["left_alone"]
    assert not {"flywheel/roles.py", "flywheel/old.py"} & set(space.listing())


def test_settings_follow_the_spacefile(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    set_keys(tree, variables={"A": "1", "B": "2"})
    deploy()
    commits = len(hub.repo("space", REPO).commits)
    mount = {"type": "bucket", "source": "alice/data", "mount_path": "/data"}
    set_keys(tree, variables={"A": "9", "C": "3"}, hardware="t4-small", volumes=[mount])
    result = deploy()
    space = hub.repo("space", REPO)
    assert space.variables == {"A": "9", "C": "3"} and space.requested_hardware == "t4-small"
    assert space.volumes[0]["source"] == "alice/data" and result["variables_removed"] == ("B",)
    assert len(space.commits) == commits + 1, "the Spacefile itself is a file of the tree"
    assert result["done"][0].startswith("commit")


def test_secrets_are_sent_again_when_told(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    set_keys(tree, secrets=["OPENAI_API_KEY"])
    deploy(given={"OPENAI_API_KEY": "the-first-value"})
    result = deploy(given={"OPENAI_API_KEY": VALUE}, update_secrets=True)
    assert hub.repo("space", REPO).secrets == {"OPENAI_API_KEY": VALUE} and result["done"] == ["secret OPENAI_API_KEY"]


def test_dry_run_tells_all_and_changes_nothing(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    set_keys(tree, secrets=["OPENAI_API_KEY", "OTHER"], variables={"A": "1"}, hardware="t4-small")
    plan = deploy(dry_run=True, given={"OTHER": VALUE})
    assert writes(hub) == [] and plan["action"] == "create" and plan["hardware"] == "t4-small"
    assert plan["added"]["app.py"] == (tree / "app.py").stat().st_size and plan["variables"] == {"A": "1"}
    assert [(s["name"], s["source"]) for s in plan["secrets"]] == [
        ("OPENAI_API_KEY", "missing"),
        ("OTHER", "environment"),
    ]
    assert VALUE not in json.dumps(plan)
    deploy(given={"OTHER": VALUE, "OPENAI_API_KEY": VALUE})
    (tree / "app.py").write_text("x = 1\n")
    hub.log.clear()
    assert list(deploy(dry_run=True)["changed"]) == ["app.py"] and writes(hub) == []


def test_missing_secret_is_named_before_anything_is_done(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    set_keys(tree, secrets=["OPENAI_API_KEY"])
    with pytest.raises(InvalidInput, match="`OPENAI_API_KEY`"):
        deploy()
    with pytest.raises(InvalidInput, match="`OPENAI_API_KEY`"):
        deploy(ask=lambda name: " ")
    assert writes(hub) == []
    deploy(ask=lambda name: VALUE)
    assert hub.repo("space", REPO).secrets == {"OPENAI_API_KEY": VALUE}


def test_read_token_wrong_token_and_none_are_refused_first(hub: HubServer, deploy: Deploy) -> None:
    for token in (hub.reader, "hf_unknown", ""):
        with pytest.raises(HubDenied, match="HF_TOKEN"):
            deploy(token=token)
    with pytest.raises(HubDenied, match="bob"):
        deploy(token=hub.stranger, repo="alice/flywheel")
    assert writes(hub) == []


@pytest.mark.parametrize(("sdk", "files"), [("docker", {}), ("gradio", {"app.py": b"print('theirs')"})])
def test_foreign_space_is_kept_unless_forced(hub: HubServer, deploy: Deploy, sdk: str, files: dict[str, bytes]) -> None:
    hub.add("space", REPO, files | {"data.csv": b"1"} if files else {}, sdk=sdk)
    with pytest.raises(Conflict, match="--force"):
        deploy()
    assert writes(hub) == []
    deploy(force=True)
    assert "Spacefile" in hub.repo("space", REPO).listing()
    assert not files or hub.repo("space", REPO).file("data.csv") == b"1"


def test_empty_space_made_by_hand_is_taken(hub: HubServer, deploy: Deploy) -> None:
    hub.add("space", REPO, {"README.md": b"---\nsdk: gradio\n---\n"}, sdk="gradio", private=True)
    assert deploy()["action"] == "update"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/api/repos/create", 403, "403"),
        ("POST", "/api/repos/create", 402, "402"),
        ("POST", "/api/repos/create", 500, "not known: creating"),
        ("POST", "/commit/main", 500, "not known: commit of"),
        ("POST", "/commit/main", 429, "429"),
        ("POST", "/preupload/", 503, "not known: commit of"),
    ],
)
def test_fault_is_told_and_the_next_try_goes_on(
    hub: HubServer, tree: Path, deploy: Deploy, method: str, path: str, status: int, words: str
) -> None:
    set_keys(tree, secrets=["OPENAI_API_KEY"])
    hub.fault(method, path, status=status, times=99, message=f"no {VALUE}")
    with pytest.raises(Unavailable) as caught:
        deploy(given={"OPENAI_API_KEY": VALUE})
    assert words in str(caught.value) and VALUE not in str(caught.value)
    assert ("Done: alice/flywheel created" in str(caught.value)) == ("create" not in path)
    hub.faults.clear()
    deploy(given={"OPENAI_API_KEY": VALUE})
    space = hub.repo("space", REPO)
    assert space.secrets == {"OPENAI_API_KEY": VALUE} and len(space.commits) == 2 and "app.py" in space.listing()


@pytest.mark.parametrize("path", ["/api/repos/create", "/commit/main"])
def test_lost_answer_is_not_done_twice(hub: HubServer, deploy: Deploy, path: str) -> None:
    hub.fault("POST", path, status=504, after=True)
    deploy()
    assert len(hub.repo("space", REPO).commits) == 2 and deploy()["action"] == "nothing"


def test_fault_between_steps_says_what_is_done(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    deploy()
    set_keys(tree, variables={"A": "1", "B": "2"}, hardware="t4-small")
    hub.fault("POST", "/hardware", status=400, message="no such card")
    with pytest.raises(Unavailable) as caught:
        deploy()
    words = str(caught.value)
    assert "Done: commit of 1 files, variable A, variable B. Not done: hardware t4-small." in words
    assert "no such card" in words
    assert deploy()["done"] == ["hardware t4-small"]


def test_file_with_a_secret_in_it_does_not_leave(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    set_keys(tree, secrets=["OPENAI_API_KEY"])
    (tree / "flywheel/roles.py").write_text(f"key = {VALUE!r}\n")
    with pytest.raises(InvalidInput, match=r"flywheel/roles\.py") as caught:
        deploy(given={"OPENAI_API_KEY": VALUE})
    assert VALUE not in str(caught.value)
    (tree / "flywheel/roles.py").write_text("key = 'hf_" + "a1B2" * 8 + "'\n")
    with pytest.raises(InvalidInput, match="token"):
        deploy(given={"OPENAI_API_KEY": VALUE})
    assert writes(hub) == []


def test_link_out_of_the_tree_is_refused(tree: Path, deploy: Deploy) -> None:
    (tree / "flywheel/keys.py").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInput, match="is a link"):
        deploy()


def test_another_spacefile_gives_its_own_front_matter(
    hub: HubServer, tree: Path, deploy: Deploy, tmp_path: Path
) -> None:
    other = tmp_path / "Other"
    other.write_text((tree / "Spacefile").read_text().replace("title: Flywheel", "title: Wheel of bikes"))
    deploy(spacefile=other, repo="shop/wheel")
    space = hub.repo("space", "shop/wheel")
    assert b"title: Wheel of bikes" in space.file("README.md") and space.file("Spacefile") == other.read_bytes()


def test_organisation_without_a_named_owner_is_noted(deploy: Deploy) -> None:
    assert any("FLYWHEEL_OWNERS" in warning for warning in deploy(repo="shop/wheel", dry_run=True)["warnings"])
    assert not any("FLYWHEEL_OWNERS" in warning for warning in deploy(dry_run=True)["warnings"])


def test_this_trees_product_is_whole_and_nothing_else() -> None:
    names = set(product_files(ROOT))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    product = {
        n for n in tracked if n.startswith(("flywheel/", "storage/", "trainers/", "starter/")) and (ROOT / n).exists()
    }
    assert product <= names | {n for n in product if "sample" in n}, product - names
    assert {"docs/images/chat.png", "starter/model/model.safetensors"} <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", ".")) or name.endswith(".duckdb")]


@pytest.mark.parametrize("name", [".env", "tests/a.py", "flywheel/.x.py", "flywheel/a.duckdb", "owner.key", "x/app.py"])
def test_what_is_not_named_stays_at_home(name: str) -> None:
    assert not is_product(name)


def command(hub: HubServer, *args: str, **more: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = kept | hub.environment(hub.writer) | {"FLYWHEEL_HOME": "/nowhere/at/all"} | more
    argv = [sys.executable, "-m", "flywheel", "deploy", *args]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.slow
def test_command_deploys_this_tree(hub: HubServer, tmp_path: Path) -> None:
    source = tmp_path / "Spacefile"
    source.write_text((ROOT / "Spacefile").read_text() + "secrets: [OPENAI_API_KEY]\n")
    args = ("--spacefile", str(source))
    refused = command(hub, *args)
    assert refused.returncode == 1 and "OPENAI_API_KEY" in refused.stderr and writes(hub) == []
    plan = json.loads(command(hub, *args, "--dry-run", "--json", OPENAI_API_KEY=VALUE).stdout)
    assert plan["dry_run"] and "flywheel/settings.py" in plan["added"] and writes(hub) == []
    first = command(hub, *args, OPENAI_API_KEY=VALUE)
    assert first.returncode == 0 and "alice/flywheel was created (private)" in first.stdout, first.stderr
    again = command(hub, *args, OPENAI_API_KEY=VALUE)
    assert again.returncode == 0 and "nothing was changed" in again.stdout
    assert VALUE not in first.stdout + first.stderr + again.stdout + str(plan)
    source.write_text(source.read_text().replace("title:", "titel:"))
    typo = command(hub, *args)
    assert typo.returncode == 2 and "Did you mean `title`?" in typo.stderr


@pytest.mark.slow
def test_secret_is_asked_for_unseen_at_a_terminal(hub: HubServer, tmp_path: Path) -> None:
    source = tmp_path / "Spacefile"
    source.write_text((ROOT / "Spacefile").read_text() + "secrets: [OPENAI_API_KEY]\n")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    argv = [sys.executable, "-m", "flywheel", "deploy", "--spacefile", str(source)]
    ours, theirs = pty.openpty()
    ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    process = subprocess.Popen(argv, cwd=ROOT, env=kept | hub.environment(hub.writer), **ends)
    os.close(theirs)
    shown = b""
    while b"OPENAI_API_KEY: " not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, f"{VALUE}\n".encode())
    with suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown.decode()
    assert VALUE not in shown.decode() and hub.repo("space", REPO).secrets == {"OPENAI_API_KEY": VALUE}


def test_nothing_that_is_raised_holds_a_secret(hub: HubServer, tree: Path, deploy: Deploy) -> None:
    set_keys(tree, secrets=["OPENAI_API_KEY"])
    deploy(given={"OPENAI_API_KEY": "the-first-value"})
    hub.fault("POST", "/secrets", status=400, message=f"bad value {VALUE}")
    with pytest.raises(PUBLIC) as caught:
        deploy(given={"OPENAI_API_KEY": VALUE}, update_secrets=True)
    chain: BaseException | None = caught.value
    while chain is not None and not getattr(chain, "__suppress_context__", False):
        assert VALUE not in str(chain)
        chain = chain.__cause__ or chain.__context__
    assert VALUE not in str(caught.value) and "bad value" in str(caught.value)
