"""How the events of an account's agency of record are told."""

from typing import assert_never

from domain.agency import (
    AgencyEvent,
    AgencyOfRecordChangeProposed,
    AgencyOfRecordChangeRejected,
    AgencyOfRecordLost,
    AgencyOfRecordRegained,
)
from domain.ids import account_stream
from projections.audit_trail.words import Writer, free_text, on_letter


def tell(event: AgencyEvent, to: Writer) -> None:
    """To the account, its customer, its vendor and its deals, and to the agents who were named on it."""
    account = account_stream(event.account)
    concerned = (account, *to.linked(account), *to.linked(agents_of(event.account)))
    match event:
        case AgencyOfRecordLost():
            to.tell(
                f"Agency of record on {event.account} was lost to {event.agency} from {event.effective_on}, "
                f"{on_letter(event.letter)}; from then on nobody here is paid for it.",
                *concerned,
            )
        case AgencyOfRecordRegained():
            to.tell(
                f"Agency of record on {event.account} was won back from {event.former_agency} from "
                f"{event.effective_on}, {on_letter(event.letter)}.",
                *concerned,
            )
        case AgencyOfRecordChangeProposed():
            to.tell(
                f"A change of the agency of record on {event.account} from {event.present_agency or 'this house'} to "
                f"{event.agency or 'this house'} from {event.effective_on} was proposed, {on_letter(event.letter)}.",
                *concerned,
            )
        case AgencyOfRecordChangeRejected():
            to.tell(
                f"The proposed change of the agency of record on {event.account} to {event.agency or 'this house'} "
                f"was rejected: {free_text(event.rejected_because)}.",
                *concerned,
            )
        case _:
            assert_never(event)


def agents_of(account: str) -> str:
    """The subject under which the agents are linked who were ever named on an account."""
    return f"agents-of:{account}"
