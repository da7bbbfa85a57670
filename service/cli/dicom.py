"""``pneumonia-xray dicom``: a node in a DICOM network, and what its operator asks of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import typer
from pydicom import Dataset

from service.cli.errors import CommandError
from service.cli.loading import read_settings
from service.hospital.node.delivery import UnreachableError
from service.hospital.node.dicomweb import WebError
from service.hospital.node.dimse import Address, DimseDestination
from service.hospital.node.durable_queue import DurableQueue, QueueError
from service.hospital.node.ledger import Ledger
from service.hospital.node.node import tls_files, web_service
from service.hospital.node.serving import serve_node
from service.hospital.node.settings import NodeSettings
from service.hospital.node.tls import TlsError
from service.hospital.node.uids import uid_of_file
from service.hospital.results import ResultOptions, results_of
from service.inference import Bundle, Ensemble
from service.observability.audit import AuditLogError
from service.screening.explanation import Explanation, Unexplained


def serve(options: Mapping[str, Any], *, load: Callable[[], Ensemble] | None = None) -> None:
    """Run the node until SIGTERM or SIGINT.

    Args:
        options: Values by name of setting; None where an option was not given.
        load: Gives the ensemble; by default that of the settings.

    Raises:
        CommandError: A setting is out of range, or cannot be used here.
    """
    settings = read_settings(options, NodeSettings)
    if settings.dicom_send_to is None:
        raise CommandError(
            "Where do results go? Set XRAY_DICOM_SEND_TO, or give --send-to: "
            "dicom://AETITLE@host:port or https://host/dicom-web."
        )
    try:
        serve_node(settings, result_maker(settings), load=load)
    except (AuditLogError, QueueError, TlsError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"Port {settings.dicom_port} cannot be listened on: {error.strerror or error}."
        ) from error


def result_maker(
    settings: NodeSettings,
) -> Callable[[bytes, Explanation | Unexplained, Bundle], Sequence[Dataset]]:
    """What makes the results that the settings ask for."""
    options = ResultOptions(
        uid_root=settings.dicom_uid_root,
        language=settings.dicom_language,
        kinds=settings.dicom_results,
    )

    def make(source: bytes, result: Explanation | Unexplained, bundle: Bundle) -> Sequence[Dataset]:
        return results_of(source, result, bundle, options, made_at=datetime.now().astimezone())

    return make


def echo(options: Mapping[str, Any]) -> None:
    """Ask the PACS whether it is there and knows us.

    Raises:
        CommandError: It is not, or does not.
    """
    settings = read_settings(options, NodeSettings)
    for where in filter(None, (settings.dicom_send_to, settings.dicom_poll)):
        try:
            if where.startswith("http"):
                for _ in web_service(settings, where).search("studies", {"limit": "1"}):
                    break
            else:
                title = settings.dicom_ae_title
                tls = tls_files(settings)
                DimseDestination(Address.parse(where), ae_title=title, tls=tls).echo()
        except (TlsError, UnreachableError, WebError) as error:
            raise CommandError(f"{where} did not answer as it should: {error}.") from error
        typer.echo(f"{where} answers.")


def status(options: Mapping[str, Any], *, as_json: bool) -> None:
    """Print how many images are in which state; works beside a running node.

    Raises:
        CommandError: There is no queue.
    """
    folder = read_settings(options, NodeSettings).dicom_dir
    try:
        counts, oldest_s = Ledger.summary(folder)
    except FileNotFoundError:
        raise CommandError(f"There is no queue in {folder}.") from None
    if as_json:
        typer.echo(json.dumps({**counts, "oldest_seconds": round(oldest_s, 1)}))
        return
    for state, count in counts.items():
        typer.echo(f"{state:12}{count:8}")
    typer.echo(f"{'oldest':12}{oldest_s:8.0f} s")


def retry(options: Mapping[str, Any]) -> None:
    """Queue what is in quarantine again; the node must not run meanwhile.

    Raises:
        CommandError: The queue cannot be used.
    """
    settings = read_settings(options, NodeSettings)
    try:
        queue = DurableQueue(
            settings.dicom_dir,
            uid_of=uid_of_file,
            size=settings.dicom_queue_size,
            min_free_bytes=0,
        )
    except QueueError as error:
        raise CommandError(str(error)) from error
    try:
        count = queue.retry_quarantined()
    finally:
        queue.close()
    typer.echo(f"{count} images are queued again.")
