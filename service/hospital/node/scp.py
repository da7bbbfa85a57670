"""Receives by C-STORE and answers C-ECHO."""

import ipaddress
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pydicom.uid import (
    JPEG2000,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from service.hospital.node.dimse import VERIFICATION
from service.hospital.node.receipt import Receipt
from service.hospital.node.settings import Network
from service.hospital.node.sockets import BoundedAssociationServer, PlainSocket, TlsSocket
from service.hospital.node.tls import TlsFiles
from service.hospital.results.uids import is_uid

log = logging.getLogger(__name__)

SOP_CLASSES: Final[tuple[str, ...]] = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)
"""What may be a chest film. Not "for processing", which is not meant to be looked at."""

SYNTAXES: Final[tuple[str, ...]] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    JPEG2000,
)
"""The transfer syntaxes that ``service.imaging`` reads."""

SUCCESS: Final = 0x0000
NOT_AUTHORISED: Final = 0x0124
INVALID_INSTANCE: Final = 0x0117
OUT_OF_RESOURCES: Final = 0xA700

MAX_PDU: Final = 128 * 1024
MESSAGE_OVERHEAD: Final = 1024 * 1024
"""What a message may have beside its file: the command, and the headers of its PDUs."""

IDLE_S: Final = 60
"""How long an association may say nothing."""

POLL_S: Final = 0.2
"""How soon the listening thread notices that it should end."""

LAST_WORDS_S: Final = 1.0
"""When the node stops, how long an association with nothing under way is left to its peer."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who may send.

    Attributes:
        title: The AE title that calls.
        network: The addresses that it may call from; None for all.
    """

    title: str
    network: Network | None

    def allows(self, address: str) -> bool:
        """Whether it may call from this address."""
        return self.network is None or _address(address) in self.network


class StoreScp:
    """Listens for associations, in threads of its own.

    Args:
        accept: Takes in an object, by its SOP Instance UID and its whole file.
        host: Address to listen on; empty or ``::`` for all.
        port: Port to listen on; 0 for any.
        ae_title: Ours.
        peers: Who may send; nobody is turned away if there are none.
        associations: Most at once.
        max_bytes: Largest object.
        tls: With a certificate, TLS alone is spoken.

    Raises:
        OSError: It cannot listen there.
        TlsError: A file of ``tls`` cannot be used.
    """

    def __init__(
        self,
        accept: Callable[[str, bytes], Receipt],
        *,
        host: str,
        port: int,
        ae_title: str,
        peers: Sequence[Peer],
        associations: int,
        max_bytes: int,
        tls: TlsFiles,
    ) -> None:
        self._accept = accept
        self._peers = tuple(peers)
        entity = AE(ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = sorted({peer.title for peer in peers})
        entity.maximum_associations = associations
        entity.maximum_pdu_size = MAX_PDU
        entity.network_timeout = IDLE_S
        entity.add_supported_context(VERIFICATION)
        for sop_class in SOP_CLASSES:
            entity.add_supported_context(sop_class, list(SYNTAXES))
        self._server = entity.make_server(
            (host, port),
            ssl_context=tls.for_receiving(),
            evt_handlers=[
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_C_ECHO, self._echo),
            ],
            server_class=BoundedAssociationServer,
            limit=max_bytes + MESSAGE_OVERHEAD,
            # Room for a few more, so that those beyond the limit are answered that they are.
            connections=2 * associations + 8,
            allows=self._allows,
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="c-store-scp", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to accept associations."""
        self._thread.start()

    @property
    def associations(self) -> int:
        """How many there are now."""
        return len(self._server.active_associations)

    def stop(self, *, grace_s: float) -> None:
        """Stop to listen, and let objects that are on their way arrive.

        Args:
            grace_s: How long that may take; then their associations are aborted.
        """
        self._server.shutdown()
        self._thread.join()
        end = time.monotonic() + grace_s
        patience_s = min(LAST_WORDS_S, grace_s)
        idle_since: dict[Association, float] = {}
        while (left := self._server.active_associations) and time.monotonic() < end:
            for association in left:
                now = time.monotonic()
                if _is_busy(association):
                    idle_since.pop(association, None)
                elif now - idle_since.setdefault(association, now) >= patience_s:
                    _end(association)
            time.sleep(0.05)
        for association in left:
            _end(association)

    def _allows(self, address: str) -> bool:
        return not self._peers or any(peer.allows(address) for peer in self._peers)

    def _is_peer(self, event: evt.Event) -> bool:
        if not self._peers:
            return True
        requestor = event.assoc.requestor
        return any(
            peer.title == requestor.ae_title.strip() and peer.allows(requestor.address or "")
            for peer in self._peers
        )

    def _echo(self, event: evt.Event) -> int:
        return SUCCESS if self._is_peer(event) else NOT_AUTHORISED

    def _store(self, event: evt.Event) -> int:
        if not self._is_peer(event):
            log.warning("An application entity called from an address that is not its own")
            return NOT_AUTHORISED
        uid = str(cast(C_STORE, event.request).AffectedSOPInstanceUID)
        if not is_uid(uid):
            return INVALID_INSTANCE
        receipt = self._accept(uid, event.encoded_dataset())
        return SUCCESS if receipt.accepted else OUT_OF_RESOURCES


def _end(association: Association) -> None:
    """End an association, or a connection over which none was asked for."""
    if association.is_established:
        association.abort()
    elif association.dul.socket is not None:
        association.dul.socket.close()


def _is_busy(association: Association) -> bool:
    """Whether something of this association came that was not yet answered."""
    connection = getattr(association.dul.socket, "socket", None)
    return isinstance(connection, PlainSocket | TlsSocket) and connection.is_busy


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the settings write it: IPv4 is IPv4, however the socket shows it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
