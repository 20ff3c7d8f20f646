"""An agent's statement of a closed pay run: every line with its reason, a bridge that sums, the same bytes for ever."""

import csv
import io
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import given as story_of

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.party import Parties
from adapters.projectors import Projectors
from domain.adjustment import ApproveAdjustment, ApproveAdjustmentReversal, ProposeAdjustment, ReverseAdjustment
from domain.agent import RecruitAgent, SignAgreement, SuspendAgent
from domain.agent_of_record import ApproveAgentOfRecordChange, ChangeAgentOfRecord, Weighted
from domain.line_move import ApproveLineMove, ProposeLineMove
from domain.log import NewEvent
from domain.message import Actor, Command, Issued
from domain.payout import ApprovePayRun, PayRunReleased, ReleasePayRun, ReturnPayout, WithdrawPayRun
from domain.suspense import ApprovePlacement, ProposePlacement
from domain.vendor_statement import ReceiveStatement, StatementLine
from services import render
from services.agent_statement import AgentStatements, PayRunNotClosed
from services.agent_statement_pages import as_csv, as_html, bridge
from services.house import House
from services.queries import NotFound
from tests.database import fresh_house
from tests.spec import BOB, given
from tests.system.books import settings_of
from tests.system.generated import STORIES, PayRun, Story, Told, tell
from tests.system.test_adjustments import DOCUMENT
from tests.system.test_holdback import BOOK as WITH_HOLDBACK
from tests.system.test_holdback import FIRST, Cashiers, month
from tests.system.test_money_properties import STORIES_TO_REMEMBER
from tests.system.test_payouts import propose

IN_STORIES = 5
OTHERS = (RecruitAgent(agent="delta"), SignAgreement(agent="delta", plan="standard"))


class Readers(Cashiers):
    """Clerks who read statements."""

    def statement(self, pay_run: str, agent: str = "harbor", names: dict[str, str] | None = None) -> dict[str, Any]:
        return AgentStatements(self.house.queries(), pay_run, names or {}).of(agent)

    def part(self, pay_run: str, agent: str = "harbor") -> dict[str, Any]:
        (part,) = self.statement(pay_run, agent)["parts"]
        assert isinstance(part, dict)
        return part

    def on_paper(self, command: Command) -> None:
        self.given += 1
        self.house.handle(Issued(f"clerk-{self.given}", Actor(subject="ann"), command, evidence=DOCUMENT))

    def goes_to_delta(self, since: date) -> None:
        """The first account, on a late letter."""
        self.on_paper(
            ChangeAgentOfRecord(account="ACC-1", agents=(Weighted(agent="delta"),), effective_on=since),
        )
        self.give(ApproveAgentOfRecordChange(account="ACC-1"), BOB)

    def adjust(self, name: str, amount_minor: int, because: str = "goodwill") -> None:
        self.on_paper(
            ProposeAdjustment(
                adjustment=name,
                agent="harbor",
                account="ACC-2",
                service_month="2026-02",
                amount_minor=amount_minor,
                adjusted_because=because,
            )
        )
        self.give(ApproveAdjustment(adjustment=name), BOB)


def figures(part: dict[str, Any]) -> dict[str, int]:
    """The figures of a part that are not nothing."""
    found = {name.removesuffix("_minor"): value for name, value in part.items() if name.endswith("_minor") and value}
    found.pop("minimum_payout", None)
    return found


def told(part: dict[str, Any], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in part["rows"]]


def line(number: int, amount: int, account: str = FIRST, **stated: Any) -> StatementLine:
    return StatementLine(line=number, account=account, commission_minor=amount, service_month="2026-02", **stated)


def lines(name: str, statement_month: str, *stated: StatementLine) -> ReceiveStatement:
    total = sum(int(one.commission_minor) for one in stated)
    return ReceiveStatement(
        vendor="lumen", number=name, statement_month=statement_month, control_total_minor=total, lines=stated
    )


@pytest.fixture
def clerks(database: Database) -> Iterator[Readers]:
    with PostgresLog(database) as log:
        written = given(WITH_HOLDBACK, OTHERS).log.events
        log.append([NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in written], {}, "book", "")
    with House(settings_of(database), database) as house:
        yield Readers(house)


