"""Settings: read once, checked, documented."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

from flywheel.errors import ConfigurationError
from flywheel.settings import Settings, prepare_environment, read

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


def test_secrets_are_not_in_the_words_for_settings() -> None:
    settings = read({"HF_TOKEN": "hf_hidden", "OAUTH_CLIENT_SECRET": "hidden-too"})
    assert settings.hub_token == "hf_hidden" and "hidden" not in repr(settings)


def test_oauth_is_trusted_only_on_a_whole_space() -> None:
    whole = {"SYSTEM": "spaces", "SPACE_ID": "me/space", "OAUTH_CLIENT_SECRET": "s"}
    assert read(whole).trusts_oauth
    for missing in whole:
        assert not read({k: v for k, v in whole.items() if k != missing}).trusts_oauth


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


def test_every_setting_is_documented_as_it_is() -> None:
    documented = [line for line in (ROOT / "docs/settings.md").read_text().splitlines() if line.startswith("| `")]
    expected = []
    for f in fields(Settings):
        meta = f.metadata
        default = f"`{meta['default']}`" if meta["default"] else "(empty)"
        expected.append(f"| `{meta['variable']}` | {default} | {meta['meaning']} |")
    assert documented == expected
