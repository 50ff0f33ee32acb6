"""What Celery's broker can be asked, whatever it is. For threads: any of this may take as long as it likes."""

from typing import Any, Final

from kombu import Connection

from project.schedule import QUEUES

PATIENCE_SECONDS: Final = 1.0


def answers() -> bool:
    """
    Raises:
        Exception: kombu's, or the driver's, where it does not.
    """
    with _connection() as connection:
        # With Redis this is the first trip there.
        channel: Any = connection.channel()
        channel.close()
    return True


def queue_depths() -> dict[str, int]:
    """How many tasks wait in each queue; what a worker has taken does not.

    Raises:
        Exception: kombu's, or the driver's, where the broker does not answer.
    """
    with _connection() as connection:
        return {queue.name: _depth(connection, queue.name) for queue in QUEUES}


def _depth(connection: Any, queue: str) -> int:
    # A channel for each: where a queue is missing, AMQP closes the channel that asked.
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except connection.channel_errors:
        return 0
    finally:
        channel.close()


def _connection() -> Connection:
    from project.celery import app

    more = {}
    if (app.conf.broker_url or "").startswith(("redis", "rediss", "sentinel")):
        more = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
    return app.connection_for_read(transport_options=more, connect_timeout=PATIENCE_SECONDS)
