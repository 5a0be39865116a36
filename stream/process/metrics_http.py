"""Answering Prometheus: the same for every process of ours."""

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from stream.errors import UserError


def serve(registry: CollectorRegistry, host: str, port: int, key: str) -> None:
    """Answer scrapes of *registry* on *host* and *port*, from a thread of its own; port 0: do not.

    Args:
        registry: What is ours; what the process itself uses is added to it.
        host: Address to listen on.
        port: To listen on.
        key: Which names the port in the configuration, such as ``[metrics] port``.

    Raises:
        UserError: The port cannot be had.
    """
    if port == 0:
        return
    ProcessCollector(registry=registry)  # of the process that serves, no other's
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise UserError(
            f"metrics cannot be served on {host}:{port} ({error.strerror}): set another "
            f"{key}, or 0 for none"
        ) from None
