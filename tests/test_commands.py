"""From a command to its events: once for each command id, decided again when another writer was first."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest

from adapters.memory import MemoryLog
from domain.account import AddAlias, Alias
from domain.agent import AgentAlreadyRecruited, AgentRecruited, RecruitAgent
from domain.agent_of_record import (
    AgentOfRecordChanged,
    AgentOfRecordChangeProposed,
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    Weighted,
)
from domain.calendar import DayOpened, OpenDay
from domain.customer import CustomerAlreadyOnboarded, CustomerOnboarded, OnboardCustomer
from domain.ids import StreamId
from domain.log import CommandResult, NewEvent, StreamMoved
from domain.message import Actor, Command, Envelope, Issued, NoDayOpen, Refused
from domain.payout import ProposePayRun
from domain.plan import ProposePlanVersion, PublishPlanVersion
from domain.vendor_statement import ReceiveStatement
from services import commands as service
from services.commands import ATTEMPTS, CommandIdReused, Commands, DayHasPassed, TooBusy
from tests.spec import ANN, BOB, BOOK, DAY, LUMEN, PLAN, Given, actor, agent, given, letter, said

ONBOARD = OnboardCustomer(customer="alder-foods")
TUESDAY = date(2026, 1, 6)


def issued(command: Command, command_id: str = "c-1", by: str = ANN, on: date | None = None) -> Issued:
    return Issued(command_id, actor(by), command, on=on)


# -- once for each id


def test_the_same_id_again_gives_the_first_result_and_no_new_event() -> None:
    house = given()
    first = house.commands.handle(issued(ONBOARD))
    assert (first.first_position, first.last_position, first.event_count) == (2, 2, 1)
    assert house.commands.handle(issued(ONBOARD)) == first
    assert Commands(house.log).handle(issued(ONBOARD)) == first, "whoever remembers nothing gives it too"
    assert len(house.log.events) == 2


@pytest.mark.parametrize(
    "other",
    [issued(OnboardCustomer(customer="birch")), issued(ONBOARD, by=BOB), issued(RecruitAgent(agent="harbor"))],
    ids=["another body", "another actor", "another command"],
)
def test_the_same_id_with_another_body_is_refused(other: Issued) -> None:
    house = given()
    house.commands.handle(issued(ONBOARD))
    with pytest.raises(CommandIdReused, match="command id c-1 was used for another command; give this one its own id"):
        house.commands.handle(other)
    assert len(house.log.events) == 2


def test_the_first_result_is_given_even_when_the_day_has_passed_since() -> None:
    house = given()
    first = house.commands.handle(issued(ONBOARD, on=DAY))
    house.given(OpenDay(date=TUESDAY))
    assert house.commands.handle(issued(ONBOARD, on=DAY)) == first


def test_a_command_that_changes_nothing_is_remembered_as_such() -> None:
    house = given(LUMEN)
    statement = {"vendor": "lumen", "number": "1", "statement_month": "2026-01", "control_total_minor": 0}
    same_file = _receive({**statement, "file_digest": "sha256:" + "1" * 64})
    house.commands.handle(issued(same_file, "c-1"))
    again = house.commands.handle(issued(same_file, "c-2"))
    assert (again.first_position, again.last_position, again.event_count) == (0, 0, 0)
    assert house.log.result_of("c-2") == again


def _receive(fields: Mapping[str, object]) -> Command:
    return ReceiveStatement.model_validate(fields)


def test_an_id_that_another_writer_stored_meanwhile_gives_that_result() -> None:
    log = Interfering(steps=1, same_id=True)
    commands = _house_on(log)
    result = commands.handle(issued(ONBOARD))
    assert result == log.result_of("c-1")
    assert [type(recorded.event) for recorded in log.events] == [DayOpened, CustomerOnboarded]


# -- refusals store nothing


def test_a_refusal_stores_neither_event_nor_id() -> None:
    house = given(ONBOARD)
    with pytest.raises(CustomerAlreadyOnboarded):
        house.commands.handle(issued(ONBOARD, "c-2"))
    assert len(house.log.events) == 2
    assert house.log.result_of("c-2") is None
    result = house.commands.handle(issued(OnboardCustomer(customer="birch"), "c-2"))
    assert result.event_count == 1


def test_one_refusal_refuses_every_stream() -> None:
    figures = [
        {"agent": "harbor", "currency": "USD", "earned_minor": 500},
        {"agent": "summit", "currency": "USD", "earned_minor": 500},
    ]
    house = given(PLAN, agent("harbor"), agent("summit"))
    house.given(ProposePayRun.model_validate({"pay_run": "A", "figures": figures[1:]}))
    before = len(house.log.events)
    outcome = house.when(ProposePayRun.model_validate({"pay_run": "B", "figures": figures}))
    assert outcome.refusal is not None
    assert outcome.refusal.code == "EarlierProposalOpen"
    assert len(house.log.events) == before


# -- days


def test_a_command_opens_its_day_first() -> None:
    house = Given()
    result = house.commands.handle(issued(ONBOARD, on=DAY))
    assert [recorded.event for recorded in house.log.events] == [
        DayOpened(effective_on=DAY),
        CustomerOnboarded(customer="alder-foods", effective_on=DAY),
    ]
    assert (result.first_position, result.last_position) == (2, 2)


def test_the_open_day_is_not_opened_again() -> None:
    house = given()
    house.commands.handle(issued(ONBOARD, on=DAY))
    assert len(house.log.events) == 2


def test_a_later_day_is_opened_and_an_earlier_one_has_passed() -> None:
    house = given()
    house.commands.handle(issued(ONBOARD, on=TUESDAY))
    with pytest.raises(DayHasPassed, match="2026-01-05 has passed; 2026-01-06 is open in the house's calendar"):
        house.commands.handle(issued(OnboardCustomer(customer="birch"), "c-2", on=DAY))
    assert house.log.result_of("c-2") is None


def test_without_any_day_nothing_is_recorded() -> None:
    house = Given()
    with pytest.raises(NoDayOpen):
        house.commands.handle(issued(ONBOARD))
    assert house.log.events == []


# -- other writers


class Interfering(MemoryLog):
    """Another writer is first, ``steps`` times: its event slips in just before ours would be appended."""

    def __init__(self, steps: int, command: Command = ONBOARD, same_id: bool = False, moved: bool = True) -> None:
        super().__init__()
        self.steps, self.command, self.same_id, self.moved = steps, command, same_id, moved
        self.attempts = 0
        self._inside = False

    def append(
        self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
    ) -> CommandResult:
        if self._inside or isinstance(events[0].event, DayOpened):
            return super().append(events, guards, command_id, digest)
        self.attempts += 1
        if self.steps:
            self.steps -= 1
            self._inside = True
            other = Issued(command_id if self.same_id else f"other-{self.steps}", actor(ANN), self.command)
            Commands(self).handle(other)
            self._inside = False
        return super().append(events, guards, command_id, digest)


def _house_on(log: MemoryLog) -> Commands:
    commands = Commands(log)
    commands.open_day(DAY, actor(ANN))
    return commands


def test_a_decision_on_a_stream_that_moved_is_taken_again_and_may_now_be_a_refusal() -> None:
    log = Interfering(steps=1)
    commands = _house_on(log)
    with pytest.raises(CustomerAlreadyOnboarded):
        commands.handle(issued(ONBOARD, by=BOB))
    assert [recorded.envelope.command_id for recorded in log.events] == ["open-day-2026-01-05", "other-0"]
    assert log.attempts == 1


def test_a_decision_is_taken_again_when_a_stream_that_was_only_read_has_moved() -> None:
    log = Interfering(steps=1, command=OpenDay(date=TUESDAY))
    commands = _house_on(log)
    commands.handle(issued(ONBOARD))
    assert log.attempts == 2
    assert log.events[-1].event == CustomerOnboarded(customer="alder-foods", effective_on=TUESDAY)


def test_an_event_in_another_stream_disturbs_nobody() -> None:
    log = Interfering(steps=1, command=RecruitAgent(agent="harbor"))
    commands = _house_on(log)
    commands.handle(issued(ONBOARD))
    assert log.attempts == 1
    assert [type(recorded.event) for recorded in log.events] == [DayOpened, AgentRecruited, CustomerOnboarded]


class Busy(MemoryLog):
    """Other writers are first ``times`` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def append(
        self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
    ) -> CommandResult:
        if self.times and not isinstance(events[0].event, DayOpened):
            self.times -= 1
            raise StreamMoved
        return super().append(events, guards, command_id, digest)


