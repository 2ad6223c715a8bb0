import hashlib
from pathlib import Path

import pytest

from storage.files import sha256_file, write_atomic


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    write_atomic(path, "first")
    write_atomic(path, "größer")
    assert path.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "target"
    path.mkdir()
    (path / "inside").write_text("kept")
    with pytest.raises(OSError):
        write_atomic(path, b"new")
    assert (path / "inside").read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_file_is_private(tmp_path: Path) -> None:
    write_atomic(tmp_path / "key", b"x", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_hash_equals_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "weights").write_bytes(content)
    assert sha256_file(tmp_path / "weights") == hashlib.sha256(content).hexdigest()
