"""The published signature vectors: connection ids, digests, r, s, v on both networks."""

from typing import Any

import pytest

from mm.adapters.hyperliquid.sign import (
    ELSEWHERE,
    MAINNET,
    Signer,
    action_hash,
    digest,
    recover,
)

KEY = "0x" + "0123456789" * 6 + "0123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
CLOID = "0x1234567890abcdef1234567890abcdef"
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
ORDER = {
    "a": 4,
    "b": True,
    "p": "1670.1",
    "s": "0.0147",
    "r": False,
    "t": {"limit": {"tif": "Alo"}},
    "c": CLOID,
}
PLACE = {"type": "order", "orders": [ORDER], "grouping": "na"}

# name: action, nonce, vault, expires_after, connection id
VECTORS: dict[str, tuple[dict[str, Any], int, str | None, int | None, str]] = {
    "V0": (
        {"type": "dummy", "num": 100000000000},
        0,
        None,
        None,
        "f528daee6a0bd11407b483cfcd9a48c56884180b70ee86f124053e5fc1bf4d57",
    ),
    "V1": (
        PLACE,
        1700000000000,
        None,
        None,
        "833a4e78b23a7a5549b24dd7845b5e6a2ede86429b33f6d308666e21f1ad3630",
    ),
    "V2": (
        PLACE,
        1700000000000,
        None,
        1700000005000,
        "05c33643e9ca4c20840e3ef46ea8e5c07dd0df7552222b364753a7d356a12b76",
    ),
    "V3": (
        {"type": "cancel", "cancels": [{"a": 4, "o": 123456789}]},
        1700000000001,
        VAULT,
        None,
        "c82022738cc998a624daca2c49dbc7cd558eadb767aba4c73830631530dde12a",
    ),
    "V4": (
        {"type": "cancelByCloid", "cancels": [{"asset": 4, "cloid": CLOID}]},
        1700000000002,
        None,
        None,
        "1d8da019cef9014ebdc0bfbc652aea630b2b85197855c1771370b239911572a9",
    ),
    "V5": (
        {"type": "batchModify", "modifies": [{"oid": 123456789, "order": ORDER}]},
        1700000000003,
        None,
        None,
        "b52f00db1b34a0950f57ae436e39f6181a08661524ea2057e1c9eeb7735cf30c",
    ),
    "V6": (
        {"type": "scheduleCancel", "time": 1700000010000},
        1700000000004,
        None,
        None,
        "6ddd99f671d3fd0eaea2026fbb7d799483100e7bdf2666b2c0b164a923671feb",
    ),
    "V7": (
        {"type": "noop"},
        1700000000005,
        None,
        None,
        "7a948425aa7db9b9d8397648b729990c7cac13abc871a071274b47e03f1c56f7",
    ),
    "V8": (
        {"type": "updateLeverage", "asset": 4, "isCross": True, "leverage": 5},
        1700000000006,
        None,
        None,
        "b3e3216590d13107543a0d2d5b87b75c4bc13396655c8e4bb6b9c71071e6f6af",
    ),
}

