"""The Hub through the real client over HTTP: what it may do, what goes wrong, and how it goes on."""

import contextlib
import gzip
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from storage.errors import HubBusy, HubConflict, HubDenied, HubError, HubMissing
from storage.hub import Hub, Patience
from tests.support.hub.server import HubServer

SHOP = "alice/shop"
QUICK = Patience(timeout_s=0.5, read_s=2, write_s=5, first_s=0.01, most_s=0.05)
HURRIED = Patience(timeout_s=0.3, read_s=0.1, write_s=0.1, first_s=0.01, most_s=0.05)


@pytest.fixture
def mine(hub: HubServer) -> Hub:
    return Hub(hub.url, hub.writer, QUICK)


def test_account_says_whose_token_it_is(hub: HubServer, mine: Hub) -> None:
    account = mine.account()
    assert (account.name, account.organisations, account.may_write) == ("alice", ("shop",), True)
    assert not Hub(hub.url, hub.reader, QUICK).account().may_write


@pytest.mark.parametrize(("token", "words"), [(None, "no token"), ("hf_wrongwrong", "does not know the token")])
def test_a_missing_or_wrong_token_is_told_with_the_remedy(hub: HubServer, token: str | None, words: str) -> None:
    with pytest.raises(HubDenied, match=words) as error:
        Hub(hub.url, token, QUICK).account()
    assert "HF_TOKEN" in str(error.value) and "hf_wrong" not in str(error.value)


def test_token_is_never_shown(hub: HubServer, mine: Hub) -> None:
    hub.fault("GET", "/api/models/", status=403, message=f"no {hub.writer} here")
    with pytest.raises(HubDenied) as error:
        mine.resolve(SHOP)
    assert hub.writer not in str(error.value) + repr(mine)


def test_a_read_token_is_refused_before_anything_is_made(hub: HubServer) -> None:
    with pytest.raises(HubDenied, match="can only read"):
        Hub(hub.url, hub.reader, QUICK).may_write(SHOP)
    with pytest.raises(HubDenied, match="may not create"):
        Hub(hub.url, hub.reader, QUICK).create(SHOP)
    with pytest.raises(HubDenied, match="`bob` may not make `alice/shop`"):
        Hub(hub.url, hub.stranger, QUICK).may_write(SHOP)
    Hub(hub.url, hub.writer, QUICK).may_write("shop/new")


def test_create_is_private_and_says_whether_it_was_there(hub: HubServer, mine: Hub) -> None:
    assert not mine.exists(SHOP)
    assert mine.create(SHOP) and not mine.create(SHOP)
    assert hub.repo("model", SHOP).private
    assert mine.exists(SHOP) and not Hub(hub.url, hub.stranger, QUICK).exists(SHOP)


def test_commit_is_one_and_a_repeat_is_none(hub: HubServer, mine: Hub, tmp_path: Path) -> None:
    mine.create(SHOP)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"w" * 500_000)
    files = {"model.safetensors": weights, "README.md": b"---\nlicense: mit\n---\n", "adapter/a.json": b"{}"}
    seen: list[tuple[int, int]] = []
    sha = mine.commit(SHOP, files, "v1", progress=lambda done, total: seen.append((done, total)))
    assert seen[0][0] == 0 and seen[-1] == (seen[0][1], seen[0][1]) and len(seen) > 2
    assert mine.commit(SHOP, files, "v1 again") == sha == mine.resolve(SHOP)
    assert [made.title for made in hub.repo("model", SHOP).commits[1:]] == ["v1"]
    remote = mine.files(SHOP, sha)
    assert remote["model.safetensors"].size == 500_000 and remote["model.safetensors"].is_large


def test_delete_takes_folders_and_ignores_what_is_gone(hub: HubServer, mine: Hub) -> None:
    mine.create(SHOP)
    mine.commit(SHOP, {"adapter/a": b"1", "adapter/b": b"2", "c": b"3"}, "one")
    mine.commit(SHOP, {"adapter/b": b"new"}, "two", delete=["adapter/", "c", "never/there"])
    assert sorted(hub.repo("model", SHOP).listing()) == [".gitattributes", "adapter/b"]


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("POST", "/commit/", {"status": 503, "times": 2}),
        ("POST", "/commit/", {"status": 429, "headers": {"Retry-After": "0"}}),
        ("POST", "/commit/", {"status": 504, "after": True}),
        ("POST", "/commit/", {"status": 412}),
        ("POST", "/commit/", {"status": 409}),
        ("POST", "/preupload/", {"status": 500}),
        ("POST", "/objects/batch", {"status": 502}),
        ("PUT", "/cdn/", {"status": 500}),
        ("PUT", "/cdn/", {"cut": 1000}),
        ("POST", "/commit/", {"hang": True}),
    ],
)
def test_a_commit_survives_what_passes(
    hub: HubServer, mine: Hub, method: str, path: str, given: dict[str, int]
) -> None:
    mine.create(SHOP)
    hub.fault(method, path, **given)  # type: ignore[arg-type]
    sha = mine.commit(SHOP, {"model.safetensors": b"w" * 100_000, "a": b"1"}, "v1")
    repo = hub.repo("model", SHOP)
    assert sha == repo.head.sha and len(repo.commits) == 2
    assert repo.file("model.safetensors") == b"w" * 100_000


