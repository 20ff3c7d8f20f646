"""The command line. Exit code 1: the business said no, or the book cannot answer; 2: wrong usage or a file at fault."""

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID

from adapters.command_file import entry_schema, read_commands
from adapters.database import ROLES, DatabaseUnavailable, Role
from adapters.faults import FileFault, SettingsWrong, clipped
from adapters.kafka_faults import Fenced, KafkaAway, KafkaUnavailable, MessageTooLarge, TopicsWrong, TopicTaken
from adapters.lease import LeaseHeld
from adapters.outgoing import OtherLog, Unpublishable
from adapters.party import Parties
from adapters.plan_file import PlanFileFaults, plan_schema
from adapters.projectors import NAMES, Poison, Projectors, RebuildNeeded, outdated
from adapters.rebuild import RebuildFailed, RebuildRunning
from adapters.rebuild import rebuild as rebuild_projection
from adapters.settings import Settings
from adapters.spool import NoRoomForLines
from adapters.statement_faults import StatementFaults
from adapters.statement_mapping import FileMapping
from adapters.valuations import ReprojectionNotOpen, ValuationFailed, ValuationRunning
from adapters.verify import verify as verify_book
from domain.calendar import OpenDay
from domain.message import COMMANDS, TOPICS, Refused
from domain.payout import ApprovePayRun, ProposePayRun, ReleasePayRun, ReturnPayout, SettlePayout, WithdrawPayRun
from projections import agent_book as agent_book_projection
from projections import audit_trail
from projections.published.asyncapi import asyncapi
from services import render
from services.cli_accounts import account_app, agent_app
from services.cli_deals import deal_app
from services.cli_import import import_app
from services.cli_money import adjust_app, payout_held
from services.cli_plan import plan_app
from services.cli_relay import relay_app
from services.cli_reproject import reproject_app
from services.cli_shared import (
    SETTINGS,
    By,
    HttpPort,
    Json,
    Known,
    WrongUsage,
    actor_from,
    catch_up,
    command_of,
    day_if_given,
    give,
    going_on,
    opened_house,
    outlive_peers,
    progress,
    result_row,
)
from services.cli_statement import statement
from services.cli_succession import vendor_app
from services.cli_suspense import suspense_app
from services.demo import DEMO_HOUSE, play
from services.logs import configure_logs
from services.queries import Mismatch, NotFound
from services.render import console
from services.simulation import Simulation

