"""The container's health check: exit status 0 when the service is ready to read radiographs.

It follows XRAY_HOST and XRAY_PORT. Standard library only, because it runs every few seconds; and
``http.client``, because ``urllib`` would send the probe to a proxy that the environment names.
"""

import http.client
import os

TIMEOUT_S = 4


def main() -> None:
    """Ask ``/health/ready`` on the address that the service listens on."""
    host = os.environ.get("XRAY_HOST") or "127.0.0.1"
    port = os.environ.get("XRAY_PORT") or "8000"
    # A service that listens on every address is asked on the loopback one.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    # Kubernetes sets XRAY_PORT=tcp://... beside a Service named "xray"; the service ignores that.
    connection = http.client.HTTPConnection(
        host, int(port) if port.isdecimal() else 8000, timeout=TIMEOUT_S
    )
    connection.request("GET", "/health/ready")
    raise SystemExit(connection.getresponse().status != http.HTTPStatus.OK)


if __name__ == "__main__":
    main()