def test_a_commit_that_fails_leaves_the_old_state(hub: HubServer, mine: Hub) -> None:
    mine.create(SHOP)
    before = mine.commit(SHOP, {"a": b"1"}, "v1")
    hub.fault("POST", "/commit/", status=500, times=100)
    with pytest.raises(HubBusy, match=r"failed with status 500\. Try again"):
        Hub(hub.url, hub.writer, HURRIED).commit(SHOP, {"a": b"2", "b": b"3"}, "v2")
    assert hub.repo("model", SHOP).head.sha == before


def test_writers_at_once_lose_nothing(hub: HubServer, mine: Hub) -> None:
    mine.create(SHOP)
    errors: list[Exception] = []

    def write(number: int) -> None:
        try:
            Hub(hub.url, hub.writer, Patience(write_s=30, first_s=0.02, most_s=0.2)).commit(
                SHOP, {f"file-{number}": b"x"}, "one of four"
            )
        except HubError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert {f"file-{number}" for number in range(4)} < set(hub.repo("model", SHOP).listing())


STRANGE = [
    (200, {"Content-Type": "text/html"}, b"<html>Sign in to this network</html>"),
    (200, {"Content-Type": "application/json"}, b"[1, 2]"),
    (200, {"Content-Type": "application/json"}, b'{"name": 5, "auth": 7}'),
    (200, {"Content-Type": "application/json"}, b"{}"),
    (302, {"Location": "/again"}, b""),
]


@pytest.mark.parametrize(("status", "headers", "content"), STRANGE, ids=["html", "list", "types", "empty", "circle"])
def test_what_is_no_hub_is_told_in_words(status: int, headers: dict[str, str], content: bytes) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stranger = Hub(f"http://127.0.0.1:{server.server_port}", "hf_alice", QUICK)
        for ask in (stranger.account, lambda: stranger.resolve(SHOP)):
            with pytest.raises(HubError, match=r"no answer of a Hub.*HF_ENDPOINT"):
                ask()
        server.shutdown()


def test_a_hub_that_hangs_ends_in_words(hub: HubServer) -> None:
    hub.fault("*", "/", hang=True, times=100)
    with pytest.raises(HubBusy, match=r"did not answer for 0\.3 s"):
        Hub(hub.url, hub.writer, HURRIED).account()


def test_a_hub_that_is_gone_ends_in_words(hub: HubServer) -> None:
    hub.stop()
    with pytest.raises(HubBusy, match="cannot be reached"):
        Hub(hub.url, hub.writer, HURRIED).account()


def test_a_rate_limit_longer_than_our_patience_is_told(hub: HubServer, mine: Hub) -> None:
    hub.fault("GET", "whoami", status=429, times=9, headers={"Retry-After": "3600"})
    with pytest.raises(HubBusy, match="Try again in 3600 s") as error:
        mine.account()
    assert error.value.status == 429 and len(hub.asked("GET", "whoami")) == 1


@pytest.mark.parametrize("wait", ["99999999999", "9" * 400, "-1", "soon"])
def test_an_absurd_wait_is_neither_obeyed_nor_repeated(hub: HubServer, wait: str) -> None:
    hub.fault("GET", "whoami", status=429, times=9, headers={"Retry-After": wait})
    with pytest.raises(HubBusy, match="Try again in a minute") as error:
        Hub(hub.url, hub.writer, HURRIED).account()
    assert error.value.retry_after_s is None


