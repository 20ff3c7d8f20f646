"""A change of the recipe as use cases: proposed and valued, looked at, approved, promoted, undone, dropped.

The recipe's stream decides; the valuation beside the live ledger shows what it would move. What a person looks at, and
what an approval records, is brought to the head of the log first. Amounts are minor units.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import sql

from adapters import promoted, valuations
from adapters.valuations import Valuation
from adapters.valuing import table_of
from domain import months
from domain.ids import RECIPE
from domain.message import Actor, Issued, Refused
from domain.rating.facts import HOUSE_NO, HouseFacts
from domain.recipe import (
    ApproveReprojection,
    Difference,
    DropReprojection,
    PromoteReprojection,
    ProposeReprojection,
    Recipe,
    RecipeChange,
    Reprojection,
    ReprojectionOver,
    ReprojectionProposed,
    UndoReprojection,
)
from projections import plan_words
from projections.facts.terms import proposed_facts
from projections.ledger import MARGIN, PAYER_ROLE
from projections.valuation import Concerned, as_proposed
from services.house import House
from services.queries import Mismatch, NotFound, Queries
from services.reprojection_diff import EVERYTHING, Differences, Selection, snapshot, totals
from services.reprojection_pages import Head, Report

OPEN = ("proposed", "approved")
PROMOTED = ("promoted", "undone")


class ReprojectionNotValued(Refused):
    """What is not valued to its end shows nothing, and cannot be approved or promoted."""


class Standing(NamedTuple):
    """A reprojection as it stands. ``valued_at`` is None where it is not valued to its end; ``behind`` is in events."""

    reprojection: str
    status: str
    proposed_by: str
    because: str
    undoes: str | None
    approved_by: str | None
    valued_at: int | None
    behind: int | None
    lines: int | None
    promoted_at: int | None


class Posted(NamedTuple):
    """What a promotion posted in one currency: one posting a cell; what agents gained and lost of it, and the house."""

    currency: str
    cells: int
    entries: int
    gained_minor: int
    lost_minor: int
    house_minor: int


@dataclass
class Reprojections:
    """The reprojections of one house."""

    house: House

    # -- proposing and valuing

    def record(self, issued: Issued) -> None:
        """Record a proposal, once. Raises Refused."""
        assert isinstance(issued.command, ProposeReprojection | UndoReprojection)
        self.house.handle(issued)

    def value(self, reprojection: str, workers: int | None, progress: valuations.Progress) -> int:
        """Value all cells up to the head of the log, or go on where that was stopped; the position reached.

        Raises NotFound, ReprojectionOver.
        """
        self._open(reprojection)
        self.house.projectors.catch_up()
        return valuations.value(self.house.database, reprojection, workers, progress)

    # -- looking

    def listed(self) -> list[Standing]:
        """Every reprojection in the order in which they were proposed."""
        return self._standing(self._recipe.reprojections)

    def standing(self, reprojection: str) -> Standing:
        """Raises NotFound."""
        (standing,) = self._standing({reprojection: self.found(reprojection)})
        return standing

    def _standing(self, reprojections: Mapping[str, Reprojection]) -> list[Standing]:
        queries = self.house.queries()
        reached = queries.ledger_position()
        valued = {one.reprojection: one for one in self._valuations(queries) if one.standing}
        promoted_at = _promoted_at(queries)
        rows = []
        for name, found in reprojections.items():
            stands = valued.get(name) if found.status in OPEN else None
            rows.append(
                Standing(
                    name,
                    "valuing" if stands is None and found.status in OPEN else found.status,
                    _principal(found.proposed.proposed_by),
                    found.proposed.proposed_because,
                    found.proposed.undoes,
                    _principal(found.approved_by) if found.approved_by else None,
                    stands.upto if stands else None,
                    reached - stands.upto if stands else None,
                    stands.lines if stands else None,
                    promoted_at.get(name),
                )
            )
        return rows

    @contextmanager
    def difference(
        self, reprojection: str, selection: Selection = EVERYTHING, limit: int = 0
    ) -> Iterator[tuple[Report, Differences]]:
        """What it would move as of the head of the log, while the context lasts; ``limit`` rows come with reasons.

        Of one that was promoted: what its promotion posted. Raises NotFound, Refused, Mismatch.
        """
        if self.found(reprojection).status in PROMOTED:
            with self._difference_posted(reprojection, selection, limit) as posted:
                yield posted
            return
        self._keep_up(reprojection)
        queries = self.house.queries(caught_up=False)
        with snapshot(queries):
            valued = self._valued_to_its_end(queries, reprojection)  # somebody may have dropped it a moment ago
            proposed = _as_proposed(queries, self.found(reprojection).proposed, valued.upto)
            table = queries.table(table_of(valued.reprojection_no))
            differences = Differences(queries, reprojection, table, valued.upto, proposed, selection)
            yield self._report(reprojection, differences, limit), differences

    @contextmanager
    def _difference_posted(
        self, reprojection: str, selection: Selection, limit: int
    ) -> Iterator[tuple[Report, Differences]]:
        """What its promotion posted, which valuing again must find. Raises Poison, NotFound, Mismatch."""
        proposed = self.found(reprojection).proposed
        position = _promoted_at(self.house.queries())[reprojection]
        database = self.house.database
        with database.connect("writer") as connection:  # the reader may make no table, not even one of its own
            queries = Queries(database, connection)
            with snapshot(queries):
                otherwise = promoted.value_again(connection, database.book, proposed_facts(proposed), position)
                if otherwise:
                    raise Mismatch(
                        f"valued again, {otherwise:,} entries of the promotion of {reprojection} at position "
                        f"{position} are not what the journal has; run `trailbook verify`"
                    )
                house = _as_proposed(queries, proposed, position - 1)
                differences = Differences(queries, reprojection, promoted.TABLE, position - 1, house, selection)
                yield self._report(reprojection, differences, limit, position), differences

    def _report(
        self, reprojection: str, differences: Differences, limit: int, promoted_at: int | None = None
    ) -> Report:
        proposed = self.found(reprojection).proposed
        groups, sizes = differences.groups(), differences.sizes
        most = {size.currency: -size.entries for size in sizes}
        as_of = promoted_at or differences.upto
        day = differences.queries.day_of(as_of)
        return Report(
            head=Head(
                reprojection,
                _principal(proposed.proposed_by),
                proposed.proposed_because,
                tuple(recipe_words(proposed.change)),
                as_of,
                str(day) if day else "no day",
                promoted_at,
            ),
            selection=differences.selection,
            sizes=sizes,
            overall=sorted(totals(groups, "all"), key=lambda total: (most[total.currency], total.currency)),
            payees=differences.payees(groups),
            causes=totals(groups, "cause"),
            months=totals(groups, "month"),
            paid_months=frozenset((months.text(g.month), g.currency) for g in groups if g.paid_minor),
            largest=differences.largest(limit) if limit else [],
        )

    # -- deciding

    def approve(self, issued: Issued) -> Report:
        """Approve it with what it would move as of now, which is given back. Raises Refused, Mismatch."""
        command = issued.command
        assert isinstance(command, ApproveReprojection)
        self.house.commands.would(issued)
        with self.difference(command.reprojection) as (report, _):
            seen = {"as_valued_at": report.head.as_of, "differences": tuple(_seen(report))}
        self.house.handle(issued.with_command(command.model_copy(update=seen)))
        return report

    def promote(self, issued: Issued) -> None:
        """Bring valuation and ledger to the head, and record the promotion. Raises Refused, Poison."""
        command = issued.command
        assert isinstance(command, PromoteReprojection)
        self.house.commands.would(issued)
        self._keep_up(command.reprojection)
        self.house.handle(issued)

    def posted(self, reprojection: str) -> tuple[int, list[Posted]]:
        """The position of its promotion, and what was posted there. Raises Poison."""
        queries = self.house.queries()
        position = _promoted_at(queries)[reprojection]
        return position, _posted(queries, position)

    def drop(self, issued: Issued) -> None:
        """Drop it, and the tables of its valuation, also where an earlier drop did not come to them. Raises Refused."""
        command = issued.command
        assert isinstance(command, DropReprojection)
        try:
            self.house.handle(issued)
        finally:
            found = self._recipe.reprojections.get(command.reprojection)
            if found is not None and found.status == "dropped":
                valuations.drop(self.house.database, command.reprojection)

    # -- what all of it reads

    @property
    def _recipe(self) -> Recipe:
        recipe: Recipe = self.house.commands.state(RECIPE)
        return recipe

    def found(self, reprojection: str) -> Reprojection:
        """Raises NotFound."""
        found = self._recipe.reprojections.get(reprojection)
        if found is None:
            raise NotFound(f"there is no reprojection {reprojection}; `trailbook reproject list` shows all")
        return found

    def _open(self, reprojection: str) -> None:
        """Raises NotFound, ReprojectionOver."""
        status = self.found(reprojection).status
        if status not in OPEN:
            raise ReprojectionOver(
                f"reprojection {reprojection} is {status} already; "
                f"`trailbook audit participant reprojection:{reprojection}` tells what became of it"
            )

    def _keep_up(self, reprojection: str) -> None:
        """Bring its valuation to the head of the log. Raises NotFound, ReprojectionOver, ReprojectionNotValued."""
        self._open(reprojection)
        self._valued_to_its_end(self.house.queries(), reprojection)
        self.value(reprojection, None, lambda done, total: None)

    def _valued_to_its_end(self, queries: Queries, reprojection: str) -> Valuation:
        """Raises NotFound, ReprojectionOver, ReprojectionNotValued."""
        valued = self._valuation(queries, reprojection)
        if valued is None or not valued.standing:
            self._open(reprojection)
            because = f" ({valued.reason})" if valued is not None and valued.reason else ""
            raise ReprojectionNotValued(
                f"reprojection {reprojection} is not valued to its end{because}; "
                f"`trailbook reproject propose {reprojection}` goes on"
            )
        return valued

    def _valuations(self, queries: Queries) -> list[Valuation]:
        return valuations.stands(queries.connection, queries.database.book)

    def _valuation(self, queries: Queries, reprojection: str) -> Valuation | None:
        """How its valuation stands; None before it was begun."""
        return next((one for one in self._valuations(queries) if one.reprojection == reprojection), None)


def _principal(actor: Actor) -> str:
    return f"{actor.principal} for {actor.on_behalf_of}" if actor.on_behalf_of else actor.principal


def recipe_words(change: RecipeChange) -> Iterator[str]:
    """What becomes another, a sentence a plan version or release."""
    for body in change.plan_versions:
        because = f", because {body.because}" if body.because else ""
        yield (
            f"version {body.plan_version} of plan {body.plan} counts "
            f"{plan_words.applies_to(body.applies_to)}{plan_words.ends(body)}{plan_words.reversals(body)}{because}"
        )
    for ref in change.ended:
        yield f"{ref} counts no more"
    if change.release is not None:
        yield f"every figure is rated by rating release {change.release}"


def rule_words(change: RecipeChange) -> Iterator[str]:
    """What the rules of its plan versions pay, a sentence a rule."""
    for body in change.plan_versions:
        yield from map(plan_words.rule, body.rules)
        yield from map(plan_words.override, body.overrides)


def reaches(proposed: ReprojectionProposed, house: HouseFacts) -> list[str] | None:
    """The agents whose accounts it can reach, whether or not a figure differs; None for everybody."""
    agents = Concerned.of(proposed_facts(proposed), house).agents
    return None if agents is None else sorted(agents)


def _as_proposed(queries: Queries, proposed: ReprojectionProposed, upto: int) -> HouseFacts:
    return as_proposed(queries.facts.account(HOUSE_NO, upto + 1), proposed_facts(proposed), upto)


def _promoted_at(queries: Queries) -> dict[str, int]:
    """The position of every promotion that the ledger has reached."""
    return {recipe.reprojection: recipe.position for recipe in queries.house.recipes}


def _seen(report: Report) -> Iterator[Difference]:
    """What an approval records of a difference."""
    for total in report.overall:
        (size,) = report.of(total.currency, report.sizes)
        yield Difference(
            currency=total.currency,
            gained_minor=total.gained_minor,
            lost_minor=total.lost_minor,
            house_minor=total.house_minor,
            accounts=size.accounts,
        )


def _posted(queries: Queries, position: int) -> list[Posted]:
    """What was posted for cells at a position."""
    statement = sql.SQL(
        "WITH posted AS MATERIALIZED (SELECT * FROM {} WHERE position = %(position)s AND account_no > 0), by_book AS ("
        " SELECT currency, book, sum(amount_minor) AS amount_minor FROM posted WHERE role <> %(payer)s GROUP BY 1, 2"
        "), sums AS ("
        " SELECT currency, sum(amount_minor) FILTER (WHERE book <> %(margin)s AND amount_minor > 0) AS gained,"
        " sum(amount_minor) FILTER (WHERE book <> %(margin)s AND amount_minor < 0) AS lost,"
        " sum(amount_minor) FILTER (WHERE book = %(margin)s) AS house FROM by_book GROUP BY 1"
        ") SELECT currency, count(DISTINCT (account_no, effective_on, kind)), count(*), "
        "coalesce(max(gained), 0)::bigint, coalesce(max(lost), 0)::bigint, coalesce(max(house), 0)::bigint "
        "FROM posted JOIN sums USING (currency) GROUP BY 1 ORDER BY 1"
    ).format(queries.table("journal"))
    values = {"position": position, "payer": PAYER_ROLE, "margin": MARGIN}
    return [Posted(*row) for row in queries.connection.execute(statement, values)]
