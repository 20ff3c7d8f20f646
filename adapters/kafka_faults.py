"""What keeps the topics from being published to or read, each said in one sentence. Needs no client of Kafka."""

from collections.abc import Sequence

from projections.published.reached import Reached


class KafkaUnavailable(Exception):
    """No broker can be had where none was given. The message is one sentence: why, and what to do."""


class KafkaAway(Exception):
    """Kafka cannot be used. The message is one sentence: where, why, and what to do if that is known.

    ``waits_for`` names what has to come back before it can be used again, in the same words at every attempt.
    """

    def __init__(self, sentence: str, waits_for: str = "Kafka") -> None:
        super().__init__(sentence)
        self.waits_for = waits_for


class KafkaRefuses(KafkaAway):
    """Kafka answers, but does not let us in, or not do this. Waiting alone mends nothing."""


class TopicsWrong(Exception):
    """Topics are missing, or not as they are stated. The message names every fault, and what to do."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        super().__init__(f"the topics of {where} are not as stated: {'; '.join(faults)}")
        self.faults = tuple(faults)


class TopicTaken(Exception):
    """A topic is not one that this replay may be published to. The message is one sentence."""


class Fenced(Exception):
    """Somebody else publishes by now. The message is one sentence.

    Whoever meets this asks the lease who leads. If it is still himself, he goes on with a new publisher.
    """

    def __init__(self, sentence: str, noted: tuple[Reached, int] | None = None) -> None:
        super().__init__(sentence)
        self.noted = noted
        """How far publishing has come and under which epoch, where that is a later one than ours."""


class MessageTooLarge(Exception):
    """A message is over the limit of its topic, so that nothing after it can be published either. One sentence."""

    def __init__(self, topic: str, ce_id: str, size: int, limit: int) -> None:
        super().__init__(
            f"the message {ce_id} has {size:,} bytes, and {topic} takes {limit:,}; raise max.message.bytes of the "
            "topic and TRAILBOOK_KAFKA_MAX_MESSAGE_BYTES beyond that"
        )
        self.topic, self.ce_id, self.size, self.limit = topic, ce_id, size, limit
