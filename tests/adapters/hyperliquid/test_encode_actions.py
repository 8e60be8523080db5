"""What goes on the wire: keys in signing order, exact numbers, signatures that the venue knows."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid import encode
from mm.adapters.hyperliquid.sign import Signer, recover
from mm.model.actions import Modify, Place
from mm.model.units import Side

CLOID = "0x1234567890abcdef1234567890abcdef"
KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
PLACE = Place(cloid=CLOID, side=Side.BID, level=1, price=Decimal("1670.10"), size=Decimal("0.0147"))
ORDER = (
    '{"a":4,"b":true,"p":"1670.1","s":"0.0147","r":false,'
    '"t":{"limit":{"tif":"Alo"}},"c":"0x1234567890abcdef1234567890abcdef"}'
)


def text(action: encode.WireAction) -> str:
    return encode.body(action).decode()


def test_a_place_is_vector_v1_of_the_protocol_page() -> None:
    action = encode.place([PLACE], lambda _: 4)
    assert text(action) == f'{{"type":"order","orders":[{ORDER}],"grouping":"na"}}'
    signature = Signer(KEY).sign(action, 1700000000000, None, None, mainnet=True)
    assert signature == {
        "r": "0x877fcbf2de22c59f4c316c26323ec4a8f4fbb4f663f7537ffe56af95291a3b05",
        "s": "0x2a70c3ed9fc97d3fd5ac88c9ae127630277eb5c9a368d1db6d39efcad1328b99",
        "v": 28,
    }


def test_a_modify_is_vector_v5() -> None:
    modify = Modify(
        cloid=CLOID, oid=123456789, side=Side.BID, level=1, price=PLACE.price, size=PLACE.size
    )
    action = encode.modify([modify], lambda _: 4)
    assert text(action) == (
        f'{{"type":"batchModify","modifies":[{{"oid":123456789,"order":{ORDER}}}]}}'
    )
    signature = Signer(KEY).sign(action, 1700000000003, None, None, mainnet=False)
    assert signature["v"] == 27
    assert str(signature["r"]).startswith("0xb588add8")


def test_a_cancel_is_vector_v4_and_a_schedule_v6() -> None:
    cancel = encode.cancel([CLOID], lambda _: 4)
    assert text(cancel) == f'{{"type":"cancelByCloid","cancels":[{{"asset":4,"cloid":"{CLOID}"}}]}}'
    signature = Signer(KEY).sign(cancel, 1700000000002, None, None, mainnet=False)
    assert str(signature["s"]).startswith("0x2b86c3e9")
    schedule = encode.schedule_cancel(1700000010000)
    signature = Signer(KEY).sign(schedule, 1700000000004, None, None, mainnet=False)
    assert str(signature["r"]).startswith("0x994f1c62")
    assert text(encode.schedule_cancel(None)) == '{"type":"scheduleCancel"}'


def test_a_flatten_is_reduce_only_and_immediate() -> None:
    flatten = Place(
        cloid=CLOID,
        side=Side.ASK,
        level=1,
        price=Decimal(100),
        size=Decimal(1),
        flatten=True,
    )
    (item,) = encode.place([flatten], lambda _: 0)["orders"]
    assert (item["r"], item["t"], item["b"]) == (True, {"limit": {"tif": "Ioc"}}, False)


def test_a_post_carries_the_rest_body() -> None:
    frame = json.loads(encode.post(256, "info", {"type": "l2Book", "coin": "BTC"}))
    request = {"type": "info", "payload": {"type": "l2Book", "coin": "BTC"}}
    assert frame == {"method": "post", "id": 256, "request": request}


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity"])
def test_what_no_venue_takes_is_refused_here(bad: str) -> None:
    with pytest.raises(ValueError, match=r"price|size|wire"):
        encode.place([Place(CLOID, Side.BID, 1, Decimal(bad), Decimal(1))], lambda _: 0)


numbers = st.decimals("0.00000001", "10000000", places=8, allow_nan=False)


@given(numbers, numbers, st.sampled_from(Side))
def test_numbers_are_exact_and_canonical_and_signatures_recover(
    price: Decimal, size: Decimal, side: Side
) -> None:
    action = encode.place([Place(CLOID, side, 1, price, size)], lambda _: 7)
    (item,) = action["orders"]
    assert (Decimal(item["p"]), Decimal(item["s"])) == (price, size)
    for number in (item["p"], item["s"]):
        assert "e" not in number.lower()
        assert "." not in number or not number.endswith(("0", "."))
    signer = Signer(KEY)
    signature = signer.sign(action, 5, None, 9, mainnet=False)
    assert recover(json.loads(text(action)), 5, signature, "b", None, 9) == signer.address
