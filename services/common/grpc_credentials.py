"""TLS credentials for both ends of gRPC: our certificate, and the CAs whose names we believe."""

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.common import log, peer
from services.common.config import ConfigError
from services.common.settings import TlsConfig

_log = log.get(__name__)


def of_client(tls: TlsConfig) -> grpc.ChannelCredentials:
    """Believes services only. Raises ConfigError."""
    key, chain = _pair(tls)
    roots = peer.pem_of(peer.read_authorities(tls.ca_file, ("service",)))
    return grpc.ssl_channel_credentials(roots, key, chain)


def of_server(tls: TlsConfig) -> grpc.ServerCredentials:
    """Believes clients only, and reads the files again for a new connection when they have changed.

    Raises ConfigError.
    """
    files = _Files(tls)
    return grpc.dynamic_ssl_server_credentials(
        files.configuration,
        files.renewed,  # type: ignore[arg-type]  # gRPC takes None for "no change" (its own documentation)
        require_client_authentication=True,
    )


class _Files:
    """The files of a server. `renewed` is called from threads of gRPC's, one at a time."""

    def __init__(self, tls: TlsConfig) -> None:
        self._tls = tls
        self._seen = self._look()
        self.configuration = _configuration(tls)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What gRPC shall use from now on, None when nothing has changed or cannot be used: half of
        a renewal, whose other half follows.
        """
        seen = self._look()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            configuration = _configuration(self._tls)
        except ConfigError as e:
            _log.error("certificate unusable; the one read before stays in use", error=str(e))
            return None
        _log.info("certificate read again", file=str(self._tls.cert_file))
        return configuration

    def _look(self) -> tuple[object, ...]:
        return tuple(peer.look(file) for file in (self._tls.key_file, self._tls.cert_file, self._tls.ca_file))


def _configuration(tls: TlsConfig) -> grpc.ServerCertificateConfiguration:
    roots = peer.pem_of(peer.read_authorities(tls.ca_file, peer.CLIENTS))
    return grpc.ssl_server_certificate_configuration([_pair(tls)], roots)


def _pair(tls: TlsConfig) -> tuple[bytes, bytes]:
    """Our key and certificate. Raises ConfigError unless they belong together."""
    try:
        key, chain = tls.key_file.read_bytes(), tls.cert_file.read_bytes()
        public = load_pem_private_key(key, password=None).public_key()
        matches = public == x509.load_pem_x509_certificate(chain).public_key()
    except (OSError, ValueError, TypeError) as e:
        raise ConfigError(f"cert_file {tls.cert_file}, key_file {tls.key_file}: {e}") from e
    if not matches:
        raise ConfigError(f"cert_file {tls.cert_file} is not the certificate of key_file {tls.key_file}")
    return key, chain
