"""Actions about an account rather than its orders; those that this exchange does not do."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from mm.adapters.hyperliquid.server.requests import (
    Action,
    Address,
    BatchModify,
    Cancel,
    CancelByCloid,
    Modify,
    Natural,
    Order,
)
from mm.model.custody import (
    AddAgent,
    AdjustMargin,
    CreateSubAccount,
    MoveFunds,
    Noop,
    ReserveRequests,
    ScheduleCancel,
    UpdateLeverage,
)
from mm.model.exchange import Request

Name: TypeAlias = Annotated[str, Meta(max_length=64)]
Amount: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Schedule(Action, tag="scheduleCancel"):
    time: Natural | None = None

    def request(self) -> Request:
        return ScheduleCancel(self.time)


class Leverage(Action, tag="updateLeverage", rename="camel"):
    asset: Natural
    is_cross: bool
    leverage: Natural

    def request(self) -> Request:
        return UpdateLeverage(self.asset, self.is_cross, self.leverage)


class IsolatedMargin(Action, tag="updateIsolatedMargin", rename="camel"):
    """`ntli` in micro-USD. There is one position a coin, so `is_buy` says nothing."""

    asset: Natural
    is_buy: bool
    ntli: Amount

    def request(self) -> Request:
        return AdjustMargin(self.asset, self.ntli)


class RequestWeight(Action, tag="reserveRequestWeight"):
    weight: Natural

    def request(self) -> Request:
        return ReserveRequests(self.weight)


class NoOperation(Action, tag="noop"):
    def request(self) -> Request:
        return Noop()


class SubAccountCreation(Action, tag="createSubAccount"):
    name: Annotated[str, Meta(min_length=1, max_length=64)]

    def request(self) -> Request:
        return CreateSubAccount(self.name)


class SubAccountTransfer(Action, tag="subAccountTransfer", rename="camel"):
    """`usd` in micro-USD."""

    sub_account_user: Address
    is_deposit: bool
    usd: Natural

    def normalise(self) -> None:
        self.sub_account_user = self.sub_account_user.lower()

    def request(self) -> Request:
        return MoveFunds(self.sub_account_user, self.usd if self.is_deposit else -self.usd)


class VaultTransfer(Action, tag="vaultTransfer", rename="camel"):
    """`usd` in micro-USD. Only a vault's leader can: it has no other depositors here."""

    vault_address: Address
    is_deposit: bool
    usd: Natural

    def normalise(self) -> None:
        self.vault_address = self.vault_address.lower()

    def request(self) -> Request:
        return MoveFunds(self.vault_address, self.usd if self.is_deposit else -self.usd)


class AgentApproval(Action, tag="approveAgent", rename="camel"):
    """Signed by the account's owner, in a scheme of its own: no phantom agent."""

    signature_chain_id: Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{1,16}\Z")]
    hyperliquid_chain: Literal["Mainnet", "Testnet"]
    agent_address: Address
    nonce: Natural
    agent_name: Name | None = None

    def request(self) -> Request:
        return AddAgent(self.agent_address.lower(), self.agent_name or "")


AnyAction: TypeAlias = (
    Order
    | Cancel
    | CancelByCloid
    | Modify
    | BatchModify
    | Schedule
    | Leverage
    | IsolatedMargin
    | RequestWeight
    | SubAccountCreation
    | SubAccountTransfer
    | VaultTransfer
    | AgentApproval
    | NoOperation
)

ELSEWHERE_ONLY: Final = frozenset(
    """
    CDeployerAction CSignerAction CUserModify CValidatorAction agentEnableDexAbstraction
    agentSendAsset agentSetAbstraction approveBuilderFee cDeposit cWithdraw claimRewards
    convertToMultiSigUser createVault evmUserModify finalizeEvmContract gossipPriorityBid
    linkStakingUser liquidate multiSig perpDeploy registerReferrer sendAsset sendToEvmWithData
    setDisplayName setReferrer spotDeploy spotSend spotUser subAccountModify
    subAccountSpotTransfer tokenDelegate twapCancel twapOrder usdClassTransfer usdSend
    userDexAbstraction userPortfolioMargin userSetAbstraction vaultDistribute vaultModify withdraw3
    """.split()  # noqa: SIM905  # forty names, not forty lines
)
"""What the venue knows beside: spot, bridges, staking, multi-signature, deployment, builders."""