def january_to_april(clerks: Readers) -> None:
    """January: 80.00. April: 80.00 more, January's first account goes to delta, and 5.00 are given by hand."""
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=60_00, second=40_00))
    clerks.pay("january")
    clerks.open("2026-04-30")
    clerks.adjust("ADJ-1", 5_00)
    clerks.goes_to_delta(date(2026, 1, 1))
    clerks.give(month("2026-04", second=100_00))
    clerks.pay("april")


# -- what it says


def test_a_line_has_its_months_its_item_what_it_is_a_part_of_and_its_reason(clerks: Readers) -> None:
    clerks.open("2026-03-15")
    clerks.give(lines("2026-03", "2026-03", line(1, 100_00, charge_kind="usage")))
    clerks.pay("march")

    statement = clerks.statement("march")
    assert (statement["pay_month"], statement["released_on"]) == ("2026-03", "2026-03-15")
    (row,) = statement["parts"][0]["rows"]
    assert row.pop("entry").endswith(":2026-02:usage:USD:1")
    assert row == {
        "section": "earned",
        "account": "ACC-1",
        "customer": "alder-foods",
        "service_month": "2026-02",
        "statement_month": "2026-03",
        "item": "line 1 of statement 2026-03",
        "charge_kind": "usage",
        "line_type": "original",
        "base": "100.00",
        "rate": "80%",
        "amount_minor": 80_00,
        "reason": (
            "80% of commission received: 80% of 100.00 = 80.00; line 1 of statement 2026-03; rule residual of plan "
            "standard version 1 (position 6), which applies to every service month; "
            "agent of record harbor from 2026-01-01 (position 10)"
        ),
        "recorded_on": "2026-03-15",
    }


def test_corrections_and_adjustments_stand_apart_and_the_bridge_leads_to_what_was_paid(clerks: Readers) -> None:
    january_to_april(clerks)

    assert figures(clerks.part("january")) == {"earned": 80_00, "paid": 72_00, "held_back": 8_00}
    april = clerks.part("april")
    assert (april["previous_pay_run"], april["carried_because"]) == ("january", None)
    assert figures(april) == {
        "earned": 80_00,
        "corrected": -48_00,
        "adjusted": 5_00,
        "owed_again": 8_00,
        "paid": 41_30,
        "held_back": 3_70,
    }
    assert told(april, "section", "account", "service_month", "amount_minor", "base", "rate") == [
        ("earned", "ACC-2", "2026-04", 80_00, "100.00", "80%"),
        ("corrected", "ACC-1", "2026-01", -48_00, None, None),
        ("adjusted", "ACC-2", "2026-02", 5_00, None, None),
    ]
    assert told(april, "item", "customer")[2] == ("adjustment ADJ-1", "alder-foods")
    assert [(h["pay_run"], h["state"], h["amount_minor"], h["held_until"]) for h in april["holds"]] == [
        ("january", "owed again", 8_00, "2026-04-01"),
        ("april", "held back now", 3_70, "2026-06-29"),
    ]
    # delta takes over what was posted for harbor: a correction also in its first statement
    assert figures(clerks.part("april", "delta")) == {"corrected": 48_00, "paid": 48_00}


def test_what_the_vendor_calls_a_chargeback_is_a_correction_though_it_is_posted_first(clerks: Readers) -> None:
    clerks.open("2026-03-31")
    clerks.give(lines("2026-03", "2026-03", line(1, 100_00), line(2, -10_00, line_type="chargeback")))
    clerks.pay("march")

    assert told(clerks.part("march"), "section", "line_type", "amount_minor") == [
        ("earned", "original", 80_00),
        ("corrected", "chargeback", -8_00),
    ]


def test_a_line_that_was_placed_is_earned_with_its_own_statement_month(clerks: Readers) -> None:
    clerks.open("2026-03-31")
    clerks.give(lines("2026-03", "2026-03", line(1, 100_00), line(2, 50_00, account="9-9", line_type="retroactive")))
    clerks.give(lines("2026-04", "2026-04", line(1, 30_00, account="9-9")))
    clerks.pay("march")
    clerks.give(ProposePlacement(vendor="lumen", number="9-9", account="ACC-1"))
    clerks.give(ApprovePlacement(vendor="lumen", number="9-9"), BOB)
    clerks.pay("april")

    assert told(clerks.part("april"), "section", "statement_month", "line_type", "amount_minor") == [
        ("earned", "2026-04", "original", 24_00),
        ("corrected", "2026-03", "retroactive", 40_00),
    ]


