"""The signed envelope around an action, and who signed it."""

from collections.abc import Container

from msgspec import DecodeError, Struct, json, to_builtins

from mm.adapters.hyperliquid.server.account_requests import (
    ELSEWHERE_ONLY,
    AgentApproval,
    AnyAction,
)
from mm.adapters.hyperliquid.server.requests import (
    UNDESERIALIZABLE,
    Address,
    MalformedError,
    Natural,
    RefusedActionError,
)
from mm.adapters.hyperliquid.sign import ELSEWHERE, MAINNET, approval_digest, recover, signer_of
from mm.model.exchange import Signed


class Signature(Struct):
    r: str
    s: str
    v: int


class Envelope(Struct, rename="camel"):
    action: AnyAction
    nonce: Natural
    signature: Signature
    vault_address: Address | None = None
    expires_after: Natural | None = None

    def signer(self, source: str) -> str:
        """Raises RefusedActionError where no address recovers."""
        vault = None if self.vault_address is None else self.vault_address.lower()
        action, signature = to_builtins(self.action), to_builtins(self.signature)
        try:
            return recover(action, self.nonce, signature, source, vault, self.expires_after)
        except ValueError:
            raise RefusedActionError("Unable to recover signer.") from None


class Kind(Struct):
    type: str


class Outline(Struct):
    action: Kind


_decode = json.Decoder(Envelope).decode
_outline = json.Decoder(Outline).decode


def decode(body: bytes) -> Envelope:
    """The envelope with its action normalised.

    Raises MalformedError; RefusedActionError for what the venue would do and this exchange cannot.
    """
    try:
        envelope = _decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_elsewhere(body)
        raise MalformedError(UNDESERIALIZABLE) from error
    envelope.action.normalise()
    return envelope


def _refuse_elsewhere(body: bytes) -> None:
    try:
        kind = _outline(body).action.type
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return
    if kind in ELSEWHERE_ONLY:
        raise RefusedActionError(f"{kind} is not supported by this exchange.")


def verify(envelope: Envelope, known: Container[str]) -> Signed:
    """Who signed what. Raises RefusedActionError.

    Any signature recovers to somebody, and a faucet would fund that stranger. So where the address
    is not known but the one that recovers from a *mainnet* reading is, the client signed for
    mainnet: that is refused.
    """
    request = envelope.action.request()
    if isinstance(envelope.action, AgentApproval):
        return Signed(_approver(envelope, envelope.action), envelope.nonce, request)
    signer = envelope.signer(ELSEWHERE)
    if signer not in known and envelope.signer(MAINNET) in known:
        raise RefusedActionError(f"User or API Wallet {signer} does not exist.")
    vault = None if envelope.vault_address is None else envelope.vault_address.lower()
    return Signed(signer, envelope.nonce, request, vault, envelope.expires_after)


def _approver(envelope: Envelope, approval: AgentApproval) -> str:
    """Who owns the account, by the owner's own signature. Raises RefusedActionError."""
    message = approval_digest(
        int(approval.signature_chain_id, 16),
        approval.hyperliquid_chain,
        approval.agent_address,
        approval.agent_name or "",
        approval.nonce,
    )
    try:
        signer = signer_of(message, to_builtins(envelope.signature))
    except ValueError:
        raise RefusedActionError("Unable to recover signer.") from None
    if approval.hyperliquid_chain == "Mainnet" or approval.nonce != envelope.nonce:
        raise RefusedActionError(f"User or API Wallet {signer} does not exist.")
    return signer
