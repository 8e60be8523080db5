"""Who may ask and who may command, as pure functions."""

import os
import stat
from pathlib import Path

import pytest

from mm.adapters.web.auth import (
    WebError,
    bearer_matches,
    host_allowed,
    is_loopback,
    load_or_create_token,
    same_origin,
)

NAMES = frozenset({"desk.example"})


def test_a_token_is_made_once_and_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "web.token"

    token = load_or_create_token(path)

    assert len(token) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_token(path) == token


def test_two_daemons_have_different_tokens(tmp_path: Path) -> None:
    assert load_or_create_token(tmp_path / "a") != load_or_create_token(tmp_path / "b")


def test_a_readable_token_file_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "web.token"
    path.write_text("a-token-that-others-could-read\n")
    path.chmod(0o644)

    assert load_or_create_token(path) == "a-token-that-others-could-read"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_token_file_is_an_error_that_names_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "web.token"
    path.touch()

    with pytest.raises(WebError, match="delete the file"):
        load_or_create_token(path)


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(WebError, match=r"web\.token"):
        load_or_create_token(tmp_path / "file" / "web.token")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        load_or_create_token(tmp_path / "web.token")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "web.token").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:80", "10.0.0.7", "mm:8080",
             "desk.example", "DESK.example:8080", "desk.example."],
)  # fmt: skip
def test_hosts_that_rebinding_cannot_use(host: str) -> None:
    assert host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8080", "desk.example.evil.example",
             "127.0.0.1.evil.example", "[::1", "localhost.evil.example:8080", "a@evil.example"],
)  # fmt: skip
def test_hosts_of_other_sites_are_refused(host: str) -> None:
    assert not host_allowed(host, NAMES)


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        (None, True),
        ("http://127.0.0.1:8080", True),
        ("https://127.0.0.1:8080", True),
        ("http://127.0.0.1:8081", False),
        ("http://127.0.0.1:8080.evil.example", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_origin_must_be_our_own_page(origin: str | None, same: bool) -> None:
    assert same_origin(origin, "127.0.0.1:8080") is same


def test_bearer() -> None:
    assert bearer_matches("Bearer secret-of-ours", "secret-of-ours")
    assert bearer_matches("bearer secret-of-ours", "secret-of-ours")
    for wrong in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic secret-of-ours",
        "Bearer secret-of-our",
        "Bearer é",
    ):
        assert not bearer_matches(wrong, "secret-of-ours")


def test_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.1.2.3", "desk.example", "")))
