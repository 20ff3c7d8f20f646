"""Commands over the log in PostgreSQL: what a process remembers is what the log says, and costs one round trip."""

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.recorder import HouseRecorder
from domain.agent import RecruitAgent
from domain.calendar import OpenDay
from domain.message import Actor, Command, Issued
from domain.vendor import ContractVendor, ListProducts, Product, VendorAlreadyContracted
from services.commands import Commands
from tests.adapters.events import DAY

ANN = Actor(subject="ann")
LIST_PRODUCTS = ListProducts(vendor="lumen", products=(Product(product="dia", category="internet"),))


def issued(command_id: str, command: Command) -> Issued:
    return Issued(command_id, ANN, command)


def test_given_a_process_that_knows_the_streams_then_a_command_is_one_round_trip(
    log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(log)
    commands.handle(issued("c-1", OpenDay(date=DAY)))

    for reading in ("select_streams", "find_command"):
        monkeypatch.setattr(HouseRecorder, reading, None)
    commands.handle(issued("c-2", ContractVendor(vendor="lumen")))
    commands.handle(issued("c-3", LIST_PRODUCTS))

    assert [event.position for event in log.read(0, 10)] == [1, 2, 3]


def test_given_another_process_was_first_then_what_is_remembered_is_put_right(
    log: PostgresLog, database: Database
) -> None:
    commands = Commands(log)
    commands.handle(issued("c-1", OpenDay(date=DAY)))
    with PostgresLog(database) as other:
        Commands(other).handle(issued("c-2", ContractVendor(vendor="lumen")))

    with pytest.raises(VendorAlreadyContracted):
        commands.handle(issued("c-3", ContractVendor(vendor="lumen")))
    commands.handle(issued("c-4", LIST_PRODUCTS))

    assert log.result_of("c-3") is None
    assert [event.event_id for event in log.load({"vendor:lumen": 0})] == ["vendor:lumen@1", "vendor:lumen@2"]


def test_the_same_id_again_gives_the_first_result_though_the_command_would_be_refused_now(log: PostgresLog) -> None:
    commands = Commands(log)
    commands.handle(issued("c-1", OpenDay(date=DAY)))
    first = commands.handle(issued("c-2", RecruitAgent(agent="harbor")))

    assert commands.handle(issued("c-2", RecruitAgent(agent="harbor"))) == first
    assert Commands(log).handle(issued("c-2", RecruitAgent(agent="harbor"))) == first
    assert len(log.read(0, 10)) == 2
