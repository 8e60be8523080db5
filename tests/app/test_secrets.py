"""The key and the token of a real run are nowhere but where they belong."""

import contextlib
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.app.processes import KEY, Exchange, Process, daemon, until

WEB_TOKEN = "a-token-that-nobody-else-would-think-of"


def spellings() -> list[bytes]:
    digits = KEY.removeprefix("0x")
    return [digits.encode(), digits.upper().encode(), bytes.fromhex(digits), WEB_TOKEN.encode()]


def told_over_http(page: str) -> bytes:
    """All that the daemon tells whoever asks, a wrong command's answer included."""
    said = b""
    for path in ("/", "/metrics", "/api/state", "/readyz", "/healthz", "/nothing"):
        try:
            answer = urllib.request.urlopen(f"{page}{path}", timeout=60)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with contextlib.closing(answer):
            said += answer.read()
    wrong = urllib.request.Request(
        f"{page}/api/halt", b"{}", {"Authorization": "Bearer wrong", "Origin": page}
    )
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(wrong, timeout=60)
    with refused.value as answer:
        return said + answer.read()


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGKILL])
def test_secrets_stay_secret(tmp_path: Path, exchange: Exchange, ends: signal.Signals) -> None:
    running = daemon(tmp_path, exchange, MM_WEB__TOKEN=WEB_TOKEN, MM_DEBUG="1")
    until(lambda: running.matches('"Fill"'), "the first fill")
    said = told_over_http(running.matches(r"http://127\.0\.0\.1:\d+")[0])
    assert b"mm_calibration" in said
    said += Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
    running.stop(ends)

    show = Process(
        tmp_path / "show.log",
        *("config", "show"),
        MM_VENUE__PRIVATE_KEY=KEY,
        MM_WEB__TOKEN=WEB_TOKEN,
    )
    assert show.process.wait(60) == 0
    assert show.matches("private_key")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {".log", ".db", ".mmj"} <= {path.suffix for path in files}
    for content in [said, *(path.read_bytes() for path in files)]:
        for secret in spellings():
            assert secret not in content


def test_files_of_a_run_are_their_owners(tmp_path: Path, exchange: Exchange) -> None:
    running = daemon(tmp_path, exchange)
    until(lambda: running.matches('"Fill"'), "the first fill")
    running.stop(signal.SIGKILL)
    data = tmp_path / "data"
    kept = [path for path in data.rglob("*") if path.is_file()]
    assert any(path.name == "token" for path in kept)
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "token").stat().st_mode & 0o077 == 0
