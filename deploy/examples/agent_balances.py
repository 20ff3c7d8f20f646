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

from adapters.inbox import Inbox
from adapters.incoming import Incoming
from adapters.kafka_settings import KafkaSettings

NAME = "agent-balances"
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
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
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
    url, house = os.environ["CONSUMER_DATABASE_URL"], os.environ.get("TRAILBOOK_HOUSE", "trailbook")
    kafka, handlers = KafkaSettings.from_environment(), {"ledger.entry_posted": add_up}
    inbox = Inbox(url, consumer=NAME, house=house, topics=["ledger-entries"], kafka=kafka, handlers=handlers)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.stop())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
        inbox.catch_up() if given.once or given.check else inbox.run()
        if given.check and (found := differences(connection)):
            sys.exit("\n".join(found))
    print("balances agree with Trailbook's" if given.check else "stopped")


if __name__ == "__main__":
    main()
