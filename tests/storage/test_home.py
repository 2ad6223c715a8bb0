import multiprocessing
import os
from pathlib import Path

import pytest

from storage.errors import HomeUnwritable, StorageError
from storage.home import Home


def test_a_new_home_is_private(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "deep" / "home")
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert home.run_dir(3).parent.is_dir() and home.version_dir("v1").parent.is_dir()
    assert home.dataset_dir("d2") == home.path / "datasets" / "d2"


def test_an_unwritable_home_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HomeUnwritable, match="file/home"):
        Home.open(tmp_path / "file" / "home")


def test_a_file_as_home_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HomeUnwritable, match="/file`"):
        Home.open(tmp_path / "file")


def test_a_home_in_proc_is_refused() -> None:
    with pytest.raises(HomeUnwritable, match="FLYWHEEL_HOME"):
        Home.open(Path("/proc/flywheel"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_of_somebody_else_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HomeUnwritable):
        Home.open(tmp_path)


def test_keys_survive_a_restart(home: Home) -> None:
    secret, token = home.secret(), home.owner_token()
    again = Home.open(home.path)
    assert (again.secret(), again.owner_token()) == (secret, token)
    assert len(secret) == 32 and len(token) == 32
    for key in (home.secret_key, home.owner_key):
        assert key.stat().st_mode & 0o777 == 0o600


def test_two_homes_have_different_keys(tmp_path: Path) -> None:
    one, two = Home.open(tmp_path / "1"), Home.open(tmp_path / "2")
    assert one.secret() != two.secret()
    assert one.owner_token() != two.owner_token()


def test_processes_that_start_together_share_a_key(home: Home) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        secrets = pool.map(Home.secret, [home] * 16)
    assert set(secrets) == {home.secret()}


def test_a_damaged_key_is_refused_in_words(home: Home) -> None:
    home.secret_key.write_bytes(b"short")
    with pytest.raises(StorageError, match="5 bytes instead of 32"):
        home.secret()
    home.owner_key.write_bytes(b"\xff")
    with pytest.raises(StorageError, match="no usable token"):
        home.owner_token()
