"""HTTP listener of all web servers of spikewatch."""

import logging
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from stream.errors import UserError

SHUTDOWN_SECONDS = 2.0
FAILED: Final = "the request failed because of an error in spikewatch; see its log"
"""Text of the response to a request whose handler failed."""

_LOG: Final = logging.getLogger(__name__)


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Return whether a record of aiohttp is about something other than a malformed request.

    Anybody who reaches the port can send malformed requests, which get status 400. aiohttp logs
    each as an error with a traceback.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


async def listen(
    app: web.Application, host: str, port: int, failed: str, instead: str
) -> web.AppRunner:
    """Serve an application until the returned runner is cleaned up.

    Args:
        app: The application with all its routes.
        host: Address to listen on.
        port: Port to listen on.
        failed: Beginning of the error message, such as "the API cannot listen on".
        instead: Advice for the error message.

    Raises:
        UserError: The port cannot be bound.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_worth_logging)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        reason = error.strerror or str(error)
        raise UserError(f"{failed} {host}:{port} ({reason}): {instead}") from None
    return runner


def log_failure(request: web.Request) -> None:
    """Log the exception of a handler that nobody foresaw, so that the guard can respond with 500.

    The log names the route instead of the path, which is text of a stranger.
    """
    route = request.match_info.route.resource
    where = route.canonical if route is not None else "an unknown path"
    _LOG.exception("%s %s failed", request.method, where)
