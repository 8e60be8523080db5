"""Signatures of Hyperliquid L1 actions (pack, hash, sign, recover) and exact wire numbers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import sha3
from coincurve import PrivateKey, PublicKey
from msgspec import msgpack

Action: TypeAlias = Mapping[str, Any]
"""JSON-like, no floats, keys in the signing order of the protocol."""

MAINNET: Final = "a"
ELSEWHERE: Final = "b"
"""Sources of the phantom agent; a signature for one network is worth nothing on the other."""

_pack = msgpack.Encoder().encode


def keccak(data: bytes) -> bytes:
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


_DOMAIN_TYPE = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_DOMAIN = keccak(
    _DOMAIN_TYPE + keccak(b"Exchange") + keccak(b"1") + (1337).to_bytes(32, "big") + bytes(32)
)
_AGENT = keccak(b"Agent(string source,bytes32 connectionId)")
_APPROVAL = keccak(
    b"HyperliquidTransaction:ApproveAgent"
    b"(string hyperliquidChain,address agentAddress,string agentName,uint64 nonce)"
)
_SOURCES = {source: _AGENT + keccak(source.encode()) for source in (MAINNET, ELSEWHERE)}


def action_hash(action: Action, nonce: int, vault: str | None, expires_after: int | None) -> bytes:
    """The connection id. Raises ValueError where a part cannot be hashed."""
    try:
        data = _pack(action) + nonce.to_bytes(8, "big")
        data += b"\0" if vault is None else b"\1" + address_bytes(vault)
        if expires_after is not None:
            data += b"\0" + expires_after.to_bytes(8, "big")
    except (OverflowError, TypeError) as error:
        raise ValueError(f"action cannot be hashed: {error}") from None
    return keccak(data)


def digest(connection_id: bytes, source: str) -> bytes:
    """What the key signs: EIP-712 of `Agent(source, connectionId)` in the domain `Exchange`."""
    return keccak(b"\x19\x01" + _DOMAIN + keccak(_SOURCES[source] + connection_id))


def approval_digest(chain_id: int, chain: str, agent: str, name: str, nonce: int) -> bytes:
    """What an account's owner signs to approve an API wallet: the user-signed scheme."""
    domain = keccak(
        _DOMAIN_TYPE
        + keccak(b"HyperliquidSignTransaction")
        + keccak(b"1")
        + chain_id.to_bytes(32, "big")
        + bytes(32)
    )
    approval = keccak(
        _APPROVAL
        + keccak(chain.encode())
        + address_bytes(agent).rjust(32, b"\0")
        + keccak(name.encode())
        + nonce.to_bytes(32, "big")
    )
    return keccak(b"\x19\x01" + domain + approval)


class Signer:
    """A private key that signs and never shows itself."""

    __slots__ = ("_key", "address")

    address: str
    """Lower case, `0x` and 40 hex digits."""

    def __init__(self, private_key: str) -> None:
        self._key = _parse_key(private_key)
        self.address = _address(self._key.public_key)

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer holds a private key: it is not copied or pickled")

    def sign(
        self,
        action: Action,
        nonce: int,
        vault: str | None,
        expires_after: int | None,
        mainnet: bool,
    ) -> dict[str, str | int]:
        """The envelope's `signature`: r and s as shortest hex, v 27 or 28; deterministic."""
        connection_id = action_hash(action, nonce, vault, expires_after)
        message = digest(connection_id, MAINNET if mainnet else ELSEWHERE)
        signature = self._key.sign_recoverable(message, hasher=None)
        return {
            "r": hex(int.from_bytes(signature[:32], "big")),
            "s": hex(int.from_bytes(signature[32:64], "big")),
            "v": 27 + signature[64],
        }


def recover(
    action: Action,
    nonce: int,
    signature: Mapping[str, Any],
    source: str,
    vault: str | None,
    expires_after: int | None,
) -> str:
    """The address whose key signed this action. Raises ValueError as `signer_of` does."""
    return signer_of(digest(action_hash(action, nonce, vault, expires_after), source), signature)


def signer_of(message: bytes, signature: Mapping[str, Any]) -> str:
    """The address whose key signed this digest. Raises ValueError where none can be recovered.

    r and s are read as integers: clients drop their leading zeros.
    """
    try:
        r, s = (int(str(signature[part]), 16).to_bytes(32, "big") for part in ("r", "s"))
        compact = r + s + bytes([int(signature["v"]) - 27])
        return _address(PublicKey.from_signature_and_message(compact, message, hasher=None))
    except Exception as error:
        # coincurve raises bare Exception where the curve has no such point
        raise ValueError("no signer recovers from this signature") from error


def address_bytes(address: str) -> bytes:
    """20 bytes of a `0x` address. Raises ValueError."""
    try:
        raw = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 20 or not address.startswith("0x"):
        raise ValueError(f"not an address (0x and 40 hex digits): {address!r}")
    return raw


def wire_number(value: Decimal) -> str:
    """Exact, plain notation, no trailing zeros, never `-0`. Raises ValueError if not finite."""
    if not value.is_finite():
        raise ValueError(f"{value} cannot go on the wire")
    if not value:
        return "0"
    text = str(value)  # in half the time that `format` takes
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _parse_key(private_key: str) -> PrivateKey:
    try:
        raw = bytes.fromhex(private_key.strip().removeprefix("0x"))
        if len(raw) == 32:
            return PrivateKey(raw)
    except ValueError:
        pass
    raise ValueError("a private key is 0x and 64 hex digits, not zero and below the curve's order")


def _address(key: PublicKey) -> str:
    return "0x" + keccak(key.format(compressed=False)[1:])[-20:].hex()
