"""Serving stand-ins for services that a test does not start: real gRPC over mTLS."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from services.common.settings import TlsConfig
from tests import servers


def tls(pki: servers.Pki, name: str) -> TlsConfig:
    """The certificate of `name`, such as ``service/print``."""
    own = pki.identity(name)
    return TlsConfig(own.ca_file, own.cert_file, own.key_file)


@contextlib.contextmanager
def serving(pki: servers.Pki, service: str, add: Callable[[grpc.Server], None]) -> Iterator[str]:
    """Serve what `add` adds to the server, with the certificate of `service`; the address."""
    own = pki.identity(f"service/{service}")
    server = grpc.server(ThreadPoolExecutor(4))
    credentials = grpc.ssl_server_credentials(
        [(own.key_file.read_bytes(), own.cert_file.read_bytes())], own.ca_file.read_bytes(), True
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    add(server)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