def test_the_last_attempt_may_still_succeed() -> None:
    assert _house_on(Busy(ATTEMPTS - 1)).handle(issued(ONBOARD)).event_count == 1


def test_a_command_given_twice_at_once_is_answered_and_not_refused_because_of_itself() -> None:
    """The other one commits after this one has looked for its id, and before it reads its streams."""

    class Twin(MemoryLog):
        looked = False

        def result_of(self, command_id: str) -> CommandResult | None:
            found = super().result_of(command_id)
            if command_id == "c-1" and not self.looked:
                self.looked = True
                Commands(self).handle(issued(ONBOARD))
            return found

    log = Twin()
    Commands(log).handle(issued(OpenDay(date=DAY), "open"))
    answered = Commands(log).handle(issued(ONBOARD))
    assert log.looked
    assert answered == log.result_of("c-1")
    assert len(log.events) == 2


def test_after_so_many_attempts_the_house_is_too_busy() -> None:
    log = Busy(ATTEMPTS)
    commands = _house_on(log)
    with pytest.raises(TooBusy, match=f"command c-1 met other writers {ATTEMPTS} times; give it again"):
        commands.handle(issued(ONBOARD))
    assert log.result_of("c-1") is None
    assert commands.handle(issued(ONBOARD)).event_count == 1


