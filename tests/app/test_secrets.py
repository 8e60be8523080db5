"""The key and the token of a real run are nowhere but where they belong."""

import contextlib
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import zstandard
from websockets.sync.client import connect

from tests.app.processes import KEY, Exchange, Process, daemon, until

WEB_TOKEN = "a-token-that-nobody-else-would-think-of"
COMPRESSED = {".mmj", ".zst"}
EVERYTHING = (
    *("--set", "recorder.enabled=true", "--set", "daemon.log_level=debug"),
    *("--set", "daemon.watchdog_s=5"),
)


def spellings() -> list[bytes]:
    digits = KEY.removeprefix("0x")
    return [digits.encode(), digits.upper().encode(), bytes.fromhex(digits), WEB_TOKEN.encode()]


def kept(path: Path) -> bytes:
    """What a file holds, to whoever unpacks it: of one that was cut as far as it goes."""
    with path.open("rb") as file:
        if path.suffix not in COMPRESSED:
            return file.read()
        content = b""
        with contextlib.suppress(zstandard.ZstdError):
            unpacked = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            while block := unpacked.read(1 << 20):
                content += block
        return content


def processes(pid: int) -> bytes:
    """What `ps` tells of the daemon and of those that it started, and what these were given."""
    told = Path(f"/proc/{pid}/cmdline").read_bytes()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        told += b"".join(
            Path(f"/proc/{child}/{name}").read_bytes() for name in ("cmdline", "environ")
        )
    return told


def told_over_http(page: str) -> bytes:
    """All that the daemon tells whoever asks, a wrong command's answer included."""
    with connect(f"{page.replace('http', 'ws')}/api/stream", origin=None) as stream:
        said = b"".join(str(stream.recv(60)).encode() for _ in range(4))
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
    running = daemon(tmp_path, exchange, *EVERYTHING, MM_WEB__TOKEN=WEB_TOKEN, MM_DEBUG="1")
    until(lambda: running.matches('"Fill"'), "the first fill")
    until(lambda: b"watchdog_process" in processes(running.process.pid), "the watchdog")
    said = told_over_http(running.matches(r"http://127\.0\.0\.1:\d+")[0])
    assert b"mm_calibration" in said
    said += processes(running.process.pid)
    running.stop(ends)
    if ends == signal.SIGKILL:
        until(lambda: running.matches("Nothing of it rests any more"), "the watchdog's sweep")

    show = Process(
        tmp_path / "show.log",
        *("config", "show"),
        MM_VENUE__PRIVATE_KEY=KEY,
        MM_WEB__TOKEN=WEB_TOKEN,
    )
    assert show.process.wait(60) == 0
    assert show.matches("private_key")
    files = {path: kept(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {".log", ".db", ".latch", ".mmj", ".zst"} <= {path.suffix for path in files}
    journals, tapes = (
        b"".join(files[path] for path in files if path.suffix == suffix)
        for suffix in (".mmj", ".zst")
    )
    assert b"Fill" in journals, "it is unpacked"
    assert b"l2Book" in tapes, "it is unpacked"
    for content in (said, *files.values()):
        for secret in spellings():
            assert secret not in content


@pytest.mark.parametrize(
    ("key", "command"),
    [
        (KEY + "zz", ("run", "--port", "0")),
        (KEY[:-1], ("doctor",)),
        ("not-hexadecimal-but-secret-all-the-same", ("config", "check")),
    ],
)
def test_a_key_that_is_refused_is_not_shown(
    tmp_path: Path, key: str, command: tuple[str, ...]
) -> None:
    """Whatever is wrong with it: most of it may be right."""
    network = ("--set", "venue.network=testnet")
    asked = Process(tmp_path / "log", *command, *network, MM_VENUE__PRIVATE_KEY=key, MM_DEBUG="1")
    assert asked.process.wait(60) != 0
    assert asked.matches("MM_VENUE__PRIVATE_KEY")
    assert not asked.matches(key[2:30])


def test_files_of_a_run_are_their_owners(tmp_path: Path, exchange: Exchange) -> None:
    running = daemon(tmp_path, exchange)
    until(lambda: running.matches('"Fill"'), "the first fill")
    running.stop(signal.SIGKILL)
    data = tmp_path / "data"
    kept = [path for path in data.rglob("*") if path.is_file()]
    assert any(path.name == "token" for path in kept)
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "token").stat().st_mode & 0o077 == 0