def test_a_reversed_adjustment_is_shown_as_both(clerks: Readers) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=100_00))
    clerks.adjust("ADJ-1", 5_00)
    clerks.on_paper(ReverseAdjustment(adjustment="ADJ-1", reversed_because="a mistake"))
    clerks.give(ApproveAdjustmentReversal(adjustment="ADJ-1"), BOB)
    clerks.pay("january")

    assert told(clerks.part("january"), "section", "item", "amount_minor", "reason")[1:] == [
        ("adjusted", "adjustment ADJ-1", 5_00, "goodwill"),
        ("adjusted", "reversal of adjustment ADJ-1", -5_00, "a mistake"),
    ]


# -- what is not paid


def test_a_carried_balance_is_brought_forward_and_said(clerks: Readers) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=20_00))
    clerks.adjust("ADJ-1", -50_00)
    clerks.on_paper(
        ProposeAdjustment(adjustment="ADJ-2", agent="delta", amount_minor=1_00, adjusted_because="to have a run")
    )
    clerks.give(ApproveAdjustment(adjustment="ADJ-2"), BOB)
    clerks.pay("january")
    january = clerks.part("january")
    assert figures(january) == {"earned": 16_00, "adjusted": -50_00, "carried_forward": -34_00}
    assert january["carried_because"] == "negative"

    clerks.give(month("2026-02", first=100_00))
    clerks.pay("february")
    february = clerks.part("february")
    assert figures(february) == {"brought_forward": -34_00, "earned": 80_00, "paid": 41_40, "held_back": 4_60}


def test_a_payout_that_came_back_is_brought_into_the_next_statement(clerks: Readers) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=100_00))
    clerks.pay("january")
    clerks.give(ReturnPayout(pay_run="january", agent="harbor", returned_because="account closed"))
    clerks.pay("february")

    assert figures(clerks.part("january")) == {"earned": 80_00, "paid": 72_00, "held_back": 8_00}
    february = clerks.part("february")
    assert figures(february) == {"came_back": 72_00, "paid": 72_00}
    assert february["returns"] == [{"pay_run": "january", "amount_minor": 72_00, "reason": "account closed"}]
    assert [(h["pay_run"], h["state"]) for h in february["holds"]] == [("january", "still held")]


def test_a_payout_that_was_withdrawn_at_the_release_is_carried_by_its_statement(clerks: Readers) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=100_00))
    clerks.give(propose("january"))
    clerks.give(SuspendAgent(agent="harbor", suspended_because="a complaint"))
    clerks.give(ApprovePayRun(pay_run="january"), BOB)
    clerks.give(ReleasePayRun(pay_run="january"))

    january = clerks.part("january")
    assert figures(january) == {"earned": 80_00, "carried_forward": 80_00}
    assert (january["carried_because"], january["holds"]) == ("suspended", [])


# -- closed runs only


def test_a_run_that_is_not_closed_has_no_statement(clerks: Readers) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=100_00))
    with pytest.raises(NotFound, match="there is no pay run january in the book; check its id"):
        clerks.statement("january")
    clerks.give(propose("january"))
    only = "pay run january is only {}; a statement is of a released one: release it first"
    with pytest.raises(PayRunNotClosed, match=only.format("proposed")):
        clerks.statement("january")
    clerks.give(ApprovePayRun(pay_run="january"), BOB)
    with pytest.raises(PayRunNotClosed, match=only.format("approved")):
        clerks.statement("january")
    clerks.give(WithdrawPayRun(pay_run="january"))
    with pytest.raises(PayRunNotClosed, match="pay run january was withdrawn, and nothing was paid in it"):
        clerks.statement("january")


def test_an_agent_without_a_balance_in_the_run_has_no_statement_of_it(clerks: Readers) -> None:
    january_to_april(clerks)
    with pytest.raises(NotFound, match="pay run january has no balance of agent delta; "):
        clerks.statement("january", "delta")


