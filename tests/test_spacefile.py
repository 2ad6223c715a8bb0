"""The Spacefile: what it may hold, how a slip is told, and README's front matter made from it."""

import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import SpaceHardware
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from flywheel.errors import InvalidInput
from flywheel.product_files import is_product
from flywheel.spacefile import (
    FREE_HARDWARE,
    HARDWARE,
    OURS,
    Spacefile,
    front_matter,
    parse_spacefile,
    read_spacefile,
    with_front_matter,
)

ROOT = Path(__file__).parent.parent
GOOD = (ROOT / "Spacefile").read_text()
TOKEN = "hf_" + "abcDEF123" * 4


def refusal(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_spacefile(text.encode())
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_readme_front_matter_is_rendered_from_it() -> None:
    readme = (ROOT / "README.md").read_text()
    assert with_front_matter(readme, read_spacefile(ROOT / "Spacefile")) == readme


def test_versions_are_those_we_test_with() -> None:
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    space = read_spacefile(ROOT / "Spacefile")
    assert space.sdk_version == pinned["gradio"]
    assert space.python_version in ("3.11", "3.12", "3.13") and (ROOT / space.app_file).is_file()


def test_requirements_leave_room_for_what_a_space_adds() -> None:
    lines = [Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if line[:1].isalpha()]
    needed = {requirement.name: requirement for requirement in lines}
    assert needed["gradio"].specifier.contains(read_spacefile(ROOT / "Spacefile").sdk_version)
    assert "oauth" in needed["gradio"].extras and needed["pydantic"].specifier.contains("2.12.5")
    assert not [r.name for r in lines if any(s.operator in ("==", "===", "<=") for s in r.specifier)]


def test_hardware_is_what_the_hub_offers() -> None:
    assert set(HARDWARE) == {hardware.value for hardware in SpaceHardware}
    assert set(FREE_HARDWARE) < set(HARDWARE)


def test_every_key_is_documented() -> None:
    table = (ROOT / "docs/deploy.md").read_text().split("## The Spacefile")[1].split("## What")[0]
    assert set(Spacefile.model_fields) <= set(re.findall(r"`(\w+)`", table))


def test_front_matter_holds_no_key_of_ours() -> None:
    more = "visibility: public\nhardware: t4-small\nvariables: {FLYWHEEL_OWNERS: alice}\nsecrets: [HF_TOKEN]\n"
    space = parse_spacefile((GOOD + more).encode())
    front = yaml.safe_load(front_matter(space).strip("-\n"))
    assert front == yaml.safe_load(GOOD) and not set(front) & set(OURS)
    assert space.variables == {"FLYWHEEL_OWNERS": "alice"} and space.secrets == ["HF_TOKEN"]


def test_readme_without_front_matter_gets_one() -> None:
    space = parse_spacefile(GOOD.encode())
    assert with_front_matter("# Mine\n", space) == f"{front_matter(space)}\n# Mine\n"


@pytest.mark.parametrize("key", list(Spacefile.model_fields))
def test_a_slip_in_any_key_names_the_right_one(key: str) -> None:
    slip = key[:-2] + key[-1] + key[-2] if key[-1] != key[-2] else key + "x"
    text = re.sub(rf"^{key}:", f"{slip}:", GOOD, flags=re.M)
    words = refusal(text if text != GOOD else f"{GOOD}{slip}: x\n")
    line = next(
        i for i, row in enumerate((text if text != GOOD else f"{GOOD}{slip}: x\n").splitlines(), 1) if slip in row
    )
    assert f"Spacefile line {line}: `{slip}` is no key of a Spacefile. Did you mean `{key}`?" in words
    assert "missing" not in words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("sdk: gradio", "sdk: docker"), "`sdk` is `docker`, and may be `gradio`"),
        (("indigo", "indgo"), "Did you mean `indigo`?"),
        (("cpu-basic", "cpu-basik"), "Did you mean `cpu-basic`?"),
        (('"3.12"', "3.10"), "`python_version` is `3.1`, a number; it must be text. Put it in quotes."),
        (("6.31.0", "newest"), "`sdk_version` is `newest`"),
        (("hf_oauth: true", "hf_oauth: maybe"), "`hf_oauth` is `maybe`, text; write `true` or `false`."),
        (("app_file: app.py", "app_file: ../app.py"), "`app_file` is `../app.py`"),
        (("emoji: 🎡", "emoji: wheel"), "`emoji` is `wheel`"),
        (("title: Flywheel\n", ""), "`title` is missing"),
        (("short_description: ", "short_description: " + "long " * 12), "at most 60 characters"),
        (("title: Flywheel", "title: [a"), "line 4, column"),
        (
            ("title: Flywheel", "title: Flywheel\ntitle: Other"),
            "line 4, column 1: the key `title` stands here a second",
        ),
        (("title: Flywheel", "title: &a Flywheel"), "line 3, column 8: anchors"),
        (("title: Flywheel", "title: !!python/name:os.system x"), "line 3, column 8: tags"),
        (("title: Flywheel", "title: " + "[" * 40), "nested too deeply"),
        (("title: Flywheel", "title: \x01"), "line 3, column 8: a character"),
        (("title: Flywheel", "pinned: " + "9" * 5000), "too long"),
    ],
    ids=lambda value: None if isinstance(value, tuple) else value[:30],
)
def test_wrong_value_is_told_with_what_is_allowed(change: tuple[str, str], words: str) -> None:
    assert words in refusal(GOOD.replace(*change, 1))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("variables:\n  FLYWHEEL_GUESTCHAT: 'on'\n", "Did you mean `FLYWHEEL_GUEST_CHAT`?"),
        ("variables:\n  FLYWHEEL_GUEST_CHAT: on\n", "Put it in quotes"),
        ("variables:\n  SPACE_ID: a/b\n", "set by Hugging Face"),
        ("variables:\n  a b: c\n", "no name of a variable"),
        ("variables: {A: b}\nsecrets: [A]\n", "`A` is a variable too"),
        ("secrets: [A, A]\n", "twice"),
        (
            "variables: {FLYWHEEL_HOME: /data/home}\nvolumes: [{type: bucket, source: a/b, mount_path: /data}]\n",
            "a mounted volume",
        ),
        ("volumes: [{type: bucket, source: a/b}]\n", "`volumes[1].mount_path` is missing"),
    ],
)
def test_wrong_environment_is_told(lines: str, words: str) -> None:
    assert words in refusal(GOOD + lines)


