"""Settings: read once, checked, documented."""

import os
from pathlib import Path

import pytest

from flywheel.errors import ConfigurationError
from flywheel.settings import prepare_environment, read, variables

ROOT = Path(__file__).parent.parent


def test_defaults_need_no_environment() -> None:
    settings = read({})
    assert settings.is_starter and settings.is_sample_database and settings.guest_chat
    assert (settings.server_name, settings.server_port) == ("127.0.0.1", 7860)
    assert settings.home == Path("~/.flywheel").expanduser()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLYWHEEL_TASK", "poetry"),
        ("FLYWHEEL_ENGINE", "abacus"),
        ("FLYWHEEL_GUEST_CHAT", "maybe"),
        ("FLYWHEEL_BASE_MODEL", "/no/such/model"),
        ("FLYWHEEL_BASE_MODEL", "no-such-model"),
        ("FLYWHEEL_BASE_MODEL", "./no-such-model"),
        ("FLYWHEEL_HOME", "~nosuchuser/home"),
        ("FLYWHEEL_BASE_MODEL", "~nosuchuser/model"),
        ("FLYWHEEL_DATABASE", "/tmp/" + "a" * 300),
        ("FLYWHEEL_HUB_REPO", "just-a-name"),
        ("HF_ENDPOINT", "huggingface.co"),
        ("FLYWHEEL_TEMPERATURE", "warm"),
        ("FLYWHEEL_TEMPERATURE", "2.1"),
        ("FLYWHEEL_TEMPERATURE", "nan"),
        ("FLYWHEEL_TOP_P", "0"),
        ("FLYWHEEL_TOP_P", "1.1"),
        ("FLYWHEEL_MAX_TOKENS", "0"),
        ("FLYWHEEL_MAX_TOKENS", "1e3"),
        ("FLYWHEEL_MAX_TOKENS", "99999999999999999999999999"),
        ("FLYWHEEL_GUEST_LIMIT", "many"),
        ("FLYWHEEL_GUEST_LIMIT", "0/minute"),
        ("FLYWHEEL_PERSON_LIMIT", "5/hour"),
        ("FLYWHEEL_ADDRESS_LIMIT", "5/minute, 6/minute"),
        ("FLYWHEEL_KEY_LIMIT", "9999999/day"),
        ("GRADIO_SERVER_PORT", "70000"),
        ("GRADIO_SERVER_PORT", "http"),
        ("GRADIO_SERVER_PORT", "٧٨"),
    ],
)
def test_wrong_value_is_named_in_one_line(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read({variable: value})
    message = str(caught.value)
    assert variable in message and f"`{value[:200]}`" in message and "\n" not in message


def test_base_model_may_be_a_folder_or_a_hub_id(tmp_path: Path) -> None:
    assert read({"FLYWHEEL_BASE_MODEL": str(tmp_path)}).base_model == str(tmp_path)
    assert read({"FLYWHEEL_BASE_MODEL": "Qwen/Qwen3-0.6B@main"}).base_model == "Qwen/Qwen3-0.6B@main"
    with pytest.raises(ConfigurationError, match="FLYWHEEL_BASE_MODEL"):
        read({"FLYWHEEL_BASE_MODEL": "a/b@../../x"})


def test_secrets_are_not_in_the_words_for_settings() -> None:
    settings = read({"HF_TOKEN": "hf_hidden", "OAUTH_CLIENT_SECRET": "hidden-too"})
    assert settings.hub_token == "hf_hidden" and "hidden" not in repr(settings)


REMOTE = {"FLYWHEEL_ENGINE": "openai", "FLYWHEEL_BASE_MODEL": "llama3.2:1b", "OPENAI_BASE_URL": "http://gpu:8000/v1/"}


def test_remote_model_may_have_any_name() -> None:
    settings = read(REMOTE)
    assert (settings.base_model, settings.openai_base_url) == ("llama3.2:1b", "http://gpu:8000/v1")
    assert settings.is_remote and not settings.is_starter


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"FLYWHEEL_BASE_MODEL": ""}, "FLYWHEEL_BASE_MODEL is `starter`"),
        ({"FLYWHEEL_BASE_MODEL": "two\nlines"}, "FLYWHEEL_BASE_MODEL is 'two\\nlines'"),
        ({"OPENAI_BASE_URL": ""}, "OPENAI_API_KEY is empty"),
        ({"OPENAI_BASE_URL": "localhost:8000"}, "OPENAI_BASE_URL is `localhost:8000`"),
        ({"OPENAI_BASE_URL": "http://gpu:port/v1"}, "OPENAI_BASE_URL is `http://gpu:port/v1`"),
        ({"OPENAI_BASE_URL": "http://me:hidden@gpu/v1"}, "OPENAI_BASE_URL holds more than an address of `gpu`"),
        ({"OPENAI_BASE_URL": "http://gpu/v1?key=hidden"}, "OPENAI_BASE_URL holds more than an address"),
        ({"OPENAI_API_KEY": "sk-hidden more"}, "OPENAI_API_KEY holds a blank"),
    ],
)
def test_unusable_server_is_named_in_one_line(changes: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(REMOTE | changes)
    message = str(caught.value)
    assert told in message and "\n" not in message and "hidden" not in message


def test_secrets_are_in_no_repr() -> None:
    shown = repr(read(REMOTE | {"OPENAI_API_KEY": "sk-hidden", "OAUTH_CLIENT_SECRET": "hidden"}))
    assert "hidden" not in shown and "gpu:8000" in shown


def test_server_of_another_program_does_not_stop_the_start() -> None:
    assert not read({"OPENAI_BASE_URL": "nonsense", "OPENAI_API_KEY": "two words"}).is_remote


def test_oauth_is_trusted_only_on_a_whole_space() -> None:
    whole = {"SYSTEM": "spaces", "SPACE_ID": "me/space", "OAUTH_CLIENT_SECRET": "s"}
    assert read(whole).trusts_oauth
    for missing in whole:
        assert not read({k: v for k, v in whole.items() if k != missing}).trusts_oauth


def test_a_space_listens_to_its_proxy() -> None:
    space = {"SYSTEM": "spaces", "SPACE_ID": "me/space", "SPACE_HOST": "me-space.hf.space,wheel.example"}
    assert read(space).server_name == "0.0.0.0" and read(space).public_url == "https://me-space.hf.space"
    assert read(space).space_hosts == ("me-space.hf.space", "wheel.example")
    assert read(space | {"GRADIO_SERVER_NAME": "127.0.0.1"}).server_name == "127.0.0.1"
    assert read({"SPACE_HOST": "me-space.hf.space"}).public_url == ""


def test_environment_cannot_open_the_page_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADIO_ALLOWED_PATHS", "GRADIO_VIBE_MODE"):
        monkeypatch.setenv(name, "/")
    monkeypatch.setenv("GRADIO_SHARE", "True")
    monkeypatch.setenv("NO_PROXY", "intranet")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    prepare_environment()
    assert "GRADIO_ALLOWED_PATHS" not in os.environ and "GRADIO_VIBE_MODE" not in os.environ
    assert os.environ["GRADIO_SHARE"] == "False"
    assert os.environ["NO_PROXY"] == "intranet,localhost,127.0.0.1"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "0"


@pytest.mark.parametrize("token", ["hf_one\nX: 1", "hf_é", "hf_a b", "hf_\x01"])
def test_a_token_that_is_none_is_refused_unshown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="HF_TOKEN") as error:
        read({"HF_TOKEN": token})
    assert "hf_" not in str(error.value)
    assert read({"HF_TOKEN": " hf_good\n"}).hub_token == "hf_good"


def test_every_setting_is_documented_as_it_is() -> None:
    documented = [line for line in (ROOT / "docs/settings.md").read_text().splitlines() if line.startswith("| `")]
    expected = []
    for f in variables():
        meta = f.metadata
        default = f"`{meta['default']}`" if meta["default"] else "(empty)"
        expected.append(f"| `{meta['variable']}` | {default} | {meta['meaning']} |")
    assert documented == expected
