import ipaddress
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from service.hospital.node.delivery import UnreachableError
from service.hospital.node.dimse import VERIFICATION, Address, DimseDestination
from service.hospital.node.receipt import Receipt
from service.hospital.node.scp import Peer, StoreScp
from service.hospital.node.tls import TlsError, TlsFiles
from tests.hospital.node.objects import dataset_of, film, film_uid
from tests.hospital.node.peers import association, wait_for

# pynetdicom's client leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CR = ComputedRadiographyImageStorage
NO_TLS = TlsFiles()

needs_dcmtk = pytest.mark.skipif(
    shutil.which("storescu") is None, reason="dcmtk's storescu and echoscu are not installed"
)


class Inbox:
    """What was received; answers with the receipt that it was given."""

    def __init__(self) -> None:
        self.receipt = Receipt.QUEUED
        self.objects: dict[str, bytes] = {}
        self.hold = threading.Event()
        self.hold.set()

    def accept(self, uid: str, data: bytes) -> Receipt:
        self.hold.wait(30)
        if self.receipt.accepted:
            self.objects[uid] = data
        return self.receipt


@contextmanager
def scp(
    inbox: Inbox,
    *,
    peers: tuple[Peer, ...] = (),
    associations: int = 10,
    max_bytes: int = 10_000_000,
    tls: TlsFiles = NO_TLS,
) -> Iterator[StoreScp]:
    made = StoreScp(
        inbox.accept,
        host="127.0.0.1",
        port=0,
        ae_title="NODE",
        peers=peers,
        associations=associations,
        max_bytes=max_bytes,
        tls=tls,
    )
    made.start()
    try:
        yield made
    finally:
        made.stop(grace_s=0.2)


def dcmtk(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=60, check=False
    )


@needs_dcmtk
def test_dcmtk_stores_and_echoes(tmp_path: Path) -> None:
    inbox = Inbox()
    (tmp_path / "film.dcm").write_bytes(film(1))
    with scp(inbox) as node:
        assert dcmtk("echoscu", "-aec", "NODE", "127.0.0.1", node.port).returncode == 0
        stored = dcmtk("storescu", "-aec", "NODE", "127.0.0.1", node.port, tmp_path / "film.dcm")
    assert stored.returncode == 0, stored.stderr
    received = dataset_of(inbox.objects[film_uid(1)])
    assert received == dataset_of(film(1))
    assert received.file_meta.MediaStorageSOPInstanceUID == film_uid(1)


@pytest.mark.parametrize(
    "sop_class", [CR, DigitalXRayImageStorageForPresentation, SecondaryCaptureImageStorage]
)
def test_what_may_be_a_chest_film_is_received(sop_class: str) -> None:
    inbox = Inbox()
    with scp(inbox) as node, association(node.port, sop_class) as peer:
        assert peer.send_c_store(dataset_of(film(1, sop_class=sop_class))).Status == 0
    assert list(inbox.objects) == [film_uid(1)]


@pytest.mark.parametrize("sop_class", [CTImageStorage, DigitalXRayImageStorageForProcessing])
def test_nothing_else_is_agreed_to(sop_class: str) -> None:
    with scp(Inbox()) as node, association(node.port, sop_class) as peer:
        assert not peer.accepted_contexts


@pytest.mark.parametrize(
    ("syntax", "agreed"),
    [
        (ExplicitVRBigEndian, True),
        (JPEGBaseline8Bit, True),
        (RLELossless, True),
        (DeflatedExplicitVRLittleEndian, False),
        ("1.2.840.10008.1.2.4.102", False),
    ],
)
def test_encodings_that_are_read_are_agreed_to(syntax: str, agreed: bool) -> None:
    with scp(Inbox()) as node, association(node.port, CR, syntax=syntax) as peer:
        assert bool(peer.accepted_contexts) is agreed


@pytest.mark.parametrize(
    ("receipt", "status"),
    [
        (Receipt.QUEUED, 0x0000),
        (Receipt.DUPLICATE, 0x0000),
        (Receipt.OWN, 0x0000),
        (Receipt.QUEUE_FULL, 0xA700),
        (Receipt.DISK_FULL, 0xA700),
    ],
)
def test_the_status_says_what_became_of_it(receipt: Receipt, status: int) -> None:
    inbox = Inbox()
    inbox.receipt = receipt
    with scp(inbox) as node, association(node.port, CR) as peer:
        assert peer.send_c_store(dataset_of(film(1))).Status == status


