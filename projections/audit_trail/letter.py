"""How the events of an agent-of-record letter are told."""

from typing import assert_never

from domain.ids import account_stream, customer_stream, letter_stream
from domain.letter import AgentOfRecordLetterReceived, AgentOfRecordLetterSupplemented, LetterEvent
from projections.audit_trail.words import Writer, agent_streams, and_, weighted


def tell(event: LetterEvent, to: Writer) -> None:
    """To the letter, its customer, and the accounts and agents that it names."""
    concerned = (
        letter_stream(event.letter_id),
        customer_stream(event.customer),
        *(account_stream(account) for account in event.stated.accounts),
        *agent_streams(*(named.agent for named in event.stated.agents)),
    )
    complete = f"it is incomplete without {and_(_MISSING[part] for part in event.missing)}"
    state = complete if event.missing else "it is complete"
    match event:
        case AgentOfRecordLetterReceived():
            says = f" naming {weighted(event.stated.agents)}" if event.stated.agents else ""
            on = f" for {and_(event.stated.accounts)}" if event.stated.accounts else ""
            to.tell(
                f"Agent-of-record letter {event.letter_id} of {event.customer} was received{says}{on}; {state}.",
                *concerned,
            )
        case AgentOfRecordLetterSupplemented():
            to.tell(
                f"Agent-of-record letter {event.letter_id} of {event.customer} was supplemented; {state}.", *concerned
            )
        case _:
            assert_never(event)


_MISSING = {
    "accounts": "an account",
    "agents": "an agent",
    "effective date": "an effective date",
    "signer": "a signer",
    "date of the signature": "the date of the signature",
}
