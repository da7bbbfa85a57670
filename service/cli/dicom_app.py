"""The commands below ``pneumonia-xray dicom`` and their options."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.errors import exit_on_error
from service.cli.options import JsonOption, ModelsOption

dicom = typer.Typer(
    name="dicom",
    help="A node in a DICOM network: receives radiographs, screens them, sends results.",
    no_args_is_help=True,
)
SendToOption = Annotated[
    str | None,
    typer.Option(
        "--send-to",
        metavar="ADDRESS",
        help="Where results go: dicom://AETITLE@host:port or https://host/dicom-web. "
        "Default: XRAY_DICOM_SEND_TO.",
    ),
]
PollOption = Annotated[
    str | None,
    typer.Option(
        "--poll",
        metavar="URL",
        help="A DICOMweb service to ask for new studies. Default: XRAY_DICOM_POLL.",
    ),
]
QueueOption = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="Folder of the queue. Default: XRAY_DICOM_DIR."),
]


@dicom.command("serve")
def dicom_serve(
    send_to: SendToOption = None,
    poll: PollOption = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Port for C-STORE. Default: XRAY_DICOM_PORT."),
    ] = None,
    ae_title: Annotated[
        str | None, typer.Option(help="Our AE title. Default: XRAY_DICOM_AE_TITLE.")
    ] = None,
    folder: QueueOption = None,
    models: ModelsOption = None,
) -> None:
    """Receive by C-STORE and STOW-RS, screen, and send results. XRAY_* variables set the rest."""
    with exit_on_error():
        from service.cli.dicom import serve as run

        run(
            {
                "dicom_send_to": send_to,
                "dicom_poll": poll,
                "dicom_port": port,
                "dicom_ae_title": ae_title,
                "dicom_dir": folder,
                "models_dir": models,
            }
        )


@dicom.command("echo")
def dicom_echo(send_to: SendToOption = None, poll: PollOption = None) -> None:
    """Ask the PACS whether it is there and knows this node."""
    with exit_on_error():
        from service.cli.dicom import echo as run

        run({"dicom_send_to": send_to, "dicom_poll": poll})


@dicom.command("status")
def dicom_status(folder: QueueOption = None, as_json: JsonOption = False) -> None:
    """Print how many images wait, were screened, refused, or put into quarantine."""
    with exit_on_error():
        from service.cli.dicom import status as run

        run({"dicom_dir": folder}, as_json=as_json)


@dicom.command("retry")
def dicom_retry(folder: QueueOption = None) -> None:
    """Queue what is in quarantine again. Stop the node first."""
    with exit_on_error():
        from service.cli.dicom import retry as run

        run({"dicom_dir": folder})
