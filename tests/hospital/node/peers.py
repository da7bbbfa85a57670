"""Other application entities for tests: a modality that sends, a PACS that receives."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom import Dataset, dcmread
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association

from service.hospital.node.dimse import end_association

PACS = "PACS"
MODALITY = "MODALITY"


class FakePacs:
    """A storage SCP that keeps what it receives, and answers with the status that it was given.

    Args:
        sop_classes: What it takes.
    """

    def __init__(self, *sop_classes: str) -> None:
        self.status = 0x0000
        self.received: list[Dataset] = []
        self.calling: list[str] = []
        self._classes = sop_classes
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]

    @property
    def address(self) -> str:
        """As ``XRAY_DICOM_SEND_TO`` takes it."""
        return f"dicom://{PACS}@127.0.0.1:{self._port}"

    @property
    def uids(self) -> list[str]:
        """What it has, in the order in which it came."""
        return [each.SOPInstanceUID for each in self.received]

    @contextmanager
    def running(self) -> Iterator["FakePacs"]:
        """Listen, on the same port each time."""
        entity = AE(PACS)
        entity.require_called_aet = True
        for sop_class in self._classes:
            entity.add_supported_context(sop_class)
        server = entity.start_server(
            ("127.0.0.1", self._port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        assert server is not None
        try:
            yield self
        finally:
            entity.shutdown()

    def _store(self, event: evt.Event) -> int:
        self.calling.append(event.assoc.requestor.ae_title)
        if self.status in {0, 0xB000}:
            self.received.append(dcmread(BytesIO(event.encoded_dataset())))
        return self.status


@contextmanager
def association(
    port: int,
    *sop_classes: str,
    called: str = "NODE",
    calling: str = MODALITY,
    syntax: str | None = None,
) -> Iterator[Association]:
    """An association with a node on this machine, established or not."""
    entity = AE(calling)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = 10
    contexts = [build_context(each, syntax) for each in sop_classes]
    result = entity.associate("127.0.0.1", port, contexts=contexts, ae_title=called)
    try:
        yield result
    finally:
        if result.is_established:
            result.release()
        end_association(result)


def wait_for(condition: object, *, patience_s: float = 60.0) -> None:
    """Block until a condition holds."""
    waiting = threading.Event()
    for _ in range(int(patience_s / 0.05)):
        if callable(condition) and condition():
            return
        waiting.wait(0.05)
    raise AssertionError("the condition does not hold")