app = typer.Typer(
    help="The book of a master agency: every cent traced to its event.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
day_app = typer.Typer(help="The house's calendar.", no_args_is_help=True)
audit_app = typer.Typer(help="Everything that happened to one participant, in plain sentences.", no_args_is_help=True)
ledger_app = typer.Typer(help="Balances, statements and suspense.", no_args_is_help=True)
payout_app = typer.Typer(help="Pay runs: proposed by one person, approved by another.", no_args_is_help=True)
party_app = typer.Typer(
    help="Names of parties. They are kept outside the log and can be forgotten.", no_args_is_help=True
)
for sub_app, sub_name in (
    (day_app, "day"),
    (import_app, "import"),
    (audit_app, "audit"),
    (deal_app, "deal"),
    (ledger_app, "ledger"),
    (suspense_app, "suspense"),
    (payout_app, "payout"),
    (adjust_app, "adjust"),
    (plan_app, "plan"),
    (party_app, "party"),
    (account_app, "account"),
    (agent_app, "agent"),
    (vendor_app, "vendor"),
    (reproject_app, "reproject"),
    (relay_app, "relay"),
):
    app.add_typer(sub_app, name=sub_name)


@app.callback()
def options(
    data_dir: Annotated[
        Path | None, typer.Option(help="Data of the embedded PostgreSQL server, in place of TRAILBOOK_DATA_DIR.")
    ] = None,
    house: Annotated[str | None, typer.Option(help="The house, in place of TRAILBOOK_HOUSE.")] = None,
) -> None:
    environment = dict(os.environ)
    if house is not None:
        environment["TRAILBOOK_HOUSE"] = house
    if data_dir is not None:
        environment["TRAILBOOK_DATA_DIR"] = str(data_dir.expanduser().absolute())
    SETTINGS[:] = [Settings.from_environment(environment)]
    configure_logs(SETTINGS[0], "warning")


def use_data_dir(data_dir: Path | None) -> None:
    if data_dir is not None:
        SETTINGS[:] = [replace(SETTINGS[0], data_dir=data_dir.expanduser().absolute())]


def _filling(bar: Progress, task: TaskID) -> Callable[[int, int], None]:
    """A report of how much is done and how much there is, as the bar shows it."""

    def report(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    return report


# -- the house


@app.command()
def init(
    login: Annotated[
        list[str] | None,
        typer.Option(help="Let a login of the server act as a role, such as reader=ann; repeat it for several."),
    ] = None,
) -> None:
    """Make the house's roles and schemas on the server; safe to repeat."""
    logins = [_login(text) for text in login or ()]
    database = SETTINGS[0].database()
    database.init()
    for role, name in logins:
        database.let_act(name, role)
    # what cannot be projected must not keep a house from being ready: whoever projects leaves it alone and says so
    Projectors(database).close()
    render.say(f"the house {database.house} is ready at {database.where}")


def _login(text: str) -> tuple[Role, str]:
    """A role and who is to act as it. Raises WrongUsage."""
    given, _, name = text.partition("=")
    for role in ROLES:
        if role == given and name:
            return role, name
    raise WrongUsage(f"--login {text} is not a role and a login; write one of {', '.join(ROLES)}, like reader=ann")


@app.command()
def demo(
    data_dir: Annotated[Path | None, typer.Option(help="Where the embedded server keeps the demo's data.")] = None,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Publish it to a real Apache Kafka, and read it there.")
    ] = False,
) -> None:
    """Play a commission story on a real PostgreSQL, and show what the book says about it."""
    use_data_dir(data_dir)
    settings = SETTINGS[0]
    if kafka:
        outlive_peers()
    play(settings if "TRAILBOOK_HOUSE" in os.environ else replace(settings, house=DEMO_HOUSE), kafka=kafka)


@app.command()
def do(
    file: Annotated[Path, typer.Argument(help="YAML, or JSON lines; each command with its id.")],
    by: By = "",
    keep_going: Annotated[bool, typer.Option(help="Go on after a refusal.")] = False,
    json: Json = False,
) -> None:
    """Record the commands of a file, in order. Give the file again to resume: what is recorded stays as it is."""
    commands = read_commands(file, actor_from(by))
    results: list[dict[str, Any]] = []
    refused = 0
    with opened_house() as opened, progress() as bar:
        task = bar.add_task("commands", total=len(commands))
        for issued in commands:
            before = opened.log.result_of(issued.command_id)
            try:
                result = opened.handle(issued)
                row = result_row(issued, result.first_position, result.last_position)
                results.append({**row, "refused": None, "because": "recorded already" if before else ""})
            except Refused as refusal:
                refused += 1
                results.append({**result_row(issued, 0, 0), "refused": refusal.code, "because": str(refusal)})
                if not keep_going:
                    break
            bar.advance(task)
        _show_results(results, len(commands), json=json)
        catch_up(opened)
    if refused:
        raise typer.Exit(1)


def _show_results(results: Sequence[dict[str, Any]], total: int, *, json: bool) -> None:
    if json:
        render.as_json(results)
        return
    recorded = [r for r in results if r["refused"] is None]
    again = sum(r["because"] == "recorded already" for r in recorded)
    already = f", {again} of them already before" if again else ""
    render.say(f"{len(recorded)} of {total} commands are recorded{already}")
    for row in results:
        if row["refused"]:
            render.fault(f"refused: {row['id']} ({row['do']}): {row['because']} [{row['refused']}]")


@app.command()
def simulate(file: Path, by: By = "", json: Json = False) -> None:
    """Try the commands of a file in memory, with no database, through the same code."""
    simulation = Simulation()
    simulation.run(read_commands(file, actor_from(by)))
    result = simulation.result()
    if json:
        render.as_json(result)
        return
    for refusal in result["refusals"]:
        render.fault(f"refused: {refusal['id']}: {refusal['because']} [{refusal['refused']}]")
    render.entries([{**entry, **entry["cell"]} for entry in result["entries"]])
    tables: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("adjustments", ("recorded_on", "adjustment", "payee", "account", "service_month", "amount_minor", "reason")),
        ("payouts", ("recorded_on", "pay_run", "payee", "amount_minor", "status")),
        ("held", ("recorded_on", "pay_run", "payee", "amount_minor", "held_until", "released_on")),
        ("suspense", ("recorded_on", "vendor", "number", "amount_minor", "why")),
        ("zeros", ("payee", "account", "service_month", "known_from", "known_until", "reason")),
    )
    for title, columns in tables:
        if result[title]:
            render.rows_table(result[title], columns, title)
    if result["deals"]:
        render.deal_board(result["deals"], render.DEAL_COLUMNS, "deals")