@pytest.mark.parametrize(
    ("most", "times", "packed"), [(1 << 20, 1000, False), (1 << 20, 1000, True), (1 << 40, 2, False)]
)
def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch, most: int, times: int, packed: bool) -> None:
    monkeypatch.setattr("storage.hub_client.MOST_ANSWER", most)
    monkeypatch.setattr("storage.hub_client.MOST_TIMES", times)
    sent = [0]
    piece = gzip.compress(b" " * (1 << 22)) if packed else b" " * (1 << 16)

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            with contextlib.suppress(OSError):
                while sent[0] < 100 << 20:
                    self.wfile.write(piece)
                    sent[0] += len(piece)
                    time.sleep(0.002)

        def log_message(self, *given: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        with pytest.raises(HubError, match="is no answer of a Hub"):
            Hub(f"http://127.0.0.1:{server.server_port}", "hf_x", QUICK).account()
    finally:
        server.shutdown()
        server.server_close()
    assert sent[0] < 100 << 20


def test_tag_is_set_once_and_never_moved(hub: HubServer, mine: Hub) -> None:
    mine.create(SHOP)
    first = mine.commit(SHOP, {"a": b"1"}, "v1")
    hub.fault("POST", "/tag/", status=504, after=True)
    mine.tag(SHOP, "v1", first, "the first")
    mine.tag(SHOP, "v1", first)
    second = mine.commit(SHOP, {"a": b"2"}, "v2")
    with pytest.raises(HubConflict, match="has the tag `v1` on another commit"):
        mine.tag(SHOP, "v1", second)
    assert mine.refs(SHOP).tags == {"v1": first}
    assert mine.resolve(SHOP, "v1") == first and mine.refs(SHOP).branches == {"main": second}


def test_what_is_not_there_is_named(mine: Hub) -> None:
    with pytest.raises(HubMissing, match="has no `alice/shop`"):
        mine.resolve(SHOP)
    mine.create(SHOP)
    with pytest.raises(HubMissing, match="no such revision"):
        mine.resolve(SHOP, "v9")
    with pytest.raises(HubError, match="`no name` is no name of a repository"):
        mine.resolve("no name")


def test_download_takes_one_commit_and_no_pickles(hub: HubServer, mine: Hub) -> None:
    files = {"model.safetensors": b"w" * 300_000, "config.json": b"{}", "pytorch_model.bin": b"p", "notes.txt": b"n"}
    old = hub.add("model", SHOP, files).head.sha
    hub.add("model", SHOP, {"config.json": b'{"later": 1}'})
    seen: list[int] = []
    folder = mine.download(SHOP, old, ["*.safetensors", "*.json", "*.bin"], lambda done, total: seen.append(done))
    assert folder.name == old and sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert (folder / "config.json").read_bytes() == b"{}"
    assert seen == sorted(seen) and seen[-1] == 300_002


def test_a_broken_download_goes_on_where_it_was(hub: HubServer, mine: Hub) -> None:
    hub.add("model", SHOP, {"model.safetensors": bytes(range(256)) * 20_000})
    hub.fault("GET", "/cdn/", cut=3_000_000)
    folder = mine.download(SHOP, None, ["*.safetensors"])
    assert (folder / "model.safetensors").read_bytes() == bytes(range(256)) * 20_000
    assert [entry.status for entry in hub.asked("GET", "/cdn/")] == [200, 206]


def test_wrong_bytes_are_thrown_away(hub: HubServer) -> None:
    repo = hub.add("model", SHOP, {"model.safetensors": b"w" * 1000})
    hub.store.path(repo.listing()["model.safetensors"].etag).write_bytes(b"x" * 1000)
    with pytest.raises(HubBusy, match="not what its listing names"):
        Hub(hub.url, hub.writer, HURRIED).download(SHOP, None, ["*.safetensors"])


def test_the_cache_answers_only_when_it_is_whole(hub: HubServer, mine: Hub) -> None:
    hub.add("model", SHOP, {"model.safetensors": b"w" * 1000, "config.json": b"{}"})
    every = ["*.safetensors", "*.json"]
    mine.download(SHOP, None, ["*.json"])
    hub.stop()
    assert mine.cached(SHOP, None, every) is None and mine.cached("alice/other", None, every) is None
    hub.start()
    folder = mine.download(SHOP, None, every)
    hub.stop()
    assert mine.cached(SHOP, None, every) == mine.cached(SHOP, "main", every) == folder


def test_a_space_is_set_up_and_its_secrets_stay_hidden(hub: HubServer, mine: Hub) -> None:
    assert mine.space(SHOP) is None
    assert mine.create(SHOP, "space", sdk="gradio")
    mine.commit(SHOP, {"app.py": b"print(1)"}, "the code", kind="space")
    mine.set_variable(SHOP, "FLYWHEEL_TASK", "chat")
    mine.set_variable(SHOP, "OLD", "1")
    mine.delete_variable(SHOP, "OLD")
    mine.set_secret(SHOP, "HF_TOKEN", "hf_hidden")
    mine.request_hardware(SHOP, "t4-small", 600)
    mine.restart_space(SHOP)
    state = mine.space(SHOP)
    assert state is not None
    assert (state.stage, state.requested_hardware, state.sleep_time_s) == ("RUNNING", "t4-small", 600)
    assert (state.variables, state.secrets) == ({"FLYWHEEL_TASK": "chat"}, ("HF_TOKEN",))
    assert state.sha == hub.repo("space", SHOP).head.sha and mine.author(SHOP) == "alice"
    with pytest.raises(HubError, match="Invalid hardware"):
        mine.request_hardware(SHOP, "steam-engine")


def test_a_hub_without_xet_is_told_with_the_remedy(hub: HubServer) -> None:
    code = (
        "import sys; from storage.hub import Hub; hub = Hub(sys.argv[1], sys.argv[2]); hub.create('alice/shop')\n"
        "try: hub.commit('alice/shop', {'model.safetensors': b'w' * 1000}, 'v1')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_XET"}
    environment |= {"HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", code, hub.url, hub.writer]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("HubError") and "Set HF_HUB_DISABLE_XET=1" in done.stdout, done.stderr
