"""HTTP listener of all web servers of spikewatch."""

from aiohttp import web

from stream.errors import UserError

SHUTDOWN_SECONDS = 2.0


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
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        reason = error.strerror or str(error)
        raise UserError(f"{failed} {host}:{port} ({reason}): {instead}") from None
    return runner
