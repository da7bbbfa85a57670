"""Running uvicorn: start-up order, draining, CPU quota."""
