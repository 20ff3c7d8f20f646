"""What rating learns of accounts: their numbers, who pays for them, who is agent of record, their services."""

from collections.abc import Iterable
from typing import Any, assert_never

from domain import months
from domain.account import AccountAliasAdded, AccountAliasEnded, AccountEvent, AccountOpened, VendorSucceeded
from domain.agency import (
    AgencyEvent,
    AgencyOfRecordChangeProposed,
    AgencyOfRecordChangeRejected,
    AgencyOfRecordLost,
    AgencyOfRecordRegained,
)
from domain.agent_of_record import (
    AgentOfRecordChangeAccepted,
    AgentOfRecordChangeConfirmed,
    AgentOfRecordChanged,
    AgentOfRecordChangeDeclined,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordChangeRescinded,
    AgentOfRecordDesignated,
    RescissionWindowClosed,
    Weighted,
)
from domain.contract import (
    ContractEvent,
    ContractRenewed,
    ContractSigned,
    ServiceActivated,
    ServiceAssigned,
    ServiceDisconnected,
    ServiceOrdered,
    ServiceRepriced,
)
from domain.ids import alike
from projections.facts.writer import Writer
from projections.projection import Row


def learn(event: AccountEvent | AgencyEvent | ContractEvent, to: Writer) -> None:
    """Write what the event teaches of its account."""
    if isinstance(event, _Waiting):
        _learn_waiting(event, to)
        return
    if isinstance(event, AgencyEvent):
        _learn_agency(event, to)
        return
    match event:
        case AccountOpened() | AccountAliasAdded() | AccountAliasEnded():
            _learn_account(event, to)
        case VendorSucceeded():
            _learn_succession(event, to)
        case AgentOfRecordDesignated() | AgentOfRecordChanged():
            _learn_agent_of_record(event, to)
        case ServiceAssigned() | ServiceActivated() | ServiceRepriced() | ServiceDisconnected() | ContractRenewed():
            _learn_service(event, to)
        case ContractSigned():
            to.term(event.contract, event.effective_on, event.term_months)
        case ServiceOrdered():
            pass
        case _:
            assert_never(event)


def _learn_agency(event: AgencyEvent, to: Writer) -> None:
    match event:
        case AgencyOfRecordLost() | AgencyOfRecordRegained():
            agency = event.agency if isinstance(event, AgencyOfRecordLost) else None
            account_no = to.number_of(f"account:{event.account}")
            to.fact(account_no, "agency", event.effective_on.isoformat(), agency)
        case AgencyOfRecordChangeProposed() | AgencyOfRecordChangeRejected():
            pass
        case _:
            assert_never(event)


def _learn_account(event: AccountOpened | AccountAliasAdded | AccountAliasEnded, to: Writer) -> None:
    if isinstance(event, AccountOpened):
        to.name(f"account:{event.account}", to.position)
        to.fact(to.position, "account", event.account, event.vendor)
        to.out.append(Row("facts_payer", (event.vendor, to.position, to.position, len(event.aliases))))
        for seq, alias in enumerate(event.aliases):
            to.alias(to.position, alias, seq)
        return
    account_no = to.number_of(f"account:{event.account}")
    if isinstance(event, AccountAliasAdded):
        to.alias(account_no, event.alias, 0)
    else:
        number, like = f"{event.vendor}:{event.number}", f"{event.vendor}:{alike(event.number)}"
        to.out.append(Row("facts_alias", (number, like, account_no, None, event.effective_on, to.position, 0, None)))
        to.fact(account_no, "payer", event.vendor, event.number, event.effective_on.isoformat())


def _learn_succession(event: VendorSucceeded, to: Writer) -> None:
    """Who pays from when on, the former vendor's numbers that end and the successor's that begin."""
    account_no = to.number_of(f"account:{event.account}")
    to.fact(account_no, "succeeded", event.former_vendor, event.vendor, event.effective_on.isoformat())
    to.out.append(Row("facts_payer", (event.vendor, account_no, to.position, 0)))
    last = event.last_statement_month
    printed_until = months.first_day(months.number(last) + 1) if last is not None else None
    for seq, number in enumerate(event.ended):
        name, like = f"{event.former_vendor}:{number}", f"{event.former_vendor}:{alike(number)}"
        ends = (name, like, account_no, None, event.effective_on, to.position, seq, printed_until)
        to.out.append(Row("facts_alias", ends))
    for seq, alias in enumerate(event.begun, start=len(event.ended) + 1):
        to.alias(account_no, alias, seq)


