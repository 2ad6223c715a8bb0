"""Archives that are not what they say: refused before a byte is written, whatever is wrong with them."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from storage import archive
from storage.errors import NoBackup, StorageError

FILES = {"flywheel.duckdb": b"d" * 3000, "versions/v1/weights": b"w" * 512, "ledger.tail": b""}


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    for name, content in FILES.items():
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {name: tmp_path / "home" / name for name in FILES}


@pytest.fixture
def good(sources: dict[str, Path], tmp_path: Path) -> Path:
    path = tmp_path / "good.tar.gz"
    with path.open("wb") as out:
        list(archive.write(out, sources, archive.listed(sources, {"note": "x"})))
    return path


def read(path: Path) -> None:
    """All that a restore does before it writes."""
    for _ in archive.walk(path, archive.read_list(path)):
        pass


def made(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], files: Mapping[str, Any] | None = None) -> Path:
    """An archive by somebody else: any entries behind any list."""
    head = {"format": "flywheel-backup", "format_version": 1, "files": files or {}}
    text = json.dumps(head).encode()
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(entry(archive.LIST, text), io.BytesIO(text))
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info


def said(content: bytes) -> dict[str, object]:
    return {"sha256": sha256(content).hexdigest(), "bytes": len(content)}


def test_what_was_packed_comes_back(good: Path, tmp_path: Path) -> None:
    contents = archive.read_list(good)
    assert contents.facts == {"note": "x"} and contents.bytes == 3512
    list(archive.walk(good, contents, tmp_path / "out"))
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES
    assert (tmp_path / "out" / "flywheel.duckdb").stat().st_mode & 0o777 == 0o600


def test_plain_tar_reads_it(good: Path) -> None:
    with tarfile.open(good) as tar:
        assert tar.getnames() == [archive.LIST, *sorted(FILES)]


def test_cut_anywhere_is_refused(good: Path, tmp_path: Path) -> None:
    whole, cut = good.read_bytes(), tmp_path / "cut"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(NoBackup, match=r"cut off|no backup"):
            read(cut)
    cut.write_bytes(whole[:-1])
    with pytest.raises(NoBackup, match="cut off"):
        read(cut)


def test_a_flipped_bit_changes_nothing_or_is_refused(good: Path, tmp_path: Path) -> None:
    whole, other, refused = good.read_bytes(), tmp_path / "other", 0
    for at in range(len(whole)):
        other.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            read(other)
        except NoBackup:
            refused += 1
        else:
            # The same bytes can be packed in more than one way.
            assert gzip.decompress(other.read_bytes()) == gzip.decompress(whole)
    assert refused > len(whole) // 2


def test_changed_content_under_a_good_checksum_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "x", [(entry("ledger.tail", b"evil"), b"evil")], {"ledger.tail": said(b"good")})
    with pytest.raises(NoBackup, match="not as it was written"):
        read(path)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "runs/../../evil",
        "runs//evil",
        "./evil",
        "runs\\..\\evil",
        "C:evil",
        "",
        "a\nb",
        "x" * 200,
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    path = made(tmp_path / "x", [(entry(name, b"evil"), b"evil")], {name: said(b"evil")})
    with pytest.raises(NoBackup):
        read(path)
    other = made(tmp_path / "y", [(entry(name, b"evil"), b"evil")])
    with pytest.raises(NoBackup):
        read(other)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_anything_but_plain_files_is_refused(kind: bytes, tmp_path: Path) -> None:
    info = entry("versions/v1/weights", b"", kind, link="/etc/passwd")
    path = made(tmp_path / "x", [(info, b"")], {"versions/v1/weights": said(b"")})
    with pytest.raises(NoBackup):
        read(path)


def test_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    names = ["runs/1", "runs/1/a/b"]
    path = made(tmp_path / "x", [(entry(name), b"") for name in names], {name: said(b"") for name in names})
    with pytest.raises(NoBackup, match="no plain file"):
        read(path)


def test_more_than_the_list_says_is_refused(tmp_path: Path) -> None:
    extra = made(tmp_path / "x", [(entry("secret.key"), b"")])
    with pytest.raises(NoBackup, match="which its list does not"):
        read(extra)
    twice = made(tmp_path / "y", [(entry("a"), b"")] * 2, {"a": said(b"")})
    with pytest.raises(NoBackup, match="which its list does not"):
        read(twice)
    missing = made(tmp_path / "z", [], {"a": said(b"")})
    with pytest.raises(NoBackup, match="`a` is missing"):
        read(missing)


def test_endless_zeros_are_not_read_to_their_end(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    with gzip.open(bomb, "wb", compresslevel=1) as out:
        with tarfile.open(made(tmp_path / "x", []), "r:gz") as tar:
            text = tar.extractfile(archive.LIST).read()  # type: ignore[union-attr]
        out.write(entry(archive.LIST, text).tobuf() + text.ljust(512, b"\0"))
        for _ in range(200):
            out.write(bytes(1 << 20))
    with pytest.raises(NoBackup, match="more than its list says"):
        read(bomb)


def test_a_huge_header_is_not_read_into_memory(tmp_path: Path) -> None:
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = entry("x", b"", kind)
        info.size = 1 << 40
        with gzip.open(tmp_path / "x", "wb") as out:
            out.write(info.tobuf())
        with pytest.raises(NoBackup):
            read(tmp_path / "x")


NO_ARCHIVES = {
    "empty": b"",
    "text": b"hello",
    "zip": b"PK\x03\x04",
    "nothing": gzip.compress(b""),
    "blanks": gzip.compress(b"x" * 2000),
}


# Named, since what is compressed holds the time: every worker must find the same tests.
@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=NO_ARCHIVES.keys())
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(NoBackup):
        read(tmp_path / "other")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "somebody-elses"},
        {"format_version": 2},
        {"files": []},
        {"files": {"a": {"sha256": "x", "bytes": -1}}},
        {"files": {"a": {"sha256": "x", "bytes": True}}},
        {"files": {"a": {"sha256": "x", "bytes": 10**400}}},
        {"files": {"a": 3}},
    ],
)
def test_lists_of_another_kind_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    head = {"format": "flywheel-backup", "format_version": 1, "files": {}, **change}
    text = json.dumps(head).encode()
    with tarfile.open(tmp_path / "x", "w:gz") as tar:
        tar.addfile(entry(archive.LIST, text), io.BytesIO(text))
    with pytest.raises(NoBackup):
        read(tmp_path / "x")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.tar.gz", tmp_path):
        with pytest.raises(NoBackup, match=f"`{path}` cannot be read"):
            read(path)


def test_a_file_that_changes_while_it_is_packed_fails_the_backup(sources: dict[str, Path], tmp_path: Path) -> None:
    contents = archive.listed(sources, {})
    sources["ledger.tail"].write_bytes(b"more")
    sources["flywheel.duckdb"].write_bytes(b"e" * 3000)
    with (tmp_path / "x").open("wb") as out, pytest.raises(StorageError, match="changed while it was copied"):
        list(archive.write(out, sources, contents))
