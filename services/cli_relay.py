"""``trailbook relay``: the topics that other systems read."""

from typing import Annotated, Any

import typer

from adapters.kafka_faults import TopicsWrong
from domain.words import counted
from services import render
from services.cli_shared import SETTINGS, HttpPort, Json, WrongUsage, going_on, outlive_peers, progress

MOST_IN_BATCH = 100_000
"""A batch is held in memory, and its transaction must end within a minute."""

relay_app = typer.Typer(help="The topics that other systems read.", no_args_is_help=True, callback=outlive_peers)


@relay_app.command("run")
def relay_run(
    once: Annotated[bool, typer.Option(help="Publish what is recorded now, and end.")] = False,
    batch: Annotated[
        int, typer.Option(min=1, max=MOST_IN_BATCH, help="Positions, and ledger entries, in one transaction.")
    ] = 1_000,
    lease: Annotated[
        float,
        typer.Option(min=0.1, max=3_600.0, help="Seconds after which another relay takes the place of one killed."),
    ] = 10.0,
    http_port: HttpPort = None,
) -> None:
    """Publish every event and every ledger entry to the topics, until stopped. One relay publishes, others stand by."""
    from services.relay import relay_until_stopped  # noqa: PLC0415  (loads kafka-python)

    with going_on(http_port) as settings:
        relay_until_stopped(settings, batch=batch, once=once, lease_seconds=lease)


@relay_app.command("replay")
def relay_replay(
    first: Annotated[int, typer.Option("--from", min=1, help="The position to begin with.")],
    topic: Annotated[str, typer.Option("--topic", help="Where to, such as trailbook.deals.replay.1.")],
    last: Annotated[
        int | None, typer.Option("--to", min=1, help="The last position; default: the last there is.")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=MOST_IN_BATCH, help="Positions, or ledger entries, in one transaction.")
    ] = 1_000,
    json: Json = False,
) -> None:
    """Publish history once more, to a topic of its own, marked as a replay. Interrupted, it goes on where it was."""
    from services.replay import NotThere, replay  # noqa: PLC0415  (loads kafka-python)

    try:
        with progress() as bar:
            task = bar.add_task(topic, total=None)
            done = replay(
                SETTINGS[0], topic, first, last, batch, lambda at, of: bar.update(task, completed=at, total=of)
            )
    except NotThere as fault:
        raise WrongUsage(str(fault)) from None
    if json:
        render.as_json(done._asdict())
    else:
        what = counted(done.messages, "message")
        render.say(f"{what} published to {done.topic}: what is from position {done.first} to {done.last} is there")


@relay_app.command("topics")
def relay_topics(
    create: Annotated[bool, typer.Option("--create", help="Make those that are missing.")] = False,
    json: Json = False,
) -> None:
    """How the topics are to be, and whether they are; exit code 1 where one is missing or otherwise."""
    from adapters import kafka_topics  # noqa: PLC0415  (loads kafka-python, which no other command needs)

    kafka, house = SETTINGS[0].kafka, SETTINGS[0].house
    made = {topic.name for topic in kafka_topics.create_topics(kafka, house) if topic.made} if create else set()
    faults: tuple[str, ...] = ()
    try:
        kafka_topics.check_topics(kafka, house)
    except TopicsWrong as wrong:
        faults = wrong.faults
    stated = [
        {**topic._asdict(), "settings": dict(topic.settings), "made": topic.name in made}
        for topic in kafka_topics.stated_topics(kafka, house)
    ]
    if json:
        render.as_json({"ok": not faults, "where": kafka.bootstrap_servers, "topics": stated, "faults": faults})
    else:
        _show(stated, kafka.where, faults)
    if faults:
        raise typer.Exit(1)


def _show(stated: list[dict[str, Any]], where: str, faults: tuple[str, ...]) -> None:
    for topic in stated:
        settings = ", ".join(f"{name}={value}" for name, value in topic["settings"].items())
        made = "made: " if topic["made"] else ""
        render.say(
            f"{made}{topic['name']}: {counted(topic['partitions'], 'partition')}, "
            f"{counted(topic['replication'], 'replica')}, {settings}"
        )
    for fault in faults:
        render.fault(fault)
    if not faults:
        render.say(f"the topics of {where} are as stated")