def test_success_is_not_said_before_the_object_was_taken_in() -> None:
    inbox = Inbox()
    inbox.hold.clear()
    with scp(inbox) as node, association(node.port, CR) as peer, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(peer.send_c_store, dataset_of(film(1)))
        with pytest.raises(TimeoutError):
            answer.result(timeout=0.3)
        inbox.hold.set()
        assert answer.result(timeout=30).Status == 0


class TestPeers:
    def test_another_called_title_is_refused(self) -> None:
        with scp(Inbox()) as node, association(node.port, CR, called="OTHER") as peer:
            assert peer.is_rejected

    def test_a_calling_title_that_is_not_listed_is_refused(self) -> None:
        with scp(Inbox(), peers=(Peer("ORTHANC", None),)) as node:
            with association(node.port, CR, calling="STRANGER") as peer:
                assert peer.is_rejected
            with association(node.port, CR, calling="ORTHANC") as peer:
                assert peer.is_established

    def test_an_address_that_is_not_listed_gets_no_association(self) -> None:
        there = ipaddress.ip_network("10.9.8.0/24")
        with (
            scp(Inbox(), peers=(Peer("MODALITY", there),)) as node,
            association(node.port, CR) as peer,
        ):
            assert not peer.is_established

    def test_an_address_counts_with_its_title_alone(self) -> None:
        here, there = ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.9.8.7")
        inbox = Inbox()
        with scp(inbox, peers=(Peer("NEAR", here), Peer("FAR", there))) as node:
            with association(node.port, CR, VERIFICATION, calling="FAR") as peer:
                assert peer.send_c_store(dataset_of(film(1))).Status == 0x0124
                assert peer.send_c_echo().Status == 0x0124
            with association(node.port, CR, calling="NEAR") as peer:
                assert peer.send_c_store(dataset_of(film(1))).Status == 0
        assert list(inbox.objects) == [film_uid(1)]

    @pytest.mark.parametrize("shown", ["10.0.0.7", "::ffff:10.0.0.7"])
    def test_ipv4_is_ipv4_however_the_socket_shows_it(self, shown: str) -> None:
        assert Peer("A", ipaddress.ip_network("10.0.0.0/24")).allows(shown)


def send_slowly(connection: socket.socket, count: int) -> None:
    for _ in range(count // 65536):
        connection.sendall(bytes(65536))
        time.sleep(0.001)


class TestBounds:
    def test_a_larger_object_ends_the_association(self) -> None:
        inbox = Inbox()
        large = dataset_of(film(1))
        large.PixelData = bytes(4_000_000)
        with scp(inbox, max_bytes=1_000_000) as node, association(node.port, CR) as peer:
            assert "Status" not in peer.send_c_store(large)
        assert not inbox.objects

    def test_many_objects_may_pass_that_are_larger_together(self) -> None:
        inbox = Inbox()
        with scp(inbox, max_bytes=100_000) as node, association(node.port, CR) as peer:
            for number in range(20):
                assert peer.send_c_store(dataset_of(film(number))).Status == 0
        assert len(inbox.objects) == 20

    def test_a_pdu_that_never_ends_is_not_kept(self) -> None:
        with (
            scp(Inbox(), max_bytes=100_000) as node,
            socket.create_connection(("127.0.0.1", node.port), timeout=30) as connection,
        ):
            connection.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFFF))
            with pytest.raises(ConnectionError):
                send_slowly(connection, 60_000_000)

    def test_one_association_too_many_is_refused_for_the_moment(self) -> None:
        with scp(Inbox(), associations=1) as node:
            with association(node.port, CR) as first, association(node.port, CR) as second:
                assert first.is_established
                assert second.is_rejected
            wait_for(lambda: node.associations == 0)
            with association(node.port, CR) as third:
                assert third.is_established

    def test_connections_that_say_nothing_are_bounded(self) -> None:
        with scp(Inbox(), associations=1) as node:
            silent = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(30)]
            wait_for(lambda: node.associations >= 10)
            time.sleep(0.3)
            assert node.associations < 15  # one that is being turned away counts for a moment
            for each in silent:
                each.close()

    @pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 8, b"\x01"])
    def test_noise_does_no_harm(self, noise: bytes) -> None:
        with scp(Inbox()) as node:
            with socket.create_connection(("127.0.0.1", node.port)) as connection:
                connection.sendall(noise)
            with association(node.port, VERIFICATION) as peer:
                assert peer.send_c_echo().Status == 0


