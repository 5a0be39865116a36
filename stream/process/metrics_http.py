"""Serve the metrics of any process of spikewatch."""

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from stream.errors import UserError


def serve(registry: CollectorRegistry, host: str, port: int, key: str) -> None:
    """Answer scrapes of *registry* from a thread of its own; port 0 disables it.

    Args:
        registry: The metrics; those of the process itself are added to it.
        host: Address to listen on.
        port: Port to listen on.
        key: The key of the port in the configuration, such as ``[metrics] port``.

    Raises:
        UserError: The port cannot be bound.
    """
    if port == 0:
        return
    ProcessCollector(registry=registry)  # of the process that serves, no other's
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise UserError(
            f"metrics cannot be served on {host}:{port} ({error.strerror}): set another "
            f"{key}, or 0 to disable it"
        ) from None
