"""A worked consumer: what each agent is owed and what is held back, from Trailbook's ledger entries.

export CONSUMER_DATABASE_URL=postgresql://crm@db.example/crm   # your own database, not Trailbook's
export TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS=kafka.example:9092
python deploy/examples/agent_balances.py            # until Ctrl-C; --once: what the topic holds now, then end
python deploy/examples/agent_balances.py --check    # --once, then compare with `trailbook ledger balances`
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

NAME = "agent-balances"
TABLE = """
SELECT pg_advisory_xact_lock(1);  -- two processes may start at once
CREATE TABLE IF NOT EXISTS agent_balance (
    agent text NOT NULL,
    currency text NOT NULL,
    payable_minor bigint NOT NULL DEFAULT 0,  -- owed to the agent, minor units; below zero the agent owes
    held_minor bigint NOT NULL DEFAULT 0,     -- earned and held back, minor units
    PRIMARY KEY (agent, currency)
)
"""
ADD = """
INSERT INTO agent_balance VALUES (%s, %s, %s, %s) ON CONFLICT (agent, currency) DO UPDATE SET
    payable_minor = agent_balance.payable_minor + excluded.payable_minor,
    held_minor = agent_balance.held_minor + excluded.held_minor
"""


def add_up(connection: psycopg.Connection, message: Incoming) -> None:
    """Add an entry to its agent's balance; entries of other ledger accounts are not ours."""
    match message.body["book"].split(":"):
        case ["agent", agent, kind]:
            amount = message.body["amount_minor"]
            amounts = (amount, 0) if kind == "payable" else (0, amount)
            connection.execute(ADD, (agent, message.body["currency"], *amounts))


def differences(connection: psycopg.Connection) -> list[str]:
    """Where the table says something else than Trailbook's own ledger, as known at the position read up to."""
    (known,) = connection.execute(
        "SELECT max(position) FROM inbox_offsets WHERE consumer = 'agent-balances'"
    ).fetchone()
    asked = ["trailbook", "ledger", "balances", "--json", "--known", str(known)]
    said = subprocess.run(asked, check=True, capture_output=True).stdout
    theirs = {(row["book"], row["currency"]): row["amount_minor"] for row in json.loads(said)["balances"]}
    theirs = {book: amount for book, amount in theirs.items() if book[0].startswith("agent:") and amount}
    ours = {}
    for agent, currency, payable, held in connection.execute("SELECT * FROM agent_balance"):
        ours |= {(f"agent:{agent}:payable", currency): payable, (f"agent:{agent}:held", currency): held}
    return [
        f"{book} {currency}: here {ours.get((book, currency), 0)}, Trailbook {theirs.get((book, currency), 0)}"
        for book, currency in sorted({book for book, amount in ours.items() if amount} | theirs.keys())
        if ours.get((book, currency), 0) != theirs.get((book, currency), 0)
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--once", action="store_true", help="apply what the topic holds now, then end")
    arguments.add_argument("--check", action="store_true", help="the same, then compare; 1 where balances differ")
    given = arguments.parse_args()
    url = os.environ["CONSUMER_DATABASE_URL"]
    inbox = Inbox(
        url,
        consumer=NAME,
        house=os.environ.get("TRAILBOOK_HOUSE", "trailbook"),
        topics=["ledger-entries"],
        kafka={"bootstrap_servers": os.environ["TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS"].split(",")},
        handlers={"ledger.entry_posted": add_up},
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: inbox.stop())
        inbox.catch_up() if given.once or given.check else inbox.run()
        if given.check and (different := differences(connection)):
            sys.exit("\n".join(different))
    print("balances agree with Trailbook's" if given.check else "stopped")


if __name__ == "__main__":
    main()
