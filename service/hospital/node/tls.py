"""TLS of both directions, from files."""

import ssl
from dataclasses import dataclass
from pathlib import Path


class TlsError(Exception):
    """Certificates or a key cannot be used; the message says which."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files in PEM.

    Attributes:
        certificate: Our own, with those between it and its issuer.
        key: Its private key, without a password.
        authorities: Who vouches for others.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None

    def for_receiving(self) -> ssl.SSLContext | None:
        """The context of a server; None without a certificate.

        With authorities, clients must show a certificate that they vouch for.

        Raises:
            TlsError: A file cannot be used.
        """
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        if self.authorities is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def for_sending(self) -> ssl.SSLContext:
        """The context of a client, which shows our certificate if there is one.

        Raises:
            TlsError: A file cannot be used.
        """
        context = ssl.create_default_context()
        if self.authorities is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # BCP 195, as PS3.15 B.9 and B.12 ask for
        try:
            if self.certificate is not None:
                # Without a function, OpenSSL would ask for a password on the terminal.
                context.load_cert_chain(self.certificate, self.key, password=lambda: "")
            if self.authorities is not None:
                context.load_verify_locations(self.authorities)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise TlsError(
                "The TLS files of XRAY_DICOM_TLS_CERT, _KEY and _CA cannot be used: "
                f"{getattr(error, 'reason', None) or error.__class__.__name__}."
            ) from error
