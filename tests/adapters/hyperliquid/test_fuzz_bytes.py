"""What the fuzzer begins from is read, and is what it is meant to be."""

import msgspec
import pytest

from mm.adapters.hyperliquid import wire
from tests.adapters.hyperliquid.fuzz_bytes import SEEDS, one


@pytest.mark.parametrize("seed", SEEDS, ids=str)
def test_one_of_each_kind_is_read(seed: dict[str, object]) -> None:
    raw = msgspec.json.encode(seed)
    one(raw)
    assert (wire.FrameDecoder().decode(raw) is not None) is ("channel" in seed)