@app.command()
def run(
    once: Annotated[bool, typer.Option(help="Catch up, open today, and end.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Positions in one transaction.")] = 1_000,
    only: Annotated[
        Literal["projections", "calendar"] | None, typer.Option(help="One part, where another process does the other.")
    ] = None,
    http_port: HttpPort = None,
) -> None:
    """Keep the projections up to date and open each day, until stopped."""
    from services.runner import run_until_stopped  # noqa: PLC0415  (loads what serves metrics, which nothing else needs)

    with going_on(http_port) as settings:
        run_until_stopped(settings, batch=batch, once=once, only=only)


@app.command()
def rebuild(
    name: Annotated[
        str | None,
        typer.Argument(help=f"One of {', '.join(NAMES)}; default: all whose tables another release made."),
    ] = None,
) -> None:
    """Build a projection again beside the live one and put it in its place."""
    if name is not None and name not in NAMES:
        raise WrongUsage(f"there is no projection {name}; name one of {', '.join(NAMES)}")
    database = SETTINGS[0].database()
    with database.faults_explained():
        with database.connect("projector") as connection:
            names = outdated(connection, database.book) if name is None else [name]
        for one in names:
            with progress() as bar:
                task = bar.add_task(one, total=None)
                position = rebuild_projection(database, one, progress=_filling(bar, task))
            console.print(f"{one} is rebuilt up to position {position}")
    if not names:
        console.print("nothing to rebuild: all tables are of this release's versions")


@app.command()
def verify(json: Json = False) -> None:
    """Build everything again beside the live tables, from the log alone, and compare."""
    with opened_house() as opened, progress() as bar:
        opened.projectors.catch_up()
        task = bar.add_task("verify", total=None)
        report = verify_book(opened.database, progress=_filling(bar, task))
    checks = [{"check": c.name, "ok": c.ok, "wrong": c.wrong} for c in report.checks]
    if json:
        render.as_json({"ok": report.ok, "checks": checks})
    else:
        for check in checks:
            mark = "[green]✓[/green]" if check["ok"] else "[red]✗[/red]"
            wrong = f": {escape(str(check['wrong']))}" if check["wrong"] else ""
            console.print(f"{mark} {check['check']}{wrong}", soft_wrap=True)
        console.print(
            "the book is what its events say" if report.ok else "[red]the book is not what its events say[/red]"
        )
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def status(json: Json = False) -> None:
    """Positions, lag and poison of every projection; exit code 1 where one has stopped."""
    with opened_house() as opened:
        data = opened.status()
    if json:
        render.as_json(data)
    else:
        _show_status(data)
    if not data["ok"]:
        raise typer.Exit(1)


def _show_status(data: Mapping[str, Any]) -> None:
    head = data["head"]
    if head["position"]:
        render.say(f"log: position {head['position']}, recorded {head['recorded_at']}; open day {data['open_day']}")
    else:
        render.say("log: nothing is recorded yet; open the first day with `trailbook day open`")
    for row in data["projections"]:
        poison = f"  stopped at {row['poison_position']}: {row['poison_reason']}" if row["poison_reason"] else ""
        render.say(f"{row['name']:>12}: position {row['position']}, {row['lag_events']} behind{poison}")