def _learn_agent_of_record(event: AgentOfRecordDesignated | AgentOfRecordChanged, to: Writer) -> None:
    account_no = to.number_of(f"account:{event.account}")
    stays = event.commission_stays if isinstance(event, AgentOfRecordChanged) else None
    to.fact(
        account_no,
        "aor",
        event.service,
        _weights(event.agents),
        event.effective_on.isoformat(),
        event.letter.signed_on.isoformat() if event.letter else None,
        stays.at_latest.isoformat() if stays else None,
        event.letter_id,
    )
    _name_agents(event.agents, account_no, to)


def _weights(agents: Iterable[Weighted]) -> list[list[Any]]:
    return [[named.agent, named.weight] for named in agents]


def _name_agents(agents: Iterable[Weighted], account_no: int, to: Writer) -> None:
    to.out.extend(Row("facts_agent", (named.agent, account_no, to.position)) for named in agents)


_Waiting = (
    AgentOfRecordChangeProposed
    | AgentOfRecordChangeAccepted
    | AgentOfRecordChangeRejected
    | AgentOfRecordChangeRescinded
    | RescissionWindowClosed
    | AgentOfRecordChangeConfirmed
    | AgentOfRecordChangeDeclined
)


def _learn_waiting(event: _Waiting, to: Writer) -> None:
    """What somebody who was named may look for, and why it is nothing yet. Only a declined change moves money."""
    account_no = to.number_of(f"account:{event.account}")
    scope, agents, on = (event.service, event.letter_id), _weights(event.agents), event.effective_on.isoformat()
    match event:
        case AgentOfRecordChangeProposed():
            to.fact(account_no, "waiting", *scope, agents, on, "approval", None, None)
            _name_agents(event.agents, account_no, to)
        case AgentOfRecordChangeAccepted():
            until = event.rescindable_until.isoformat() if event.rescindable_until else None
            stage = "window" if until else "confirmation"
            to.fact(account_no, "waiting", *scope, agents, on, stage, until, event.confirmed_by)
            _name_agents(event.agents, account_no, to)
        case RescissionWindowClosed():
            changes_on = event.changes_on.isoformat()
            to.fact(account_no, "waiting", *scope, agents, changes_on, "confirmation", None, event.confirmed_by)
        case AgentOfRecordChangeRejected() | AgentOfRecordChangeRescinded():
            to.fact(account_no, "waited", *scope)
        case AgentOfRecordChangeDeclined():
            if event.had_changed:
                to.fact(account_no, "undone", event.service, agents, event.changed_on.isoformat())
            else:
                to.fact(account_no, "waited", *scope)
        case AgentOfRecordChangeConfirmed():
            pass
        case _:
            assert_never(event)


def _learn_service(
    event: ServiceAssigned | ServiceActivated | ServiceRepriced | ServiceDisconnected | ContractRenewed, to: Writer
) -> None:
    on = event.effective_on.isoformat()
    if isinstance(event, ContractRenewed):
        to.term(event.contract, event.effective_on, event.term_months)
        for account in sorted({service.account for service in event.services}):
            to.fact(to.number_of(f"account:{account}"), "renewed", event.contract, on, event.term_months)
        return
    account_no = to.number_of(f"account:{event.account}")
    match event:
        case ServiceAssigned():
            to.fact(
                account_no,
                "service",
                event.contract,
                event.service,
                event.vendor,
                event.product,
                event.category,
                event.mrc_minor,
                event.currency,
                to.terms(event.contract),
            )
            to.out.append(Row("facts_payer", (event.vendor, account_no, to.position, 0)))
        case ServiceActivated():
            to.fact(account_no, "active", event.contract, event.service, on)
        case ServiceRepriced():
            to.fact(account_no, "price", event.contract, event.service, on, event.mrc_minor)
        case ServiceDisconnected():
            to.fact(account_no, "off", event.contract, event.service, on)
