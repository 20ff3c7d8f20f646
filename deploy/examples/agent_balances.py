"""A worked consumer: what each agent is owed and what is held back, from Trailbook's ledger entries.

export CONSUMER_DATABASE_URL=postgresql://crm@db.example/crm   # your own database, not Trailbook's
export TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS=kafka.example:9092    # SASL and TLS: as for Trailbook itself
python deploy/examples/agent_balances.py                       # until stopped; start more of it, and they share
"""

import argparse
import json
import os
import signal
import subprocess
import sys

import psycopg

from adapters.database import DatabaseUnavailable
from adapters.faults import SettingsWrong
from adapters.inbox import HistoryGone, Inbox, Poison
from adapters.incoming import Incoming
from adapters.kafka_faults import KafkaAway, TopicsWrong
from adapters.kafka_settings import KafkaSettings

NAME = "agent-balances"
TOLD = (DatabaseUnavailable, KafkaAway, TopicsWrong, HistoryGone, Poison, SettingsWrong)
"""What the kit says in one sentence; while it runs, it waits for a database or a broker that is away."""
TABLE = """
SELECT pg_advisory_xact_lock(1);  -- two processes may start at once
CREATE TABLE IF NOT EXISTS agent_balance (
    agent text NOT NULL,
    currency text NOT NULL,
    payable_minor bigint NOT NULL,  -- owed to the agent, minor units; below zero the agent owes
    held_minor bigint NOT NULL,     -- earned and held back, minor units
    PRIMARY KEY (agent, currency)
)"""
ADD = """
INSERT INTO agent_balance VALUES (%s, %s, %s, %s) ON CONFLICT (agent, currency) DO UPDATE SET
    payable_minor = agent_balance.payable_minor + excluded.payable_minor,
    held_minor = agent_balance.held_minor + excluded.held_minor"""


def add_up(connection: psycopg.Connection, message: Incoming) -> None:
    """Add an entry to its agent's balance; entries of other ledger accounts are not ours."""
    match message.body["book"].split(":"):
        case ["agent", agent, kind]:
            amount = message.body["amount_minor"]
            amounts = (amount, 0) if kind == "payable" else (0, amount)
            connection.execute(ADD, (agent, message.body["currency"], *amounts))


def differences(connection: psycopg.Connection) -> list[str]:
    """Where the table says something else than Trailbook's own ledger, as known at the position read up to."""
    known = connection.execute("SELECT max(position) FROM inbox_offsets WHERE consumer = %s", (NAME,)).fetchone()[0]
    command = ["trailbook", "ledger", "balances", "--json", "--known", str(known)]
    try:
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"`{' '.join(command)}` does not answer, so that nothing can be compared: {error}")
    theirs = {(row["book"], row["currency"]): row["amount_minor"] for row in json.loads(said)["balances"]}
    ours = {}
    for agent, currency, payable, held in connection.execute("SELECT * FROM agent_balance"):
        ours |= {(f"agent:{agent}:payable", currency): payable, (f"agent:{agent}:held", currency): held}
    pairs = {key: (ours.get(key, 0), theirs.get(key, 0)) for key in ours | theirs if key[0].startswith("agent:")}
    return [f"{book} {cur}: here {a}, Trailbook {b}" for (book, cur), (a, b) in sorted(pairs.items()) if a != b]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--once", action="store_true", help="apply what the topic holds now, then end")
    arguments.add_argument("--check", action="store_true", help="the same, then compare; 1 where balances differ")
    given = arguments.parse_args()
    try:
        follow(once=given.once or given.check, check=given.check)
    except psycopg.Error as error:
        sys.exit(f"CONSUMER_DATABASE_URL cannot be used: {' '.join(str(error).split())}")
    except TOLD as fault:
        sys.exit(str(fault))
    except KeyboardInterrupt:
        sys.exit("interrupted: what was applied stays, and will not be applied again")
    print("balances agree with Trailbook's" if given.check else "stopped")


def follow(*, once: bool, check: bool) -> None:
    """Keep the table, until stopped or to the topic's end."""
    url, house = os.environ.get("CONSUMER_DATABASE_URL"), os.environ.get("TRAILBOOK_HOUSE") or "trailbook"
    if not url:
        sys.exit("CONSUMER_DATABASE_URL is not set; write your own PostgreSQL, like postgresql://crm@db.example/crm")
    kafka, handlers = KafkaSettings.from_environment(), {"ledger.entry_posted": add_up}
    with psycopg.connect(url, autocommit=True) as connection:
        inbox = Inbox(url, consumer=NAME, house=house, topics=["ledger-entries"], kafka=kafka, handlers=handlers)
        connection.execute(TABLE)
        if once:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            inbox.catch_up()
        else:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: inbox.stop())
            inbox.run()
        if check and (found := differences(connection)):
            sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
