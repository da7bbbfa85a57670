"""From settings to a running service in as little time as can be."""

from service.screening.ahead import begun, loading
from service.server.imports import leave_out_pydantic_1, models_built_when_used
from service.server.memory import nothing_is_garbage, return_large_blocks
from service.server.scheduling import let_work_finish
from service.settings import Settings


def launch(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; the bundle loads while the web framework is imported."""
    let_work_finish()  # before the threads that work are started
    return_large_blocks()  # before the first one is freed: see there
    leave_out_pydantic_1()  # before routes are declared, at whose models FastAPI looks
    with nothing_is_garbage():
        load = begun(loading(settings))
        # Half a second of importing, which must not come before the line above.
        with models_built_when_used():
            import fastapi  # noqa: F401, PLC0415
        from service.server.serving import serve  # noqa: PLC0415
    serve(settings, load=load)