@pytest.mark.parametrize("other_id", ["open-day-2026-01-06", "by-hand"])
def test_two_writers_may_open_the_same_day(other_id: str) -> None:
    class Overtaken(MemoryLog):
        def append(
            self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
        ) -> CommandResult:
            if isinstance(events[0].event, DayOpened) and not self.result_of(other_id) and self.events:
                open_day = OpenDay(date=TUESDAY)
                other = Issued(other_id, Actor(subject=BOB), open_day)
                envelope = Envelope(actor=other.actor, command_id=other_id, correlation_id=other_id)
                ours = NewEvent("calendar:house", 2, DayOpened(effective_on=TUESDAY), envelope)
                super().append([ours], {"calendar:house": 1}, other_id, other.digest())
            return super().append(events, guards, command_id, digest)

    result = _house_on(Overtaken()).handle(issued(ONBOARD, on=TUESDAY))
    assert result.event_count == 1


# -- what a writer remembers


def test_streams_are_folded_on_from_what_is_remembered() -> None:
    one = given()
    two = Commands(one.log)
    two.handle(issued(RecruitAgent(agent="harbor"), "c-1"))
    with pytest.raises(AgentAlreadyRecruited):
        one.commands.handle(issued(RecruitAgent(agent="harbor"), "c-2"))
    two.handle(issued(RecruitAgent(agent="keystone"), "c-3"))
    one.commands.handle(issued(RecruitAgent(agent="pier", upline="keystone"), "c-4"))


def test_a_writer_that_forgets_reads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "REMEMBERED_STREAMS", 1)
    house = given(PLAN, agent("summit"), agent("keystone", upline="summit"))
    house.when(RecruitAgent(agent="keystone")).then_refused(AgentAlreadyRecruited)


# -- envelopes


def test_every_event_carries_who_on_whose_word_and_because_of_what() -> None:
    one = given()
    given_on = Issued("c-1", Actor(issuer="okta", subject="ann"), ONBOARD, evidence=letter(), because="deal:D-1@2")
    one.commands.handle(given_on)
    recorded = one.log.events[-1]
    assert recorded.envelope == Envelope(
        actor=Actor(issuer="okta", subject="ann"),
        evidence=letter(),
        command_id="c-1",
        correlation_id="c-1",
        causation_id="deal:D-1@2",
    )
    assert (recorded.event_id, recorded.position) == ("customer:alder-foods@1", 2)


def test_what_a_projection_adds_does_not_make_another_command() -> None:
    one = given()
    commands = Commands(one.log, enrich=lambda asked: asked.with_command(OnboardCustomer(customer="birch")))
    first = commands.handle(issued(ONBOARD))
    assert one.log.events[-1].event == CustomerOnboarded(customer="birch", effective_on=DAY)
    assert commands.handle(issued(ONBOARD)) == first


# -- all refusals


def _refusals(cls: type[Refused] = Refused) -> Iterator[type[Refused]]:
    for sub in cls.__subclasses__():
        yield from _refusals(sub)
        if sub.__module__.startswith("domain.") or sub.__module__ == service.__name__:
            yield sub


def _asserted() -> set[str]:
    """The names that tests hand to ``then_refused`` or ``pytest.raises``."""
    names: set[str] = set()
    for path in Path(__file__).parent.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                expected = node.args[0]
                if node.func.attr in ("then_refused", "raises") and isinstance(expected, ast.Name):
                    names.add(expected.id)
    return names


def test_every_refusal_is_tested() -> None:
    refusals = {refusal.__name__ for refusal in _refusals()}
    assert len(refusals) > 50
    untested = sorted(refusals - _asserted())
    assert not untested, f"no test is refused with {', '.join(untested)}; test each exactly at its limit"


# -- because of which earlier event


def test_an_approval_names_the_proposal_that_it_answers() -> None:
    house = given(BOOK)
    house.given(
        ChangeAgentOfRecord(account="ACC-1", agents=(Weighted(agent="summit"),), effective_on=date(2025, 12, 1)),
        AddAlias(account="ACC-1", alias=Alias(vendor="lumen", number="00-4217")),
        said(ApproveAgentOfRecordChange(account="ACC-1"), by=BOB),
    )
    proposed, changed = (
        next(r for r in house.log.events if isinstance(r.event, kind))
        for kind in (AgentOfRecordChangeProposed, AgentOfRecordChanged)
    )
    assert changed.envelope.causation_id == proposed.event_id


def test_what_a_command_says_it_is_because_of_goes_before_what_it_answers() -> None:
    house = given(ProposePlanVersion(plan="gold"))
    command = Issued("c-9", Actor(subject=BOB), PublishPlanVersion(plan="gold"), because="board:2026-01-05")
    house.commands.handle(command)
    assert house.log.events[-1].envelope.causation_id == "board:2026-01-05"
