"""An agent-of-record letter: what a customer wrote, kept also while it is incomplete.

    (unknown) ── AgentOfRecordLetterReceived ──▶ incomplete ── AgentOfRecordLetterSupplemented … ──▶ complete

One stream for each letter, ``letter:L-17``, whatever accounts it names. While anything is missing it moves nothing.
The command that completes it names its agents on every account of it, in the same transaction: designated, changed,
proposed for approval where it reaches back, or waiting as the vendor's terms say. What was stated once is not stated
otherwise later; then it is another letter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, assert_never

from pydantic import Field, StringConstraints, model_validator

from domain.account import Account, AccountEvent, opened
from domain.agent_of_record import (
    OpensWindow,
    RescissionWindow,
    StaysUntilRenewal,
    Wanted,
    Weighted,
    name_by_letter,
    vendor_of,
)
from domain.customer import onboarded
from domain.ids import (
    AccountId,
    CustomerId,
    LetterId,
    PartyId,
    ServiceId,
    account_stream,
    agent_stream,
    customer_stream,
    letter_stream,
)
from domain.message import Command, Context, Event, Evidence, Model, Refused, Streams

Part = Literal["accounts", "agents", "effective date", "signer", "date of the signature"]
"""What a letter has to say before it counts."""
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class Stated(Model):
    """What a letter says, as far as it says it. Without ``service`` it is for the whole accounts."""

    accounts: tuple[AccountId, ...] = ()
    service: ServiceId | None = None
    agents: tuple[Weighted, ...] = ()
    names_from: date | None = None
    """From when the agents are to be agents of record."""
    signer: PartyId | None = None
    signed_on: date | None = None
    digest: Digest | None = None
    commission_stays: StaysUntilRenewal | None = None

    @property
    def missing(self) -> tuple[Part, ...]:
        parts: tuple[tuple[Part, object], ...] = (
            ("accounts", self.accounts),
            ("agents", self.agents),
            ("effective date", self.names_from),
            ("signer", self.signer),
            ("date of the signature", self.signed_on),
        )
        return tuple(part for part, stated in parts if not stated)

    @property
    def evidence(self) -> Evidence:
        """The letter as what an agent of record stands on. Only of a complete one."""
        assert self.signer is not None
        assert self.signed_on is not None
        return Evidence(digest=self.digest, signer=self.signer, signed_on=self.signed_on)


# -- events


class AgentOfRecordLetterReceived(Event, topic="letter.received"):
    """``missing`` is what it does not say; with nothing missing it counts."""

    letter_id: LetterId
    customer: CustomerId
    stated: Stated
    missing: tuple[Part, ...]


class AgentOfRecordLetterSupplemented(Event, topic="letter.supplemented"):
    """``stated`` is all that it says now; ``missing`` what it still does not."""

    letter_id: LetterId
    customer: CustomerId
    stated: Stated
    missing: tuple[Part, ...]


LetterEvent = AgentOfRecordLetterReceived | AgentOfRecordLetterSupplemented

# -- commands


class _States(OpensWindow):
    """What a letter says; everything may be left out. One account and one agent may be named alone."""

    letter_id: LetterId
    accounts: Annotated[tuple[AccountId, ...], Field(max_length=200)] = ()
    service: ServiceId | None = None
    agents: Annotated[tuple[Weighted, ...], Field(max_length=20)] = ()
    effective_on: date | None = None
    signer: PartyId | None = None
    signed_on: date | None = None
    digest: Digest | None = None
    commission_stays: StaysUntilRenewal | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_of_each(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for one, several in (("account", "accounts"), ("agent", "agents")):
                if one in value and several not in value:
                    value = {**value, several: [value[one]]}
                    del value[one]
        return value

    @property
    def says(self) -> Stated:
        return Stated(
            accounts=tuple(dict.fromkeys(self.accounts)),
            service=self.service,
            agents=self.agents,
            names_from=self.effective_on,
            signer=self.signer,
            signed_on=self.signed_on,
            digest=self.digest,
            commission_stays=self.commission_stays,
        )


def _streams(letter_id: str, stated: Stated, customer: str | None, known: Mapping[str, Any]) -> Streams:
    reads = (customer_stream(customer),) if customer else ()
    accounts = tuple(sorted(account_stream(account) for account in stated.accounts))
    if stated.missing:
        return Streams((letter_stream(letter_id),), (*reads, *accounts))
    agents = tuple(agent_stream(a.agent) for a in stated.agents)
    vendors = (vendor for account in stated.accounts for vendor in vendor_of(account, known))
    return Streams((letter_stream(letter_id), *accounts), (*reads, *agents, *sorted(set(vendors))))


class ReceiveAgentOfRecordLetter(_States, Command, do="receive_agent_of_record_letter"):
    customer: CustomerId

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return _streams(self.letter_id, self.says, self.customer, known)


class CompleteAgentOfRecordLetter(_States, Command, do="complete_agent_of_record_letter"):
    """Adds what was missing, all of it or a part."""

    def streams(self, known: Mapping[str, Any]) -> Streams:
        letter: Letter = known.get(letter_stream(self.letter_id), EMPTY)
        return _streams(self.letter_id, _together(letter.stated, self.says), None, known)


LetterCommand = ReceiveAgentOfRecordLetter | CompleteAgentOfRecordLetter

# -- refusals


class LetterAlreadyReceived(Refused):
    """A letter is received once."""


class LetterUnknown(Refused):
    """Only a letter that was received is completed."""


class LetterComplete(Refused):
    """To a complete letter nothing is added."""


class LetterSaysOtherwise(Refused):
    """What a letter states it states for good; what says otherwise is another letter."""


class AccountOfAnotherCustomer(Refused):
    """A customer names agents of record on its own accounts."""


# -- state


NOTHING = Stated()


@dataclass(frozen=True, slots=True)
class Letter:
    customer: str | None = None
    stated: Stated = NOTHING


EMPTY = Letter()


def evolve(letter: Letter, event: LetterEvent) -> Letter:
    match event:
        case AgentOfRecordLetterReceived() | AgentOfRecordLetterSupplemented():
            return Letter(event.customer, event.stated)
        case _:
            assert_never(event)


def _together(stated: Stated, added: Stated) -> Stated:
    """What is stated, and what is added where nothing was."""
    now = {name: value for name, value in added if value}
    return stated.model_copy(update={name: value for name, value in now.items() if not getattr(stated, name)})


# -- decisions


class _Whole(NamedTuple):
    """A letter as it stands after a command."""

    customer: str
    stated: Stated


def decide(letter: Letter, command: LetterCommand, context: Context) -> list[LetterEvent]:
    customer, stated = _whole(letter, command, context)
    for account in stated.accounts:
        of = opened(context.state(account_stream(account)), account).customer
        if of != customer:
            raise AccountOfAnotherCustomer(f"account {account} is {of}'s, and letter {command.letter_id} {customer}'s")
    said = {
        "letter_id": command.letter_id,
        "customer": customer,
        "stated": stated,
        "missing": stated.missing,
        "effective_on": context.today,
    }
    match command:
        case ReceiveAgentOfRecordLetter():
            return [AgentOfRecordLetterReceived.model_validate(said)]
        case CompleteAgentOfRecordLetter():
            return [AgentOfRecordLetterSupplemented.model_validate(said)]
        case _:
            assert_never(command)


def decide_account(account: str, state: Account, command: LetterCommand, context: Context) -> list[AccountEvent]:
    """What a letter that is complete with the command means for one of its accounts."""
    _, stated = _whole(context.state(letter_stream(command.letter_id)), command, context)
    if stated.missing or stated.names_from is None:
        return []
    windows: tuple[RescissionWindow, ...] = command.rescission_windows
    opened(state, account)
    wanted = Wanted(
        account,
        stated.service,
        stated.agents,
        stated.names_from,
        stated.evidence,
        command.letter_id,
        stated.commission_stays,
        windows,
    )
    return [*name_by_letter(state, wanted, context)]


def _whole(letter: Letter, command: LetterCommand, context: Context) -> _Whole:
    says = command.says
    if isinstance(command, ReceiveAgentOfRecordLetter):
        if letter.customer is not None:
            raise LetterAlreadyReceived(f"letter {command.letter_id} is received already; complete it instead")
        onboarded(context.state(customer_stream(command.customer)), command.customer)
        return _Whole(command.customer, says)
    if letter.customer is None:
        raise LetterUnknown(f"letter {command.letter_id} is not received; receive it first")
    if not letter.stated.missing:
        raise LetterComplete(f"letter {command.letter_id} is complete; what else was signed is another letter")
    for name, value in says:
        stated = getattr(letter.stated, name)
        if value and stated and value != stated:
            raise LetterSaysOtherwise(f"letter {command.letter_id} states its {name} already, and otherwise")
    return _Whole(letter.customer, _together(letter.stated, says))
