"""The listening socket of the C-STORE SCP, with bounds on what strangers can make it hold.

pynetdicom reads each PDU into memory, as long as it says it is, and each message from however many
PDUs. Both are bounded at the socket: by how much a peer may send before it has an answer.
"""

import socket
import socketserver
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from pynetdicom.transport import ThreadedAssociationServer


class BudgetError(OSError):
    """A peer sent more than it may before it has an answer."""


class _Budget:
    """How much may still come before something is sent."""

    limit: int = 0
    received: int = 0

    @property
    def is_busy(self) -> bool:
        """Whether something came that was not yet answered."""
        return self.received > 0

    def spend(self, count: int) -> None:
        """Count what came.

        Raises:
            BudgetError: It was too much.
        """
        self.received += count
        if self.received > self.limit:
            raise BudgetError("more was received than is allowed before an answer")


class PlainSocket(_Budget, socket.socket):
    """A connection with a budget."""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive, and count it."""
        data = super().recv(bufsize, flags)
        self.spend(len(data))
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send; the budget begins anew."""
        self.received = 0
        return super().send(data, flags)

    def shutdown(self, how: int, /) -> None:
        """Shut down, if the peer has not: pynetdicom closes a socket only after that went well."""
        with suppress(OSError):
            super().shutdown(how)


class TlsSocket(_Budget, ssl.SSLSocket):
    """The same over TLS."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive, and count it."""
        data = super().recv(buflen, flags)
        self.spend(len(data))
        return data

    def send(self, data: Any, flags: int = 0) -> int:
        """Send; the budget begins anew."""
        self.received = 0
        return super().send(data, flags)

    def shutdown(self, how: int) -> None:
        """See ``PlainSocket.shutdown``."""
        with suppress(OSError):
            super().shutdown(how)


class BoundedAssociationServer(ThreadedAssociationServer):
    """Accepts connections of allowed addresses, not too many at once, each with a budget.

    Args:
        args: As for pynetdicom's server.
        limit: Most bytes that a peer may send before it has an answer.
        connections: Most connections at once, whatever is said over them.
        allows: Whether an address may connect.
        kwargs: As for pynetdicom's server.
    """

    daemon_threads = True

    def __init__(
        self,
        *args: Any,
        limit: int,
        connections: int,
        allows: Callable[[str], bool],
        **kwargs: Any,
    ) -> None:
        self._limit = limit
        self._connections = connections
        self._allows = allows
        self._open: WeakSet[socket.socket] = WeakSet()
        super().__init__(*args, **kwargs)
        if self.ssl_context is not None:
            self.ssl_context.sslsocket_class = TlsSocket

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection. TLS shakes hands later, in the thread of the association."""
        assert self.socket is not None  # noqa: S101 - for the type checker
        accepted, address = self.socket.accept()
        connection: Any = PlainSocket(fileno=accepted.detach())
        connection.settimeout(self.ae.network_timeout)
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        connection.limit = self._limit
        self._open.add(connection)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection is kept; otherwise it is closed without a word."""
        # Not by its associations: their threads start later than the next connection may come.
        connected = sum(each.fileno() >= 0 for each in self._open)
        return self._allows(client_address[0]) and connected <= self._connections

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: socketserver would print a traceback with the client's address."""

    def shutdown(self) -> None:
        """Stop to listen; associations go on."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()
