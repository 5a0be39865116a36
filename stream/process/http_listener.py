"""Listening: the same for every web server of ours."""

from aiohttp import web

from stream.errors import UserError

SHUTDOWN_SECONDS = 2.0


async def listen(
    app: web.Application, host: str, port: int, failed: str, instead: str
) -> web.AppRunner:
    """Answer for *app* on *host* and *port* until what is returned is cleaned up.

    Args:
        app: With all its routes.
        host: Address to listen on.
        port: To listen on.
        failed: What to say where that cannot be, such as "the API cannot listen on".
        instead: What to do then.

    Raises:
        UserError: The port cannot be had.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        why = error.strerror or str(error)
        raise UserError(f"{failed} {host}:{port} ({why}): {instead}") from None
    return runner
