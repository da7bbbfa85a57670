"""Results go out by C-STORE."""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydicom import dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from service.hospital.node.delivery import Outcome, UnreachableError
from service.hospital.node.tls import TlsFiles

CONNECT_S: Final = 15
ANSWER_S: Final = 60
"""How long the destination may take to answer for one object."""

VERIFICATION: Final = "1.2.840.10008.1.1"

_ADDRESS: Final = re.compile(
    r"dicom(?P<tls>-tls)?://(?P<title>[^@]+)@\[?(?P<host>[^\]]+?)\]?:(?P<port>\d+)"
)
_PLAIN: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


@dataclass(frozen=True, slots=True)
class Address:
    """Another application entity.

    Attributes:
        title: Its AE title.
        host: Name or IP address.
        port: Its port.
        tls: Whether it speaks TLS.
    """

    title: str
    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``dicom://TITLE@host:port``, which the settings have checked."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError("not an address of an application entity")
        return cls(found["title"], found["host"], int(found["port"]), bool(found["tls"]))


class DimseDestination:
    """A PACS that receives by C-STORE.

    Args:
        address: The PACS.
        ae_title: Ours.
        tls: Our certificate, and who vouches for the PACS.

    Raises:
        TlsError: A file of ``tls`` cannot be used.
    """

    def __init__(self, address: Address, *, ae_title: str, tls: TlsFiles) -> None:
        self._address = address
        self._ae_title = ae_title
        self._context: ssl.SSLContext | None = tls.for_sending() if address.tls else None

    def send(self, files: Mapping[str, Path]) -> Outcome:
        """Send all over one association; see ``Destination``."""
        with self._association(_contexts(files.values())) as association:
            delivered, rejected = [], {}
            for uid, path in files.items():
                reason = _store(association, path)
                if reason is None:
                    delivered.append(uid)
                else:
                    rejected[uid] = reason
                if not association.is_established:
                    break
            left = [uid for uid in files if uid not in delivered and uid not in rejected]
            return Outcome(tuple(delivered), rejected | dict.fromkeys(left, "not_tried"))

    def echo(self) -> None:
        """Ask whether the PACS is there (C-ECHO).

        Raises:
            UnreachableError: It is not, or does not know us.
        """
        with self._association([build_context(VERIFICATION)]) as association:
            status = association.send_c_echo()
            if "Status" not in status or status.Status != 0:
                raise UnreachableError("echo_refused")

    @contextmanager
    def _association(self, contexts: list[PresentationContext]) -> Iterator[Association]:
        entity = AE(self._ae_title)
        entity.connection_timeout = CONNECT_S
        entity.acse_timeout = CONNECT_S
        entity.dimse_timeout = entity.network_timeout = ANSWER_S
        tls = (self._context, self._address.host) if self._context else None
        association = entity.associate(
            self._address.host,
            self._address.port,
            contexts=contexts,
            ae_title=self._address.title,
            tls_args=tls,
        )
        try:
            if not association.is_established:
                raise UnreachableError(
                    "association_rejected" if association.is_rejected else "no_connection"
                )
            yield association
            association.release()
        finally:
            end_association(association)


def end_association(association: Association) -> None:
    """Abort it if it is still established, and close its socket, which pynetdicom may not do."""
    if association.is_established:
        association.abort()
    if association.dul.is_alive():
        association.dul.join(CONNECT_S)
    connection = getattr(association.dul.socket, "socket", None)
    if connection is not None:
        connection.close()


def _contexts(paths: Iterable[Path]) -> list[PresentationContext]:
    """One context for each kind of object and of encoding; plain ones may be encoded either way."""
    wanted: dict[tuple[str, tuple[str, ...]], None] = {}
    for path in paths:
        meta = read_file_meta_info(path)
        own = meta.TransferSyntaxUID
        syntaxes = _PLAIN if own in _PLAIN else (own,)
        wanted[meta.MediaStorageSOPClassUID, tuple(syntaxes)] = None
    return [build_context(sop_class, list(syntaxes)) for sop_class, syntaxes in wanted]


def _store(association: Association, path: Path) -> str | None:
    """Send one object; the reason why it was not taken, None if it was."""
    try:
        status = association.send_c_store(dcmread(path))
    except ValueError:
        return "context_not_accepted"
    except RuntimeError:  # the association has ended meanwhile
        return "no_answer"
    if "Status" not in status:
        return "no_answer"
    code = int(status.Status)
    # Bxxx are warnings: the object was stored, perhaps with elements changed (PS3.4 B.2.3).
    return None if code == 0 or 0xB000 <= code <= 0xBFFF else f"status_{code:04x}"
