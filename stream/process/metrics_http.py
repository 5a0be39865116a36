"""HTTP server of the metrics of all processes of spikewatch."""

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from stream.errors import UserError


def serve(registry: CollectorRegistry, host: str, port: int, key: str) -> None:
    """Serve metrics from a separate thread; port 0 disables the server.

    Args:
        registry: Registry of the metrics; those of the process itself are added to it.
        host: Address to listen on.
        port: Port to listen on.
        key: Configuration key of the port, such as ``[metrics] port``.

    Raises:
        UserError: The port cannot be bound.
    """
    if port == 0:
        return
    ProcessCollector(registry=registry)  # metrics of this process
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise UserError(
            f"metrics cannot be served on {host}:{port} ({error.strerror}): set another "
            f"{key}, or 0 to disable it"
        ) from None
