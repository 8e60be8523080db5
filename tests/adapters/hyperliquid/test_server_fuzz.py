"""Whatever bytes arrive, the server answers with the client's error and goes on serving."""

import json
from typing import Any

import aiohttp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mm.adapters.hyperliquid.server.account_requests import AnyAction
from mm.adapters.hyperliquid.server.info import ANSWERS
from mm.adapters.hyperliquid.sign import wire_number
from tests.adapters.hyperliquid.rig import ALICE, BOB, Client, Json, Rig, order, place, rig

FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["BTC", "0x", ALICE.address, "1m", "", "-0", "1e999", "0x" + "f" * 32]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
TYPES = sorted(ANSWERS) + [kind.__struct_config__.tag for kind in AnyAction.__args__]
KEYS = ["user", "coin", "oid", "startTime", "endTime", "req", "nSigFigs", "mantissa", "dex"]
QUESTIONS = st.builds(
    lambda kind, rest: {"type": kind, **rest},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(lambda value: json.dumps(value).encode()),
    QUESTIONS.map(lambda question: json.dumps(question).encode()),
)
WRAPPERS = [
    "%",
    '{"method":"subscribe","subscription":%}',
    '{"method":"unsubscribe","subscription":%}',
    '{"method":"post","id":1,"request":{"type":"info","payload":%}}',
    '{"method":"post","id":1,"request":{"type":"action","payload":%}}',
    '{"method":"post","id":%,"request":%}',
]


async def serves(venue: Rig, client: Client) -> None:
    """The bystander still gets its pong, its account, its order."""
    assert await client.settle() == []
    state = await venue.info(type="clearinghouseState", user=BOB.address)
    assert state["marginSummary"]["accountValue"] == "100000.0"
    assert (await venue.act(BOB, {"type": "noop"}))["status"] == "ok"


@FUZZ
@given(st.sampled_from(["/info", "/exchange"]), BODIES)
async def test_any_http_body_is_the_clients_error(path: str, body: bytes) -> None:
    async with rig() as venue, venue.connect() as bystander:
        status, text = await venue.post(path, body)
        assert status in {200, 422} or (status, text) == (500, "null")  # bad aggregation, as live
        await serves(venue, bystander)


@FUZZ
@given(st.lists(BODIES, min_size=1, max_size=5), st.sampled_from(WRAPPERS))
async def test_any_frame_is_the_clients_error(bodies: list[bytes], wrapper: str) -> None:
    async with rig() as venue, venue.connect() as client, venue.connect() as bystander:
        for body in bodies:
            await client.socket.send_bytes(wrapper.encode().replace(b"%", body))
        try:
            await client.settle()
        except (AssertionError, aiohttp.ClientError):
            assert client.socket.closed  # a fatal subscription: cut, and only this one
        await serves(venue, bystander)


NUMBERS = st.one_of(
    st.sampled_from(["0", "0.0", "79000", "80010", "0.00000001", "9" * 30, "0." + "0" * 29 + "1"]),
    st.decimals(0, 10**6, places=3).map(wire_number),
)
NATURALS = st.integers(0, 3) | st.integers(0, 2**63 - 1)
CLOIDS = st.sampled_from([f"0x{i:032x}" for i in range(3)])


@st.composite
def orders(draw: st.DrawFn) -> Json:
    item = order(
        draw(st.booleans()),
        draw(NUMBERS),
        draw(NUMBERS),
        draw(st.sampled_from(["Alo", "Ioc", "Gtc", "FrontendMarket"])),
        a=draw(NATURALS),
        r=draw(st.booleans()),
    )
    return item | ({"c": draw(CLOIDS)} if draw(st.booleans()) else {})


ITEMS = st.lists(orders(), max_size=5)
ACTIONS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    ITEMS.map(lambda items: place(*items)),
    st.lists(st.fixed_dictionaries({"a": NATURALS, "o": NATURALS}), max_size=3).map(
        lambda cancels: {"type": "cancel", "cancels": cancels}
    ),
    st.lists(st.fixed_dictionaries({"asset": NATURALS, "cloid": CLOIDS}), max_size=3).map(
        lambda cancels: {"type": "cancelByCloid", "cancels": cancels}
    ),
    st.lists(st.fixed_dictionaries({"oid": NATURALS | CLOIDS, "order": orders()}), max_size=3).map(
        lambda modifies: {"type": "batchModify", "modifies": modifies}
    ),
    st.fixed_dictionaries({"type": st.just("modify"), "oid": NATURALS | CLOIDS, "order": orders()}),
    st.fixed_dictionaries({"type": st.just("scheduleCancel"), "time": NATURALS}),
    st.fixed_dictionaries(
        {
            "type": st.just("updateLeverage"),
            "asset": NATURALS,
            "isCross": st.booleans(),
            "leverage": NATURALS,
        }
    ),
)


@FUZZ
@given(st.lists(ACTIONS, min_size=1, max_size=6))
async def test_any_signed_action_is_answered_in_band(actions: list[Json]) -> None:
    """Numbers of any size, unknown assets and orders: refused with words, never with a crash."""
    async with rig() as venue, venue.connect() as bystander:
        for action in actions:
            answer = await venue.act(ALICE, action)
            assert answer["status"] in {"ok", "err"}
            assert "User or API Wallet" not in str(answer)  # the signer was recovered
        await venue.info(type="userFills", user=ALICE.address)
        await venue.info(type="frontendOpenOrders", user=ALICE.address)
        await venue.info(type="clearinghouseState", user=ALICE.address)
        await serves(venue, bystander)