def test_a_line_that_was_moved_to_another_account_is_corrected_on_the_one_and_earned_on_the_other(
    clerks: Readers,
) -> None:
    clerks.open("2026-03-31")
    clerks.give(lines("2026-03", "2026-03", line(1, 100_00), line(2, 50_00)))
    clerks.pay("march")
    clerks.give(
        ProposeLineMove(
            vendor="lumen",
            statement="2026-03",
            lines=(2,),
            from_account="ACC-1",
            to_account="ACC-2",
            moved_because="another circuit",
        )
    )
    clerks.give(ApproveLineMove(vendor="lumen", statement="2026-03"), BOB)
    clerks.adjust("ADJ-1", 30_00)
    clerks.pay("april")

    assert told(clerks.part("april"), "section", "account", "item", "amount_minor")[:2] == [
        ("earned", "ACC-2", "line 2 of statement 2026-03", 40_00),
        ("corrected", "ACC-1", "line 2 of statement 2026-03", -40_00),
    ]


# -- the same bytes for ever


def printed(statement: dict[str, Any]) -> tuple[str, str, str]:
    return as_html(statement), as_csv(statement), render.json_text(statement)


def test_later_events_change_no_byte(clerks: Readers) -> None:
    january_to_april(clerks)
    then = [printed(clerks.statement(run, agent)) for run, agent in (("april", "harbor"), ("april", "delta"))]
    january = printed(clerks.statement("january"))

    clerks.give(ReturnPayout(pay_run="april", agent="harbor", returned_because="account closed"))
    clerks.open("2026-07-31")  # April's hold is released
    clerks.adjust("ADJ-9", -1_00)
    clerks.give(month("2026-07", first=1_00, second=-200_00))
    clerks.on_paper(ReverseAdjustment(adjustment="ADJ-1", reversed_because="a mistake"))
    clerks.give(ApproveAdjustmentReversal(adjustment="ADJ-1"), BOB)
    clerks.give(SignAgreement(agent="harbor", plan="standard"))
    clerks.give(SuspendAgent(agent="harbor", suspended_because="a complaint"))
    clerks.pay("july")

    assert [printed(clerks.statement("april", agent)) for agent in ("harbor", "delta")] == then
    assert printed(clerks.statement("january")) == january


def test_a_run_released_after_a_later_one_changes_neither(clerks: Readers) -> None:
    """A carried balance waits in no stream, so a second run may be proposed and released before the first."""
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=10_00))
    clerks.on_paper(
        ProposeAdjustment(adjustment="ADJ-1", agent="delta", amount_minor=1_00, adjusted_because="to have a run")
    )
    clerks.give(ApproveAdjustment(adjustment="ADJ-1"), BOB)
    clerks.give(propose("first"))
    clerks.give(month("2026-02", second=100_00))
    clerks.give(propose("second").model_copy(update={"agents": ("harbor",)}))
    clerks.give(ApprovePayRun(pay_run="second"), BOB)
    clerks.give(ReleasePayRun(pay_run="second"))
    second = printed(clerks.statement("second"))
    clerks.give(ApprovePayRun(pay_run="first"), BOB)
    clerks.give(ReleasePayRun(pay_run="first"))

    assert printed(clerks.statement("second")) == second
    assert figures(clerks.part("second")) == {"earned": 88_00, "paid": 79_20, "held_back": 8_80}
    assert figures(clerks.part("first")) == {"earned": 8_00, "carried_forward": 8_00}


def test_names_stand_beside_the_statement_and_its_digest_leaves_them_out(clerks: Readers) -> None:
    january_to_april(clerks)
    Parties(clerks.house.database).name("agent:harbor", "Harbor Telecom")

    named = clerks.statement("april", names=Parties(clerks.house.database).names())
    plain = clerks.statement("april")

    assert named["names"] == {"agent:harbor": "Harbor Telecom"}
    assert {**named, "names": {}} == plain


# -- in every story


def statements(database: Database) -> dict[tuple[str, str], dict[str, Any]]:
    """Every statement of every closed run of a house."""
    with House(settings_of(database), database) as house:
        queries = house.queries()
        runs = [r.event.pay_run for r in house.log.read(0, 100_000) if isinstance(r.event, PayRunReleased)]
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for run in runs:
            of_run = AgentStatements(queries, run)
            found |= {(run, agent): of_run.of(agent) for agent in of_run.agents()}
    return found


def append(database: Database, told: Told, after: int, upto: int) -> None:
    with PostgresLog(database) as log, Projectors(database) as projectors:
        new = [NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in told.events[after:upto]]
        log.append(new, {}, f"story-{after}-{upto}", "")
        projectors.catch_up()


