"""Which systems the server and the command line run on."""

import platform


def unsupported_system() -> str:
    """Why this system is not supported, in a sentence or two; empty if it is.

    Windows has no file locks, resource limits and signals as they are used here: without this word
    it would end in a traceback about a missing module.
    """
    if platform.system() != "Windows":
        return ""
    return (
        "Native Windows is not supported. Use WSL 2 (run `wsl --install` once, then the same "
        "commands inside of it), or Docker Desktop (`docker compose up`)."
    )
