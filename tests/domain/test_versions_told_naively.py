"""Whom a plan version reaches and when commission ends, told a second time as the docstrings say it, and held together.

The oracle knows no seasons, no cache and no compiled terms: it reads what was learned up to a position, month by month.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from domain import months
from domain.rating import release_1
from domain.rating.facts import RECURRING, AccountFacts, Cell, HouseFacts
from domain.rating.release_1 import TermsCache

FIRST, LAST = months.number("2025-01"), months.number("2025-06")
ACCOUNT_NO, MRC, RECEIVED = 1_000, 1_000_000, 10_000_000
AGENTS = (("harbor", "keystone"), ("delta", None), ("keystone", "summit"), ("summit", None))
CONTRACTS = {"dia": "C-1", "voip": "C-1", "trunk": "C-2"}

Learned = list[tuple[int, list[Any]]]
"""Facts with the position at which each was learned, in order."""

# -- the oracle


@dataclass
class Oracle:
    """What is known at a position, and what follows from it for one month."""

    learned: Learned
    known: int

    def facts(self, tag: str) -> Iterator[tuple[int, list[Any]]]:
        return ((position, fact) for position, fact in self.learned if fact[0] == tag and position <= self.known)

    def terms(self, contract: str) -> list[tuple[date, int, int, bool]]:
        """The signing, then the renewals: first day, position, months, whether it is a renewal."""
        signed = next(f for _, f in self.learned if f[0] == "service" and f[1] == contract)[8]
        found = [(date.fromisoformat(on), at, length, n > 0) for n, (on, length, at) in enumerate(signed)]
        for position, (_, of, on, length) in self.facts("renewed"):
            if of == contract:
                found.append((date.fromisoformat(on), position, length, True))
        return found

    def term(self, contract: str, month: int) -> tuple[date, int, int, bool]:
        """The last that began by the end of the month; the signing counts for the months before it too."""
        terms = self.terms(contract)
        return max([t for t in terms if t[0] <= months.last_day(month)] or terms[:1])

    def contract(self, line_service: str | None, month: int) -> str | None:
        """Of the service that the line names or that alone is in force; else the only one of the account."""
        on_account = [fact[2] for _, fact in self.facts("service")]
        active = [fact[2] for _, fact in self.facts("active")]
        if line_service is not None and line_service in on_account:
            return CONTRACTS[line_service]
        if line_service is None and len(active) == 1:
            return CONTRACTS[active[0]]
        contracts = {CONTRACTS[service] for service in on_account}
        return contracts.pop() if len(contracts) == 1 else None

    def applies(self, version: dict[str, Any], contract: str | None, month: int) -> bool:
        to = version["applies_to"]
        since, kind = date.fromisoformat(to["from"]), to["kind"]
        begun = month >= months.number_of(since)
        if kind in ("service-months-from", "retroactive"):
            return begun and (not to.get("until") or month < months.number_of(date.fromisoformat(to["until"])))
        if contract is None:
            return False
        on, _, _, renewal = self.term(contract, month)
        if kind == "signed-or-renewed-from":
            return on >= since
        if kind == "from-renewal":
            return on >= since and renewal
        if kind == "cohort":
            return begun and any(self.in_cohort(to, term, month) for term in self.terms(contract))
        before = [term for term in self.terms(contract) if term[0] < since]
        if not before or not max(before)[2]:
            return begun
        over = months.later(max(before)[0], max(before)[2])
        renewed = [on for on, _, _, renewal in self.terms(contract) if renewal and on >= since]
        return begun and (months.first_day(month) >= over or any(on <= months.last_day(month) for on in renewed))

    @staticmethod
    def in_cohort(to: dict[str, Any], term: tuple[date, int, int, bool], month: int) -> bool:
        on, _, _, renewal = term
        if to["contracts"] != "signed-or-renewed" and renewal != (to["contracts"] == "renewed"):
            return False
        by_then = on <= months.last_day(month) or not renewal
        until = date.fromisoformat(to["cohort_until"]) if to.get("cohort_until") else date.max
        return by_then and date.fromisoformat(to["cohort_from"]) <= on < until

    def version(self, plan: str, contract: str | None, month: int) -> dict[str, Any] | None:
        ended = [(fact[1], fact[2]) for _, fact in self.facts("plan-ended")]
        bodies = [f[1] for _, f in self.facts("plan")]
        of_plan = [b for b in bodies if b["plan"] == plan and (plan, b["plan_version"]) not in ended]
        found = [b for b in of_plan if self.applies(b, contract, month)]
        return max(found, key=lambda b: (b["applies_to"]["from"], b["plan_version"]), default=None)

    def ended_by_term(self, contract: str | None, month: int) -> bool:
        if contract is None:
            return False
        on, _, length, _ = self.term(contract, month)
        return length > 0 and months.first_day(month) >= months.later(on, length)

    def terminated(self, agent: str, month: int, *, evergreen: bool) -> bool:
        day = months.first_day(month)
        ends = [f for _, f in self.facts("terminated") if f[1] == agent and date.fromisoformat(f[2]) <= day]
        return any(evergreen or not fact[3] for fact in ends)

    def vendor_end(self, month: int) -> list[Any] | None:
        """The end that holds for the month: for whole months only; a resumption from its own month on."""
        held: list[tuple[str, int, list[Any]]] = []
        for position, fact in self.facts("vendor-agreement"):
            on = date.fromisoformat(fact[2])
            day = months.first_day(month) if fact[3] == "ended" else months.last_day(month)
            if on <= day:
                held.append((fact[2], position, fact))
        last = max(held)[2] if held else None
        return last if last and last[3] == "ended" else None

    def plan(self, agent: str, month: int) -> str | None:
        day = months.last_day(month).isoformat()
        held = [(fact[3], at, fact[2]) for at, fact in self.facts("agreement") if fact[1] == agent and fact[3] <= day]
        return max(held)[2] if held else None

    def upline(self, agent: str, month: int) -> str | None:
        day = months.first_day(month).isoformat()
        held = [
            (fact[3], at, fact[2] or "") for at, fact in self.facts("upline") if fact[1] == agent and fact[3] <= day
        ]
        return (max(held)[2] or None) if held else dict(AGENTS)[agent]

    def pays(
        self, agent: str, contract: str | None, month: int, reported: int | None, pay: Callable[[dict[str, Any]], str]
    ) -> dict[str, Any] | None:
        """The version that pays an agent for an item by a rule or an override; a reversal was reported in a month."""
        plan = self.plan(agent, month)
        if plan is None or self.terminated(agent, month, evergreen=False):
            return None
        chosen = None
        if reported is not None:
            chosen = self.version(plan, contract, reported)
            if chosen and (chosen.get("reversals") != "schedule-of-today" or pay(chosen) == "percent-of-mrc"):
                chosen = None
        chosen = chosen or self.version(plan, contract, month)
        if chosen is None:
            return None
        ends = {
            "contract-term": self.ended_by_term(contract, month),
            "agent-agreement": self.terminated(agent, month, evergreen=True),
            "vendor-agreement": self.vendor_end(month) is not None,
        }
        return None if any(ends[end] for end in chosen.get("ends_with", ())) else chosen

    def of_line(self, line: list[Any]) -> dict[str, Fraction]:
        """What everybody is paid of a line: agents of record in halves, uplines by their overrides."""
        month, commission, named = line[4], line[7], line[8]
        reported = line[11] if len(line) > 11 else None
        found: dict[str, Fraction] = {}
        if (end := self.vendor_end(month)) and not end[4]:
            return found
        contract = self.contract(named, month)
        for seller in ("harbor", "delta"):
            version = self.pays(seller, contract, month, reported, _pay)
            if version is None or not _pay(version):
                continue  # nothing for whoever stands above either
            half = Fraction(commission, 2)
            if _pay(version) == "percent-of-commission":
                found[seller] = found.get(seller, Fraction(0)) + half * _rate(version)
            above, seen = self.upline(seller, month), {seller}
            while above is not None and above not in seen:
                of_upline = self.pays(above, contract, month, reported, _override)
                if of_upline is not None and _override(of_upline) == "percent-of-commission":
                    rate = Fraction(of_upline["overrides"][0]["pay"]["rate"])
                    found[above] = found.get(above, Fraction(0)) + half * rate
                seen.add(above)
                above = self.upline(above, month)
        return {agent: amount for agent, amount in found.items() if amount}


def _pay(version: dict[str, Any]) -> str:
    return str(version["rules"][0]["pay"]["kind"]) if version["rules"] else ""


def _override(version: dict[str, Any]) -> str:
    return str(version["overrides"][0]["pay"]["kind"]) if version["overrides"] else ""


def _rate(version: dict[str, Any]) -> Fraction:
    return Fraction(version["rules"][0]["pay"]["rate"])


# -- what rating says


def rated(account: AccountFacts, house: HouseFacts, cell: Cell, known: int, cache: TermsCache) -> dict[int, Any]:
    """By line: what every agent is paid of it."""
    found: dict[int, dict[str, Fraction]] = {}
    for item in release_1.rate(account, house, cell, known, cache):
        if item.line:
            of_line = found.setdefault(item.line, {})
            for share in item.shares:
                if share.payee.startswith("agent:") and share.amount_minor:
                    agent = share.payee.removeprefix("agent:")
                    of_line[agent] = of_line.get(agent, Fraction(0)) + share.amount_minor
    return found


# -- what hypothesis makes up

DAYS = st.sampled_from(("2025-02-15", "2025-02-28", "2025-03-01", "2025-03-15", "2025-03-31", "2025-04-01"))
"""Few, so that they meet."""
FIRSTS = st.sampled_from([months.first_day(month).isoformat() for month in range(FIRST, LAST)])
TERMS = st.sampled_from((0, 1, 2, 6, 12, 36))
PLAN = st.sampled_from(("standard", "standard", "gold"))
PAYS = st.sampled_from((*("percent-of-commission",) * 4, *("percent-of-mrc",) * 2, ""))
AGENT = st.sampled_from(("harbor", "delta", "keystone", "summit"))


@st.composite
def applies_to(draw: Callable[..., Any]) -> dict[str, Any]:
    kind = draw(
        st.sampled_from(
            (
                "service-months-from",
                "signed-or-renewed-from",
                "from-renewal",
                "cohort",
                "cohort",
                "as-contracts-expire",
                "as-contracts-expire",
                "retroactive",
            )
        )
    )
    found = {"kind": kind, "from": draw(DAYS)}
    if kind == "cohort":
        first, until = sorted((draw(DAYS), draw(DAYS)))
        found["contracts"] = draw(st.sampled_from(("signed", "renewed", "signed-or-renewed")))
        found["cohort_from"] = first
        if draw(st.booleans()) and first < until:
            found["cohort_until"] = until
    if kind == "retroactive" and draw(st.booleans()):
        found["until"] = max(draw(DAYS), found["from"])
    return found


@dataclass
class Numbers:
    """How many versions each plan has."""

    of: dict[str, int] = field(default_factory=lambda: {"standard": 0, "gold": 0})

    def body(self, plan: str, to: dict[str, Any], pay: str, over: str, **says: Any) -> list[Any]:
        self.of[plan] += 1
        number = self.of[plan]
        rate = f"0.{(50 if plan == 'gold' else 0) + number:02}"
        rules = [{"rule": "default", "pay": {"kind": pay, "rate": rate}}] if pay else []
        overrides = [{"rule": "team", "pay": {"kind": over, "rate": f"0.00{number:02}"}}] if over else []
        body = {"plan": plan, "plan_version": number, "applies_to": to, "rules": rules, "proposed_by": "ann"}
        return ["plan", {**body, "overrides": overrides, **says}]


@st.composite
def versions(draw: Callable[..., Any]) -> tuple[str, dict[str, Any], str, str, dict[str, Any]]:
    ends = st.sampled_from(("contract-term", "agent-agreement", "vendor-agreement"))
    says = {
        "ends_with": draw(st.lists(ends, max_size=2, unique=True)),
        "reversals": draw(st.sampled_from(("schedule-that-paid", "schedule-of-today"))),
    }
    return draw(PLAN), draw(applies_to()), draw(PAYS), draw(PAYS), says


HAPPENS = st.one_of(
    st.tuples(st.just("version"), versions()),
    st.tuples(st.just("version"), versions()),
    st.tuples(st.just("version"), versions()),
    st.tuples(st.just("renewed"), st.sampled_from(("C-1", "C-1", "C-2")), DAYS, TERMS),
    st.tuples(st.just("renewed"), st.sampled_from(("C-1", "C-1", "C-2")), DAYS, TERMS),
    st.tuples(st.just("agreement"), AGENT, PLAN, DAYS),
    st.tuples(
        st.just("upline"), st.sampled_from(("harbor", "delta", "keystone")), st.sampled_from(("summit", None)), FIRSTS
    ),
    st.tuples(st.just("terminated"), AGENT, DAYS, st.booleans()),
    st.tuples(st.just("vendor-agreement"), DAYS, st.booleans()),
    st.tuples(st.just("plan-ended"), PLAN, st.integers(1, 4)),
    st.tuples(
        st.just("line"),
        st.integers(FIRST, LAST),
        st.sampled_from((RECEIVED, -RECEIVED)),
        st.sampled_from((None, "dia", "voip", "trunk", "fax")),
        st.integers(FIRST, LAST),
    ),
)


@st.composite
def books(draw: Callable[..., Any]) -> Learned:
    """A house with one account; what happens to both, in the order in which it is learned."""
    numbers = Numbers()
    facts: list[list[Any]] = [["vendor", "lumen"]]
    facts += [["agent", agent, upline] for agent, upline in reversed(AGENTS)]
    facts += [["agreement", agent, "standard", "2024-11-01"] for agent, _ in AGENTS]
    always = {"kind": "service-months-from", "from": "1900-01-01"}
    facts += [numbers.body(plan, always, draw(PAYS), draw(PAYS)) for plan in ("standard", "gold")]
    facts += [["account", "A-1", "lumen"], ["aor", None, [["harbor", 1], ["delta", 1]], "2024-01-01", None, None, None]]
    services = draw(st.sampled_from(((), ("dia",), ("dia", "voip"), ("dia", "trunk"))))
    for service in services:
        contract, signed = CONTRACTS[service], ("2024-12-15", 6) if CONTRACTS[service] == "C-2" else None
        on, length = signed or (draw(DAYS), draw(TERMS)) if service != "voip" else facts_of(facts, "dia")
        fact = ["service", contract, service, "lumen", None, None, MRC, "USD", [[on, length, 0]]]
        facts += [fact, ["active", contract, service, "2024-11-01"]]
    telling = Telling(facts, numbers)
    for what, *of in draw(st.lists(HAPPENS, max_size=14)):
        getattr(telling, what.replace("-", "_"))(*of)
    for month in draw(st.lists(st.integers(FIRST, LAST), min_size=3, max_size=6, unique=True)):
        telling.line(month, RECEIVED, draw(st.sampled_from((None, "dia"))), 0)
    assert len(facts) < ACCOUNT_NO
    return list(enumerate(facts, start=1))


@dataclass
class Telling:
    """Adds a fact where the domain would not refuse what it says."""

    facts: list[list[Any]]
    numbers: Numbers
    lines: int = 0

    def version(self, said: tuple[str, dict[str, Any], str, str, dict[str, Any]]) -> None:
        plan, to, pay, over, says = said
        self.facts.append(self.numbers.body(plan, to, pay, over, **says))

    def renewed(self, contract: str, on: str, length: int) -> None:
        signed_on = [f[8][0][0] for f in self.facts if f[0] == "service" and f[1] == contract]
        if signed_on and on >= signed_on[0]:
            self.facts.append(["renewed", contract, on, length])

    def agreement(self, agent: str, plan: str, on: str) -> None:
        self.facts.append(["agreement", agent, plan, on])

    def upline(self, agent: str, upline: str | None, on: str) -> None:
        self.facts.append(["upline", agent, upline, on])

    def terminated(self, agent: str, on: str, evergreen: bool) -> None:
        if not any(fact[:2] == ["terminated", agent] for fact in self.facts):
            self.facts.append(["terminated", agent, on, evergreen])

    def vendor_agreement(self, on: str, evergreen: bool) -> None:
        turns = [fact for fact in self.facts if fact[0] == "vendor-agreement"]
        if len(turns) % 2 == 0 or on >= turns[-1][2]:
            what = "resumed" if len(turns) % 2 else "ended"
            self.facts.append(["vendor-agreement", "lumen", on, what, evergreen])

    def plan_ended(self, plan: str, number: int) -> None:
        gone = ["plan-ended", plan, number]
        if self.numbers.of[plan] >= number and gone not in self.facts:
            self.facts.append(gone)

    def line(self, month: int, commission: int, service: str | None, reported: int) -> None:
        self.lines += 1
        of = [5_000 + self.lines, self.lines, "lumen", month, RECURRING, "USD", commission, service, None, "S"]
        self.facts.append(["line", *of, reported] if commission < 0 else ["line", *of])


def facts_of(facts: list[list[Any]], service: str) -> tuple[str, int]:
    on, length, _ = next(f for f in facts if f[0] == "service" and f[2] == service)[8][0]
    return on, length


OF_THE_HOUSE = {"vendor", "agent", "agreement", "plan", "plan-ended", "upline", "terminated", "vendor-agreement"}


@settings(max_examples=300, deadline=None, database=None)
@given(books(), st.data())
def test_rating_pays_by_the_version_that_the_words_say(learned: Learned, data: st.DataObject) -> None:
    house = HouseFacts.of([entry for entry in learned if entry[1][0] in OF_THE_HOUSE])
    account = AccountFacts.of(ACCOUNT_NO, [entry for entry in learned if entry[1][0] not in OF_THE_HOUSE])
    end = learned[-1][0]
    knowns = [end, *data.draw(st.lists(st.integers(12, end), max_size=2), "known")]
    for known in knowns:
        oracle, cache = Oracle(learned, known), TermsCache()
        lines = [fact for _, fact in oracle.facts("line")]
        cells = sorted({Cell(ACCOUNT_NO, line[4], RECURRING, "USD") for line in lines})
        for cell in data.draw(st.permutations(cells), "order"):
            alone = rated(account, house, cell, known, {})
            assert rated(account, house, cell, known, cache) == alone
            for line in lines:
                if line[4] == cell.month:
                    said, found = oracle.of_line(line), alone.get(line[2], {})
                    if found != said:
                        note("\n".join(f"{at}: {fact}" for at, fact in learned))
                        note(f"known {known}, {months.text(cell.month)}: {line}; rated {found}, told {said}")
                    assert found == said
