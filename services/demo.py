"""The demo: one network account from 2009 to 2026, through the same commands that a user would give.

Public facts: CenturyLink completed its purchase of Qwest on 2011-04-01 and took the name Lumen on 2020-09-14. The
agents, the customers and the amounts are made up.
"""

import shlex
from pathlib import Path

from rich.rule import Rule
from rich.text import Text

from adapters.command_file import read_commands
from adapters.settings import Settings
from domain.message import Issued
from projections.agenda import SCHEDULER
from services import render
from services.house import House, open_house
from services.render import console

DEMO_HOUSE = "demo"
STORY = Path(__file__).with_name("demo_story.yaml")
AGENT, MONTH = "harbor", "2026-05"


def play(settings: Settings, *, kafka: bool = False) -> None:
    """Play the story, or find it played, and show the timeline, a statement, the balances and what to try next.

    ``kafka``: end with what other systems read of it.
    """
    console.print("[bold]Trailbook[/bold]: the book of a master agency, every cent traced to its event\n")
    if settings.database_url is not None:
        settings.database().init()
    with console.status("starting PostgreSQL"), open_house(settings) as house:
        house.queries()
        console.print(f"PostgreSQL at {house.database.where}, house {house.database.house}\n")
        console.print(Rule("timeline", align="left"))
        told = 0
        for issued in read_commands(STORY):
            told = _give(house, issued, told)
        _show(house, settings)
        if kafka:
            from services import demo_kafka  # noqa: PLC0415  (loads kafka-python, which nothing before needs)

            demo_kafka.show(house, settings)


def _give(house: House, issued: Issued, told: int) -> int:
    """Give a command; tell what the scheduler did since the position ``told``, and what the command did first."""
    result = house.handle(issued)
    house.projectors.step()
    if not result.first_position:
        return told
    queries = house.queries(caught_up=False)
    meanwhile = house.log.read(told, result.first_position - told - 1)
    due = [recorded.position for recorded in meanwhile if recorded.envelope.actor == SCHEDULER]
    for position in (*due, result.first_position):
        sentence = queries.audit_of_position(position)
        console.print(Text.assemble(f"{queries.day_of(position)}  ", (f"{position:>3}", "cyan"), f"  {sentence}"))
    return result.last_position


def _show(house: House, settings: Settings) -> None:
    queries = house.queries()
    console.print()
    console.print(Rule(f"what {AGENT} is told, and why", align="left"))
    statement = queries.statement(AGENT, MONTH)
    render.statement(statement)
    console.print()
    known = queries.ledger_position()
    render.balances(queries.balances(known), f"balances as known at position {known}")
    console.print()
    console.print(Rule("what to try next", align="left"))
    corrections = [row["entry"] for row in statement["entries"] if row["section"] == "correction"]
    prefix = "uv run trailbook"
    if settings.database_url is None:
        prefix += f" --data-dir {shlex.quote(str(settings.data_dir))}"
    prefix += f" --house {house.database.house}"
    for words, command in (
        ("why this cent", f"why {corrections[0]}"),
        (
            "the same agent's statement of a pay run, as a page to print",
            "statement harbor --pay-run 2026-05-run --format html",
        ),
        (
            "two claims on one deal, and when the first one's protection ended",
            "deal board --customer birch-clinic --ended",
        ),
        ("a deal's whole history", "audit deal D-2026"),
        ("what waits in suspense, since when, and why", "suspense list"),
        ("who gained and who lost when the missed target took a rate back", "reproject diff target-2026"),
        ("who was agent of record in February, as known before the letter", _agent_book()),
        ("what the balances were before the letter", "ledger balances --known 2026-04-26"),
        ("build everything again and compare", "verify"),
    ):
        console.print(f"[dim]# {words}[/dim]")
        console.print(f"{prefix} {command}", markup=False, soft_wrap=True)


def _agent_book() -> str:
    return "agent-book alder-network --effective 2026-02-15 --known 2026-04-26"
