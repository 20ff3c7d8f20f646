"""``trailbook relay run`` with a real broker and a real database: everything once, in order, and what it says."""

from adapters.database import Database
from adapters.lease import Lease
from adapters.log import PostgresLog
from adapters.projectors import Projectors
from tests.adapters.test_outgoing import project, record
from tests.broker import Kafka
from tests.own_server import eventually
from tests.projections.story import story
from tests.system.program import Program
from tests.system.relaying import (
    caught_up,
    check_published,
    places,
    relay,
    relay_environment,
    with_topics,
)
from tests.system.test_run import onboard
from tests.system.under_load import ENDS_WITHIN_SECONDS


def test_a_run_publishes_everything_once_and_the_next_one_nothing(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    record(log, story().log.events)
    project(database)
    with_topics(database, kafka.bootstrap_servers)
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    for batch in ("7", "1000"):
        said = program.run("relay", "run", "--once", "--batch", batch)
        assert said.code == 0, said.err
        check_published(kafka, database)
    assert caught_up(kafka, database)
    assert [place.epoch for place in places(kafka, database)][-1] == 1, "the second one had nothing to note"


def test_what_is_recorded_while_it_runs_comes_too_and_it_ends_when_told(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    with_topics(database, kafka.bootstrap_servers)
    with relay(database, kafka.bootstrap_servers) as run, Projectors(database) as projectors:
        eventually(lambda: bool(run.told("relaying")), "it begins")
        for number in range(5):
            onboard(database, f"alder-{number}")
            projectors.catch_up()
        eventually(lambda: caught_up(kafka, database), "all is published and noted")
        assert run.end() < ENDS_WITHIN_SECONDS
    check_published(kafka, database)
    successor = Lease(database, "successor")
    assert successor.take() == 2, "it let go of the lease"
    successor.close()