@pytest.mark.parametrize(
    "lines",
    [
        "secrets:\n  HF_TOKEN: {}\n",
        "secrets:\n  - HF_TOKEN: {}\n",
        "secrets:\n  - HF_TOKEN={}\n",
        "secrets: HF_TOKEN={}\n",
        "secrets: [{}]\n",
        "variables:\n  HF_TOKEN: {}\n",
        "variables:\n  A: {}\n",
        "tags: [{}]\n",
        "{}: x\n",
        "variables:\n  {}: x\n",
    ],
)
def test_secret_value_is_refused_and_not_repeated(lines: str) -> None:
    words = refusal(GOOD + lines.format(TOKEN))
    assert TOKEN not in words and "secrets" in words


def test_empty_large_and_foreign_files_are_told(tmp_path: Path) -> None:
    assert "no `key: value` lines" in refusal("")
    assert "65536" in refusal("#" * 70_000)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_spacefile(tmp_path / "none")
    with pytest.raises(InvalidInput, match="no UTF-8"):
        parse_spacefile(b"title: \xff")


@given(st.text(max_size=300) | st.text(alphabet="a:-[]{}&*!|> \n\"'#0", max_size=80))
def test_any_text_is_read_or_told(text: str) -> None:
    try:
        parse_spacefile(text.encode("utf-8", "surrogatepass"))
    except InvalidInput as error:
        assert str(error).startswith("Spacefile")


@pytest.mark.parametrize(
    "line",
    [
        'variables: {FLYWHEEL_DATABASE: "postgres://ann:hunter2secret@db.example.com/shop"}',
        'variables: {NOTES: "AKIAIOSFODNN7EXAMPLE"}',
        'variables: {NOTES: "api_key=9f8e7d6c5b4a39281706"}',
        'tags: ["glpat-abcdefghij0123456789"]',
    ],
)
def test_what_opens_something_is_refused_without_its_value(line: str) -> None:
    words = refusal(
        f"{GOOD}{line}\n"
        if not line.startswith("tags")
        else re.sub(r"^tags:.*\n(- .*\n)*", "", GOOD, flags=re.M) + line
    )
    assert "looks like a token or a password" in words
    assert "hunter2" not in words and "AKIA" not in words and "9f8e" not in words and "glpat" not in words


@pytest.mark.parametrize("escape", [r"\e[31m", r"\a", r"\u202e"])
def test_control_characters_are_refused_and_not_repeated(escape: str) -> None:
    title = re.sub(r"^title:.*$", lambda _: f'title: "Fly{escape}wheel"', GOOD, flags=re.M)
    for text in (title, f'{GOOD}variables: {{NOTES: "a{escape}"}}\n'):
        words = refusal(text)
        assert "control characters" in words and words.isprintable()


def test_readme_links_only_what_is_deployed() -> None:
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", (ROOT / "README.md").read_text())
    assert "CONTRIBUTING.md" in links
    assert [link for link in links if not is_product(link)] == []