class TestStop:
    def test_an_object_on_its_way_arrives(self) -> None:
        inbox = Inbox()
        inbox.hold.clear()
        with scp(inbox) as node, association(node.port, CR) as peer, ThreadPoolExecutor(2) as pool:
            answer = pool.submit(peer.send_c_store, dataset_of(film(1)))
            wait_for(lambda: node.associations == 1)
            time.sleep(0.2)
            stopped = pool.submit(node.stop, grace_s=20)
            time.sleep(0.3)
            inbox.hold.set()
            stopped.result(timeout=30)
            assert answer.result(timeout=30).Status == 0
        assert list(inbox.objects) == [film_uid(1)]

    def test_nobody_is_waited_for_who_sends_nothing(self) -> None:
        with scp(Inbox()) as node, association(node.port, CR) as peer:
            assert peer.is_established
            stopper = threading.Thread(target=node.stop, kwargs={"grace_s": 60})
            stopper.start()
            stopper.join(30)
            assert not stopper.is_alive()
            assert node.associations == 0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine, and another that nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    for name in ("own", "stranger"):
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
            f"-keyout {name}.key -out {name}.pem -subj /CN=localhost "
            "-addext subjectAltName=DNS:localhost,IP:127.0.0.1"
        )
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


def own_tls(folder: Path) -> TlsFiles:
    return TlsFiles(folder / "own.pem", folder / "own.key", folder / "own.pem")


@needs_dcmtk
class TestTls:
    def send(self, port: int, folder: Path, name: str) -> int:
        (folder / "film.dcm").write_bytes(film(1))
        return dcmtk(
            *("storescu", "-aec", "NODE", "+tls", folder / f"{name}.key", folder / f"{name}.pem"),
            *("+cf", folder / "own.pem", "localhost", port, folder / "film.dcm"),
        ).returncode

    def test_who_shows_a_certificate_that_is_vouched_for_may_send(self, certificates: Path) -> None:
        inbox = Inbox()
        with scp(inbox, tls=own_tls(certificates)) as node:
            assert self.send(node.port, certificates, "own") == 0
        assert list(inbox.objects) == [film_uid(1)]

    def test_a_stranger_may_not(self, certificates: Path) -> None:
        inbox = Inbox()
        with scp(inbox, tls=own_tls(certificates)) as node:
            assert self.send(node.port, certificates, "stranger") != 0
        assert not inbox.objects

    def test_results_go_out_to_whom_our_authority_vouches_for(
        self, certificates: Path, tmp_path: Path
    ) -> None:
        inbox, own = Inbox(), own_tls(certificates)
        (tmp_path / "film.dcm").write_bytes(film(1))
        files = {film_uid(1): tmp_path / "film.dcm"}
        trusting = TlsFiles(own.certificate, own.key, certificates / "stranger.pem")
        with scp(inbox, tls=own) as node:
            address = Address("NODE", "localhost", node.port, tls=True)
            sent = DimseDestination(address, ae_title="A", tls=own).send(files)
            assert sent.delivered == (film_uid(1),)
            with pytest.raises(UnreachableError):
                DimseDestination(address, ae_title="A", tls=trusting).send(files)
        assert list(inbox.objects) == [film_uid(1)]

    def test_plain_dicom_is_not_spoken(self, certificates: Path) -> None:
        with scp(Inbox(), tls=own_tls(certificates)) as node, association(node.port, CR) as peer:
            assert not peer.is_established

    def test_one_silent_connection_holds_up_nobody(self, certificates: Path) -> None:
        inbox = Inbox()
        with (
            scp(inbox, tls=own_tls(certificates)) as node,
            socket.create_connection(("127.0.0.1", node.port)),
        ):
            assert self.send(node.port, certificates, "own") == 0
        assert inbox.objects

    def test_a_larger_object_ends_the_association(self, certificates: Path) -> None:
        inbox = Inbox()
        with scp(inbox, tls=own_tls(certificates), max_bytes=-1_000_000) as node:
            assert self.send(node.port, certificates, "own") != 0
        assert not inbox.objects


def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    with pytest.raises(TlsError, match="XRAY_DICOM_TLS_CERT"):
        TlsFiles(tmp_path / "a.pem", tmp_path / "a.pem").for_receiving()
    with pytest.raises(TlsError, match="XRAY_DICOM_TLS_CERT"):
        TlsFiles(authorities=tmp_path / "nowhere.pem").for_sending()
