"""Answers of /exchange in every shape of the protocol page (3.3)."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid import answers
from mm.model.exchange import Done, Filled, Refused, Resting


def ok(*statuses: object) -> bytes:
    response = {"type": "order", "data": {"statuses": list(statuses)}}
    return json.dumps({"status": "ok", "response": response}).encode()


RESTING = {"resting": {"oid": 77738308, "cloid": "0x1"}}
FILLED = {"filled": {"totalSz": "0.02", "avgPx": "1891.4", "oid": 77747314}}
ERROR = {"error": "Order must have minimum value of $10. asset=4"}


def test_each_status_in_its_place() -> None:
    first, second, third, fourth = answers.items(ok(RESTING, FILLED, ERROR, "success"), 4)
    assert first == Resting(oid=77738308, cloid="0x1")
    assert isinstance(second, Filled)
    assert (second.oid, str(second.total_size)) == (77747314, "0.02")
    assert third == Refused(message=ERROR["error"])
    assert fourth == Done()


def test_a_single_refusal_is_everybodys() -> None:
    assert answers.items(ok(ERROR), 3) == (answers.Whole(message=ERROR["error"]),) * 3


def test_a_refusal_of_the_whole_is_everybodys() -> None:
    raw = b'{"status":"err","response":"Action already expired"}'
    assert answers.items(raw, 2) == (answers.Whole(message="Action already expired"),) * 2


def test_a_refusal_that_is_no_text_keeps_its_words() -> None:
    (item,) = answers.items(b'{"status":"err","response":{"why":7}}', 1)
    assert item == answers.Whole(message='{"why":7}')


def test_an_answer_without_items_is_done() -> None:
    assert answers.items(b'{"status":"ok","response":{"type":"default"}}', 1) == (Done(),)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'{"status":"ok"}',
        ok("success", "success"),
        ok({}, {}, {}),
        ok({"new": 1}),
        b'{"status":"\xff","response":{"type":"default"}}',
        b'{"status":"ok","response":' + b"[" * 100_000,
    ],
    ids=lambda raw: repr(raw[:60]),
)
def test_what_is_no_answer_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        answers.items(raw, 3 if raw != ok({"new": 1}) else 1)


@given(
    st.lists(st.sampled_from([RESTING, FILLED, ERROR, "success"]), min_size=1), st.integers(1, 9)
)
def test_one_item_for_each_request_or_none_at_all(statuses: list[object], count: int) -> None:
    try:
        found = answers.items(ok(*statuses), count)
    except msgspec.DecodeError:
        assert len(statuses) != count
        assert statuses != [ERROR]
    else:
        assert len(found) == count
        assert len(statuses) == count or statuses == [ERROR]
