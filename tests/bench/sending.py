"""kafka-python's own producer, in a process of its own: sends messages from memory in transactions, and prints JSON.

What a publisher could reach that has nothing to read, to look up, to encode or to remember.
"""

import gc
import json
import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

from kafka import KafkaProducer


class Given(NamedTuple):
    """A message as a producer is given it; ``topic`` is the whole name."""

    topic: str
    key: bytes
    headers: Sequence[tuple[str, bytes]]
    value: bytes


class Work(NamedTuple):
    """What to send: the messages of each transaction, and what the producer is made with."""

    transactions: Sequence[Sequence[Given]]
    producer: Mapping[str, Any]
    gc_threshold: int
    """0: as Python has it."""


def main(path: str) -> None:
    """From the first commit to the last, as the relay is measured; the first transaction finds out about the topics."""
    work: Work = pickle.loads(Path(path).read_bytes())
    gc.freeze()  # the messages, which no publisher would hold all at once
    if work.gc_threshold:
        gc.set_threshold(work.gc_threshold)
    producer = KafkaProducer(**work.producer)
    producer.init_transactions()
    first, *others = work.transactions
    _send(producer, first)
    started, busy = perf_counter(), process_time()
    for messages in others:
        _send(producer, messages)
    ran = {"seconds": perf_counter() - started, "processor_seconds": process_time() - busy}
    producer.close()
    print(json.dumps({"messages": sum(map(len, others)), **ran}))


def _send(producer: KafkaProducer, messages: Sequence[Given]) -> None:
    producer.begin_transaction()
    for topic, key, headers, value in messages:
        producer.send(topic, value, key=key, headers=list(headers))
    producer.commit_transaction()  # waits for every message


if __name__ == "__main__":
    main(*sys.argv[1:])
