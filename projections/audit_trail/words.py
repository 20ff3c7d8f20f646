"""What sentences are made of, and who is told them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from domain.agent_of_record import Weighted
from domain.ids import agent_stream
from domain.message import Evidence
from domain.money import plain, show
from domain.words import counted
from projections.projection import KeyedState

HOUSE = "house"
SHOWN = 10
"""How many rules or products a sentence lists before it only counts the rest."""


class Writer(NamedTuple):
    """What one event tells to whom, and which links it teaches."""

    position: int
    state: KeyedState
    told: list[tuple[str, str]]
    links: list[tuple[str, str]]
    unsigned: set[str]
    """Who is not told who did it, on whose evidence and because of what."""

    def tell(self, sentence: str, *participants: str) -> None:
        """The sentence, to each participant once."""
        self.told.extend((participant, sentence) for participant in dict.fromkeys(participants))

    def tell_unsigned(self, sentence: str, participant: str) -> None:
        """The sentence, to somebody who is not to know who did it."""
        self.tell(sentence, participant)
        self.unsigned.add(participant)

    def link(self, subject: str, *participants: str) -> None:
        """From this event on the subject is the business of the participants too."""
        known = self.linked(subject)
        self.links.extend((subject, p) for p in dict.fromkeys(participants) if p not in known)

    def linked(self, subject: str) -> list[str]:
        """Whose business the subject was before this event, in order."""
        return sorted({row[1] for row in self.state.rows("audit_link", "subject", subject)})

    def deals_of(self, subject: str) -> list[str]:
        return [participant for participant in self.linked(subject) if participant.startswith("deal:")]


def deal_participant(customer: str, deal: str) -> str:
    """A deal's id is its customer's own: two customers may use the same."""
    return f"deal:{customer}/{deal}"


def agent_streams(*agents: str | None) -> tuple[str, ...]:
    return tuple(agent_stream(agent) for agent in agents if agent is not None)


def in_units(amount_minor: int, currency: str) -> str:
    return f"{show(amount_minor, currency)} {currency}"


def free_text(text: str) -> str:
    """What a person wrote, as a part of a sentence."""
    return " ".join(text.split()).rstrip(".")


def and_(words: Iterable[str]) -> str:
    """``harbor``; ``harbor and summit``; ``harbor, keystone and summit``."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def listed(words: Sequence[str], thing: str, separator: str = ", ") -> str:
    """The first few of them, and how many more there are."""
    shown = separator.join(words[:SHOWN])
    rest = len(words) - SHOWN
    return f"{shown}{separator}and {counted(rest, f'more {thing}')}" if rest > 0 else shown


def weighted(agents: Sequence[Weighted]) -> str:
    """``harbor``; ``harbor and summit`` in equal parts; ``harbor (weight 3) and summit (weight 1)``."""
    if len({a.weight for a in agents}) > 1:
        return and_(f"{a.agent} (weight {a.weight})" for a in agents)
    equally = " in equal parts" if len(agents) > 1 else ""
    return and_(a.agent for a in agents) + equally


def named(agents: Sequence[Weighted]) -> str:
    return f"{weighted(agents)} {'were together' if len(agents) > 1 else 'was'}"


def on_letter(letter: Evidence | None) -> str:
    return f"on the letter signed {letter.signed_on}" if letter else "without a letter"


def percent(rate: Decimal) -> str:
    return f"{plain(rate * 100)}%"