def sum_and_stay(database: Database, told: Told, releases: int) -> tuple[int, int]:
    """Read every statement after some releases and again at the end; how many there were."""
    closed = [r.position for r in told.events if isinstance(r.event, PayRunReleased)]
    # the release with what it moved in the agents' streams
    moved = (r for r in told.events[closed[releases - 1] :] if not r.stream_id.startswith("payouts:"))
    released = next((r.position - 1 for r in moved), len(told.events))
    append(database, told, 0, released)
    earlier = statements(database)
    append(database, told, released, len(told.events))
    later = statements(database)

    assert {key: later[key] for key in earlier} == earlier
    for statement in later.values():
        for part in statement["parts"]:
            *lines, (_, carried_forward, _) = bridge(part)
            assert sum(amount for _, amount, _ in lines) == carried_forward
            for section in ("earned", "corrected", "adjusted"):
                rows = [row["amount_minor"] for row in part["rows"] if row["section"] == section]
                assert sum(rows) == part[f"{section}_minor"]
            assert all(row["reason"] for row in part["rows"])
    return len(earlier), len(later)


def test_in_the_stories_to_remember_every_statement_sums_and_stays_when_the_story_goes_on(database: Database) -> None:
    told = tell([happening for story in STORIES_TO_REMEMBER.values() for happening in story])

    earlier, later = sum_and_stay(database, told, releases=5)

    assert earlier > 8 < later - earlier


def test_in_made_up_stories_too(database_url: str) -> None:
    @settings(max_examples=IN_STORIES, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
    @story_of(STORIES)
    def in_every_story(story: Story) -> None:
        told = tell([PayRun("settled"), *story, PayRun("settled")])
        with fresh_house(database_url) as database:
            sum_and_stay(database, told, releases=1)

    in_every_story()


# -- as CSV and as a page

HOSTILE = '=HYPERLINK("http://x","<script>alert(\'1\')</script>") & more'


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile(clerks: Readers) -> dict[str, Any]:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=1_234_567_00))
    clerks.adjust("ADJ-1", -5_00, HOSTILE)
    clerks.pay("january")
    return clerks.statement("january", names={"agent:harbor": "<b>Harbor</b>", "customer:alder-foods": '@Alder, "F"\n'})


def test_a_csv_is_rfc_4180_its_amounts_are_numbers_and_no_text_is_a_formula(clerks: Readers) -> None:
    text = as_csv(hostile(clerks))

    assert text.count("\r\n") == text.count("\n") - 2  # those in the customer's name
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["section"], row["item"], row["amount"]) for row in rows] == [
        ("summary", "Brought forward", "0.00"),
        ("summary", "Earned", "987653.60"),
        ("summary", "Adjustments", "-5.00"),
        ("summary", "Held back", "-98764.86"),
        ("summary", "Paid", "-888883.74"),
        ("summary", "Carried forward", "0.00"),
        ("earned", "line 1 of statement 2026-01", "987653.60"),
        ("adjusted", "adjustment ADJ-1", "-5.00"),
        ("held", "commission held in pay run january", "98764.86"),
    ]
    assert rows[6]["base"] == "1234567.00"
    assert rows[6]["customer_name"] == '\'@Alder, "F"\n'
    assert rows[7]["reason"] == f"'{HOSTILE}"
    assert {row["agent"] for row in rows} == {"harbor"}
    assert {None} & set(rows[0]) == set()


def test_a_page_holds_all_it_needs_and_every_text_is_escaped(clerks: Readers) -> None:
    html = as_html(hostile(clerks))
    page = Page(html)

    assert HOSTILE in page.text
    assert "<b>Harbor</b> (harbor)" in page.text
    assert {tag for tag, _ in page.tags} & {"script", "b", "link", "img", "iframe", "object"} == set()
    assert not [attrs for _, attrs in page.tags if {"src", "href", "style", "onload"} & set(attrs)]
    assert "url(" not in html
    assert "@import" not in html
    assert "987,653.60" in page.text
    for said in ("Brought forward", "Carried forward", "Adjustments, 1 line", "until", "sha256:"):
        assert said in page.text
    heads = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert None not in heads
    assert [tag for tag, _ in page.tags].count("caption") == [tag for tag, _ in page.tags].count("table")
    assert "display: table-header-group" in html
    assert "@page" in html
