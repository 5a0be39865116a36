"""Reading topics without a group: for a look, or to know all that is there."""

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from stream.config import Config, kafka_client_options
from stream.errors import UserError
from stream.topics import no_broker


class Reader:
    """A consumer of no group, for the time of an ``async with``."""

    def __init__(self, config: Config, *, jumps: bool = True) -> None:
        """Nothing is connected yet.

        Args:
            config: Where the brokers are.
            jumps: Where what comes next is gone, go on with the earliest that is there; else raise.
        """
        self._servers = config.kafka.bootstrap_servers
        self._consumer = AIOKafkaConsumer(
            **kafka_client_options(config),
            enable_auto_commit=False,
            auto_offset_reset="earliest" if jumps else "none",
        )

    async def __aenter__(self) -> AIOKafkaConsumer:
        """Connect.

        Raises:
            UserError: No broker answers.
        """
        try:
            await self._consumer.start()
        except KafkaConnectionError:
            await self._consumer.stop()
            raise UserError(no_broker(self._servers)) from None
        return self._consumer

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await asyncio.shield(self._consumer.stop())
