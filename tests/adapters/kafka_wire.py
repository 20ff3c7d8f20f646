"""A proxy in front of a broker that cuts connections at a chosen request, hushes them, answers with errors, or delivers
a request late.
"""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from adapters.embedded_kafka import EmbeddedKafka, free_port
from tests.broker import own_broker

Moment = Literal["before it arrives", "before the answer"]

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
FIND_COORDINATOR, VERSIONS, INIT_PRODUCER_ID, ADD_PARTITIONS, END_TRANSACTION = 10, 18, 22, 24, 26
"""Kinds of requests, as Kafka's protocol numbers them."""

WORKED_ON_SECONDS = 0.3
"""What a broker has time for that has got a request."""


class Held:
    """A request that a client has sent and the broker has not got."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.seen, self.released = threading.Event(), threading.Event()


class Wire:
    """Listens in front of a broker, which tells its clients this address."""

    def __init__(self, port: int, broker_port: int) -> None:
        self.port, self._broker_port = port, broker_port
        self._kind, self._moment, self._cuts_left = -1, "", 0
        self._hushed_by = -1
        self._holding: Held | None = None
        self._refused_kind, self._error, self._refusals_left = -1, 0, 0
        self._refused: set[tuple[socket.socket, bytes]] = set()
        self._kept_kind, self._late, self._deliver_after = -1, b"", b""
        self._open: list[socket.socket] = []
        self._hushed: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def cuts_left(self) -> int:
        return self._cuts_left

    def cut(self, kind: int, moment: Moment, times: int = 1) -> None:
        """Cut the next connections on which a client sends such a request."""
        self._kind, self._moment, self._cuts_left = kind, moment, times

    def hush(self, kind: int) -> None:
        """When a client next sends such a request, no connection that there is then lets anything through any more.

        None ends either: as when a machine is gone without a word. New ones are as ever.
        """
        self._hushed_by = kind

    @property
    def is_hushed(self) -> bool:
        return bool(self._hushed)

    def deliver_late(self, kind: int, after: bytes) -> None:
        """The next such request gets lost with its connection, and arrives once the broker has got a later Produce
        request that holds ``after``.
        """
        self._kept_kind, self._late, self._deliver_after = kind, b"", after

    @property
    def was_delivered_late(self) -> bool:
        return not self._deliver_after

    def hold(self, kind: int) -> "Held":
        """Keep the next such request, and what its connection sends after it, until it is released."""
        self._holding = Held(kind)
        return self._holding

    def refuse(self, kind: int, error: int, times: int = 1) -> None:
        """The next such requests are answered with an error, though the broker has done what was asked."""
        self._refused_kind, self._error, self._refusals_left = kind, error, times

    @property
    def refusals_left(self) -> int:
        return self._refusals_left

    def close(self) -> None:
        self._listener.close()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._broker_port))
                except OSError:
                    client.close()
                    continue
                self._open += [client, broker]
                threading.Thread(target=self._forward, args=(client, broker), daemon=True).start()
                threading.Thread(target=self._answer, args=(broker, client), daemon=True).start()

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError, EOFError):
            while True:
                size = _exactly(client, 4)
                request = _exactly(client, *struct.unpack(">i", size))
                (kind,) = struct.unpack(">h", request[:2])
                if kind == self._hushed_by:
                    self._hushed_by, self._hushed = -1, set(self._open)
                if client in self._hushed:
                    continue
                if (held := self._holding) is not None and kind == held.kind:
                    self._holding = None
                    held.seen.set()
                    held.released.wait()
                if kind == self._kept_kind:
                    self._kept_kind, self._late = -1, size + request
                    client.shutdown(socket.SHUT_RDWR)
                    break
                if self._late and kind == PRODUCE and self._deliver_after in request:
                    self._deliver(broker, size + request)
                    continue
                if self._refusals_left > 0 and kind == self._refused_kind:
                    self._refusals_left -= 1
                    self._refused.add((client, request[4:8]))
                cut = self._cuts_left > 0 and kind == self._kind
                if cut:
                    self._cuts_left -= 1
                    # the client is deaf from here on: no answer can slip through
                    client.shutdown(socket.SHUT_RDWR)
                if not cut or self._moment == "before the answer":
                    broker.sendall(size + request)
                if cut:
                    break
        with suppress(OSError):
            broker.shutdown(socket.SHUT_WR)

    def _deliver(self, broker: socket.socket, before: bytes) -> None:
        """Over a connection of its own, once the other request was worked on."""
        late, self._late, self._deliver_after = self._late, b"", b""
        broker.sendall(before)
        time.sleep(WORKED_ON_SECONDS)
        with socket.create_connection(("127.0.0.1", self._broker_port)) as own:
            own.sendall(late)
            _exactly(own, *struct.unpack(">i", _exactly(own, 4)))

    def _answer(self, broker: socket.socket, client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            while True:
                size = _exactly(broker, 4)
                answer = _exactly(broker, *struct.unpack(">i", size))
                if (client, answer[:4]) in self._refused:
                    answer = _with_error(answer, self._refused_kind, self._error)
                with suppress(OSError):
                    if broker not in self._hushed:
                        client.sendall(size + answer)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        broker.close()


def _with_error(answer: bytes, kind: int, error: int) -> bytes:
    """The answer with another error, in the versions of the protocol that kafka-python 3.0.12 speaks with Kafka 4."""
    at = 5 if kind == PRODUCE else 9  # behind the request's number, tags, and the time to throttle
    if kind in (PRODUCE, ADD_PARTITIONS):
        # the first topic's first partition: how many topics, the topic's name, how many partitions, its number
        at += 1 + answer[at + 1] + 1 + 4
    return answer[:at] + struct.pack(">h", error) + answer[at + 2 :]


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


@contextmanager
def wired_broker() -> Iterator[tuple[EmbeddedKafka, Wire]]:
    """A broker of a test's own, and the wire through which its clients reach it."""
    port, wired_port, wire_port = free_port(), free_port(), free_port()
    settings = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,WIRED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},WIRED://127.0.0.1:{wire_port}",
    }
    with own_broker(port=port, listeners=f"WIRED://127.0.0.1:{wired_port}", settings=settings) as own:
        wire = Wire(wire_port, wired_port)
        try:
            yield own, wire
        finally:
            wire.close()