FILES: Mapping[str, Callable[[], dict[str, Any]]] = {"mapping": FileMapping.model_json_schema, "plan": plan_schema}
"""The schemas of files of other things than commands."""


@app.command()
def schema(
    name: Annotated[
        str | None, typer.Argument(help="One command or event topic, `mapping`, `plan` or `asyncapi`.")
    ] = None,
) -> None:
    """The JSON Schema of every command, as it stands in a file, of every event, of a vendor's file mapping, and of a
    plan file. `asyncapi`: the AsyncAPI document of what other systems are sent."""
    commands = {do: entry_schema(do) for do in sorted(COMMANDS)}
    events = {topic: {"version": cls.version, **cls.model_json_schema()} for topic, cls in sorted(TOPICS.items())}
    if name is None:
        render.as_json({"commands": commands, "events": events, **{name: of() for name, of in FILES.items()}})
    elif name in FILES:
        render.as_json(FILES[name]())
    elif name == "asyncapi":
        render.as_json(asyncapi())
    elif name in commands or name in events:
        render.as_json(commands.get(name) or events[name])
    else:
        raise WrongUsage(f"there is no command or event {name}; `trailbook schema` lists all")


@day_app.command("open")
def day_open(
    day: Annotated[str | None, typer.Argument(help="A date; default: today in the house's time zone.")] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Open a day in the house's calendar."""
    try:
        wanted = date.fromisoformat(day) if day is not None else None
    except ValueError:
        raise WrongUsage(f"{day or repr(day)} is not a date; write it like 2026-02-20") from None
    if wanted is None:
        with opened_house() as opened:
            wanted = opened.today()
    give(command_of(OpenDay, date=wanted), by, f"open-day-{wanted}", json=json)


# -- questions


def _audit(participant: str, known: str | None, *, json: bool) -> None:
    with opened_house() as opened:
        queries = opened.queries()
        if participant.startswith("deal:"):
            participant = queries.deal_participant(participant.removeprefix("deal:"))
        history = queries.audit(participant, queries.known_at(known))
        rows = [{**row, "recorded_on": queries.day_of(row["position"])} for row in history]
        names = Parties(opened.database).names()
    if json:
        render.as_json(rows)
        return
    console.print(f"[bold]{participant}[/bold]{' — ' + escape(names[participant]) if participant in names else ''}")
    columns = [column.name for column in audit_trail.tables[0].columns]
    for row in rows:
        told = audit_trail.render([row[column] for column in columns])
        render.say(f"{row['recorded_on']}  {told}")


@audit_app.command("deal")
def audit_deal(
    deal: Annotated[str, typer.Argument(help="The deal's id, or customer/deal where two customers use it.")],
    known: Known = None,
    json: Json = False,
) -> None:
    """Replay a deal's history."""
    _audit(f"deal:{deal}", known, json=json)


@audit_app.command("account")
def audit_account(account: str, known: Known = None, json: Json = False) -> None:
    """Replay an account's history."""
    _audit(f"account:{account}", known, json=json)


@audit_app.command("participant")
def audit_participant(
    participant: Annotated[str, typer.Argument(help="Such as agent:harbor, customer:alder-foods, vendor:lumen.")],
    known: Known = None,
    json: Json = False,
) -> None:
    """Replay the history of an agent, a customer, a vendor, a contract, a pay run …"""
    _audit(participant if ":" in participant else f"agent:{participant}", known, json=json)


@app.command("agent-book")
def agent_book(
    account: str,
    effective: Annotated[str | None, typer.Option(help="On which day; default: the open day.")] = None,
    known: Known = None,
    service: Annotated[str | None, typer.Option(help="For one service of the account.")] = None,
    json: Json = False,
) -> None:
    """Who is agent of record of an account, effective at a day, as known at a position, and which changes wait."""
    with opened_house() as opened:
        queries = opened.queries()
        position = queries.known_at(known)
        on = day_if_given(effective) or queries.day_of(position) or date.max
        rows, steps = queries.agent_book(account), queries.agent_book_steps(account)
        names = (service,) if service else ()
        found = agent_book_projection.agent_of_record_at(rows, names, on, position, steps)
        waiting = agent_book_projection.waiting(steps, position)
        agency = queries.other_agency(account, on, position)
    agents = [agent for agent, _ in found.agents] if found else []
    if json:
        answer = {"account": account, "effective": str(on), "known": position, "agents": agents, "agency": agency}
        render.as_json({**answer, "waiting": [step.told() for step in waiting]})
        return
    console.print(
        " and ".join(agents) or "nobody", "is agent of record of", account, f"on {on}, as known at {position}"
    )
    if agency is not None:
        console.print(f"agency of record is {agency}: nobody here is paid")
    for step in waiting:
        of = f" by letter {step.letter}" if step.letter else ""
        until = f" until {step.until}" if step.until else ""
        console.print(f"{' and '.join(step.names)}{of}, from {step.effective_on}: {step.step}{until}")


@ledger_app.command("balances")
def ledger_balances(
    effective: Annotated[str | None, typer.Option(help="Only what is effective up to this day.")] = None,
    known: Known = None,
    json: Json = False,
) -> None:
    """The balance of every ledger account, effective at a day, as known at a position."""
    with opened_house() as opened:
        queries = opened.queries()
        position = queries.known_at(known)
        rows = queries.balances(position, day_if_given(effective))
    if json:
        render.as_json({"known": position, "effective": effective, "balances": [row._asdict() for row in rows]})
        return
    render.balances(rows, f"balances as known at {position}{', effective ' + effective if effective else ''}")


@ledger_app.command("statement")
def ledger_statement(
    agent: str,
    month: Annotated[str, typer.Option(help="The month in which it was recorded, such as 2026-04.")],
    json: Json = False,
) -> None:
    """An agent's statement of a month, each line with its reason."""
    if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", month):
        raise WrongUsage(f"--month {month} is not a month; write it like 2026-04")
    with opened_house() as opened:
        data = opened.queries().statement(agent, month)
    render.as_json(data) if json else render.statement(data)


@ledger_app.command("suspense")
def ledger_suspense(known: Known = None, json: Json = False) -> None:
    """What waits in suspense, and since when."""
    with opened_house() as opened:
        queries = opened.queries()
        rows = queries.suspense(queries.known_at(known))
    if json:
        render.as_json(rows)
    elif rows:
        render.rows_table(rows, ("vendor", "number", "amount_minor", "currency", "since", "why"), "in suspense")
    else:
        console.print("nothing is in suspense")


@app.command()
def why(
    entry: Annotated[str, typer.Argument(help="An entry's id, such as 57:12:2026-01:recurring:USD:1.")],
    json: Json = False,
) -> None:
    """Why this cent: rate the cell again and show the rule, the figures and the events behind them."""
    with opened_house() as opened:
        queries = opened.queries()
        found = queries.why(queries.entry(entry))
        happened = [(position, queries.audit_of_position(position)) for position in found.positions]
    if json:
        data = found._asdict() | {"entry": found.entry_id, "amount_minor": found.entry.amount_minor}
        events = [{"position": position, "happened": sentence} for position, sentence in happened]
        render.as_json(data | {"currency": found.entry.currency, "events": events})
        return
    render.explained(found, happened)


# -- payouts


@payout_app.command("propose")
def payout_propose(
    pay_run: str,
    agent: Annotated[list[str] | None, typer.Option(help="Only these agents; repeat the option for several.")] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Propose a pay run of all balances, as known at the head of the log."""
    give(command_of(ProposePayRun, pay_run=pay_run, agents=tuple(agent or ())), by, json=json)


@payout_app.command("approve")
def payout_approve(pay_run: str, by: By = "", json: Json = False) -> None:
    """Approve a pay run that somebody else proposed."""
    give(command_of(ApprovePayRun, pay_run=pay_run), by, json=json)


@payout_app.command("withdraw")
def payout_withdraw(pay_run: str, by: By = "", json: Json = False) -> None:
    """Withdraw a pay run that is not released; its balances wait for the next one."""
    give(command_of(WithdrawPayRun, pay_run=pay_run), by, json=json)


@payout_app.command("release")
def payout_release(pay_run: str, by: By = "", json: Json = False) -> None:
    """Send the payouts of an approved pay run on their way."""
    give(command_of(ReleasePayRun, pay_run=pay_run), by, json=json)


@payout_app.command("settle")
def payout_settle(pay_run: str, agent: str | None = None, by: By = "", json: Json = False) -> None:
    """The bank has confirmed the payouts of a pay run, or one agent's."""
    give(command_of(SettlePayout, pay_run=pay_run, agent=agent), by, json=json)


@payout_app.command("return")
def payout_return(
    pay_run: str,
    agent: str,
    because: Annotated[str, typer.Option(help="Why the money came back.")],
    by: By = "",
    json: Json = False,
) -> None:
    """An agent's payout came back; the next pay run proposes it again."""
    give(command_of(ReturnPayout, pay_run=pay_run, agent=agent, returned_because=because), by, json=json)


payout_app.command("held")(payout_held)
app.command("statement")(statement)


# -- parties


@party_app.command("name")
def party_name(party: str, name: str) -> None:
    """Give a party its name, such as agent:harbor "Harbor Telecom"."""
    with opened_house() as opened:
        Parties(opened.database).name(party, name)
    render.say(f"{party} is called {name}")


@party_app.command("forget")
def party_forget(party: str) -> None:
    """Forget a party's name; the log keeps only its id."""
    with opened_house() as opened:
        Parties(opened.database).forget(party)
    render.say(f"{party} has no name any more")


@party_app.command("list")
def party_list(json: Json = False) -> None:
    """The names that are known."""
    with opened_house() as opened:
        names = Parties(opened.database).names()
    if json:
        render.as_json(names)
    elif not names:
        render.say("no party has a name")
    else:
        render.rows_table([{"party": k, "name": v} for k, v in names.items()], ("party", "name"))


USAGE_FAULTS = (WrongUsage, FileFault, PlanFileFaults, StatementFaults, SettingsWrong, NotFound)
FAILURES = (
    DatabaseUnavailable,
    KafkaUnavailable,
    KafkaAway,
    TopicsWrong,
    TopicTaken,
    Fenced,
    MessageTooLarge,
    LeaseHeld,
    OtherLog,
    Unpublishable,
    NoRoomForLines,
    Poison,
    RebuildNeeded,
    RebuildFailed,
    RebuildRunning,
    ReprojectionNotOpen,
    ValuationFailed,
    ValuationRunning,
    Mismatch,
)


INTERRUPTED = 130
"""What a program ends with that was stopped from the keyboard."""


def _check_arguments(arguments: Sequence[str]) -> None:
    """Raises WrongUsage: bytes that are no text can stand nowhere in the book."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise WrongUsage(f"the argument {clipped(argument)} is not UTF-8; write it in UTF-8") from None


def main() -> None:
    """The program ``trailbook``."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) if hasattr(signal, "SIGPIPE") else None
    try:
        _check_arguments(sys.argv[1:])
        try:
            app(prog_name="trailbook")
        finally:
            sys.stdout.flush()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            render.fault("interrupted; what is recorded stays, and the same command given again goes on from there")
        raise
    except USAGE_FAULTS as fault:
        render.fault(str(fault))
        sys.exit(2)
    except Refused as refused:
        render.fault(f"refused: {refused} [{refused.code}]")
        sys.exit(1)
    except FAILURES as failure:
        render.fault(str(failure))
        sys.exit(1)
    except OSError as error:
        render.fault(
            f"the output cannot be written: {error.strerror or error}; what is recorded stays, make room and ask again"
        )
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to be written would fail once more
        sys.exit(1)