# (vector, source): r, s, v
SIGNATURES = {
    ("V0", MAINNET): (
        0x53749D5B30552AEB2FCA34B530185976545BB22D0B3CE6F62E31BE961A59298,
        0x755C40BA9BF05223521753995ABB2F73AB3229BE8EC921F350CB447E384D8ED8,
        27,
    ),
    ("V0", ELSEWHERE): (
        0x542AF61EF1F429707E3C76C5293C80D01F74EF853E34B76EFFFCB57E574F9510,
        0x17B8B32F086E8CDEDE991F1E2C529F5DD5297CBE8128500E00CBAF766204A613,
        28,
    ),
    ("V1", MAINNET): (
        0x877FCBF2DE22C59F4C316C26323EC4A8F4FBB4F663F7537FFE56AF95291A3B05,
        0x2A70C3ED9FC97D3FD5AC88C9AE127630277EB5C9A368D1DB6D39EFCAD1328B99,
        28,
    ),
    ("V1", ELSEWHERE): (
        0x5402BB562B389A667679DE7087DFC257AE6D55B2B47139C97C2488D4BC2694FE,
        0x6AFB7CE78E099946D428C8D50BD6AA8EDF4F5D1914B9A3421E4694A685B58E26,
        27,
    ),
    ("V2", ELSEWHERE): (
        0xEF8F235C4FBB49779F81933B8741AD79B811C1A47FA5F5C8F60ACB7AFA9809BB,
        0x48E6B5D35B3C4BB93C264F2D36A2FE1F43A62B03D62BB1C8EE6BDA65F38BBC6D,
        28,
    ),
    ("V3", ELSEWHERE): (
        0x29473CCCF931FF01ADF7B819DED109D12CD13D9DB2DA4AD71C666A3277BE41BE,
        0x37E2BFB08F813A252107CF7E9A69466425899D92320FAEA10B468FF7DEFC6AF3,
        28,
    ),
    ("V4", ELSEWHERE): (
        0x4EDF79F5A4D3F241769CC59D87770AF9CB3CC86E6928BF0F4AB0E442B5FC2841,
        0x2B86C3E9388FC829F2A3919053D19669468499188F78655C9C17DCFF5CE3F96C,
        27,
    ),
    ("V5", MAINNET): (
        0x8325C93DE408ED1A69BF743FD077CDC3D50F654EA5A5EB746045C5EF872A2E6D,
        0x134BE0831FD05A29E8769DE7A1426A520C84E99FE0C69EE593C88C30CC03198,
        27,
    ),
    ("V5", ELSEWHERE): (
        0xB588ADD8CD897440E143E9E0D652C63E4B03460172DB386A98A24B5689EF6240,
        0x4CCAC3D5BB5F941C4A6BB8C06AA5747EEAB16C944209F1BB93E6103550F1201C,
        27,
    ),
    ("V6", ELSEWHERE): (
        0x994F1C62EF3CCE62A6CAB27829EC82D301C5D68C1E6F36E49416A24CE896B827,
        0xB18C76EF40B5FEC143D12EC676F6C4AC8266C37856322FC191B6A392012FAB7,
        27,
    ),
    ("V7", ELSEWHERE): (
        0x70FF1F9E3C171A2CE9000C2D8F35CF8BB82436C5FE14DCF46D03673C20834FA6,
        0x2F4034A433B59599D0A0ECB0E1AF8958055FF69995E1CBC3BA72971AE2F1E49A,
        27,
    ),
    ("V8", ELSEWHERE): (
        0x79568CA2DD0419B2A19EDACDC79608C83C62E98EC1E910FFFBB84BC58AC2A31,
        0x6C1B1DC9E1FC67DA5E1AA2D7C6A6F11B4BD8646E055729267DEDD60A58EE6FEE,
        28,
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_connection_id_is_the_vector(name: str) -> None:
    action, nonce, vault, expires_after, connection_id = VECTORS[name]
    assert action_hash(action, nonce, vault, expires_after).hex() == connection_id


def test_digest_is_the_vector() -> None:
    connection_id = bytes.fromhex(VECTORS["V1"][4])
    assert digest(connection_id, MAINNET).hex() == (
        "b6e386cecb422e3d273bdd319670891906febeac1ce753d7e46cffa6c7331b86"
    )
    assert digest(connection_id, ELSEWHERE).hex() == (
        "7d9c3829d590b228a45796d27301aee0bed56bc6854f482bd6f2187cd4825973"
    )


@pytest.mark.parametrize(("name", "source"), SIGNATURES)
def test_signature_is_the_vector_and_recovers(name: str, source: str) -> None:
    action, nonce, vault, expires_after, _ = VECTORS[name]
    signature = Signer(KEY).sign(action, nonce, vault, expires_after, source == MAINNET)
    found = (int(str(signature["r"]), 16), int(str(signature["s"]), 16), signature["v"])
    assert found == SIGNATURES[name, source]
    assert recover(action, nonce, signature, source, vault, expires_after) == ADDRESS


def test_a_mainnet_signature_is_a_strangers_elsewhere() -> None:
    action, nonce, vault, expires_after, _ = VECTORS["V1"]
    signature = Signer(KEY).sign(action, nonce, vault, expires_after, mainnet=True)
    stranger = recover(action, nonce, signature, ELSEWHERE, vault, expires_after)
    assert stranger == "0x9bccb3ae706fab728583a96b2d3fca1926228637"
