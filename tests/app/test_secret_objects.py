"""What holds a secret shows it to nobody who prints, copies, encodes or traces it."""

import io
import pickle
import traceback
from collections.abc import Callable
from itertools import product
from typing import NoReturn

import msgspec
import pytest
import structlog

from mm.adapters import logs
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.warden import Charge
from mm.app.config import Config, describe, load
from mm.cli import app

DIGITS = "3f" * 32
TOKEN = "a-token-that-nobody-else-would-think-of"


def configured() -> Config:
    return load(
        environ={
            "MM_VENUE__NETWORK": "testnet",
            "MM_VENUE__PRIVATE_KEY": f"0x{DIGITS}",
            "MM_WEB__TOKEN": TOKEN,
        }
    )


def charge() -> Charge:
    return Charge(
        url="http://127.0.0.1:1", mainnet=False, key=f"0x{DIGITS}", account="0x" + "12" * 20,
        vault=None, assets={"BTC": 0}, dexes=("",), prefixes=("0x6d",), silence_s=9, expires_s=5,
    )  # fmt: skip


HOLDERS: dict[str, Callable[[], object]] = {
    "signer": lambda: Signer(DIGITS),
    "config": configured,
    "venue": lambda: configured().venue,
    "web": lambda: configured().web,
    "charge": charge,
}
WAYS: dict[str, Callable[[object], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda held: f"{held!a}",
    "within": lambda held: repr([{"held": held}]),
    "json": msgspec.json.encode,
    "msgpack": msgspec.msgpack.encode,
    "pickle": pickle.dumps,
}


def shows(text: object) -> bool:
    raw = text if isinstance(text, bytes) else str(text).encode()
    secrets = (DIGITS.encode(), DIGITS.upper().encode(), bytes.fromhex(DIGITS), TOKEN.encode())
    return any(secret in raw for secret in secrets)


SENT = {("charge", "json"), ("charge", "msgpack"), ("charge", "pickle")}
"""The watchdog's charge is made to be encoded, for the pipe to its process."""


@pytest.mark.parametrize(("holder", "way"), sorted({*product(HOLDERS, WAYS)} - SENT))
def test_a_holder_of_a_secret_does_not_show_it(holder: str, way: str) -> None:
    try:
        shown = WAYS[way](HOLDERS[holder]())
    except TypeError as refused:
        shown = refused
    assert not shows(shown)
    assert shown


def test_dumps_and_descriptions_of_a_configuration_are_masked() -> None:
    config = configured()
    for shown in (config.model_dump(), config.model_dump_json(), describe(config), vars(config)):
        assert not shows(shown)


def refuse(held: object) -> NoReturn:
    raise ValueError("refused")


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_traceback_with_locals_does_not_show_it(holder: str) -> None:
    try:
        refuse(HOLDERS[holder]())
    except ValueError as error:
        told = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert "held = " in told
    assert not shows(told)


def test_a_logged_traceback_has_no_locals() -> None:
    """Nor has the command line's: a key is a local variable for a moment before it is a signer."""
    out, word = io.StringIO(), TOKEN[::-1]
    logs.configure("debug", "json", out)
    try:
        refuse(word)
    except ValueError as error:
        logs.log("error", "task", "failed", error)
    finally:
        structlog.reset_defaults()
    assert "in refuse" in out.getvalue()
    assert word not in out.getvalue()
    assert app.pretty_exceptions_enable is False
