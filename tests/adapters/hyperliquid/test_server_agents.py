"""Approvals of API wallets: signed by the owner, for this network, once."""

from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils.signing import sign_agent

from mm.adapters.hyperliquid.sign import approval_digest, signer_of
from mm.model.custody import Standing
from tests.adapters.hyperliquid.rig import ALICE, Json, Rig, rig

OWNER = Account.from_key("0x" + "a1" * 32)
AGENT = "0x" + "C3" * 20


def approval(venue: Rig, mainnet: bool = False) -> tuple[Json, Json]:
    """The envelope, signed by the SDK; and its action."""
    action: dict[str, Any] = {
        "type": "approveAgent",
        "agentAddress": AGENT,
        "agentName": "mm",
        "nonce": venue.now_ms,
    }
    signature = sign_agent(OWNER, action, mainnet)
    return {"action": action, "nonce": venue.now_ms, "signature": signature}, action


async def test_the_owner_recovers_from_the_sdks_signature() -> None:
    async with rig() as venue:
        envelope, action = approval(venue)
        chain = int(action["signatureChainId"], 16)
        message = approval_digest(chain, "Testnet", AGENT, "mm", venue.now_ms)
        assert signer_of(message, envelope["signature"]) == ALICE.address
        assert (await venue.send(envelope))["status"] == "ok"
        assert venue.exchange.standing(AGENT) == Standing("agent", ALICE.address)


@pytest.mark.parametrize("change", ["mainnet", "nonce", "agent", "chain", "signature"])
async def test_what_was_not_signed_for_here_is_not_approved(change: str) -> None:
    async with rig() as venue:
        envelope, action = approval(venue, mainnet=change == "mainnet")
        if change == "nonce":
            envelope["nonce"] += 1
        elif change == "agent":
            action["agentAddress"] = "0x" + "d4" * 20
        elif change == "chain":
            action["hyperliquidChain"] = "Mainnet"
        elif change == "signature":
            envelope["signature"] = {"r": "0x0", "s": "0x0", "v": 27}
        await venue.send(envelope)
        assert venue.exchange.standing(AGENT).role == "user"
        assert (await venue.info(type="userRole", user=AGENT))["role"] == "user"


async def test_an_approval_is_not_replayed() -> None:
    async with rig() as venue:
        envelope, _ = approval(venue)
        assert (await venue.send(envelope))["status"] == "ok"
        assert "duplicate nonce" in (await venue.send(envelope))["response"]
