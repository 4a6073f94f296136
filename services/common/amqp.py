"""Connections to RabbitMQ: mutual TLS; the certificate's common name is the user."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pika
import pika.credentials
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from services.common import peer
from services.common.config import ConfigError
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig

SERVER_HOST = peer.host_of("server/rabbitmq")
"""The host name in the broker's certificate, wherever it listens."""
HEARTBEAT_S = 30
BLOCKED_TIMEOUT_S = 60
_CONNECT_TIMEOUT_S = 10

# pika logs a refused connection in seven lines; our callers log it in one.
logging.getLogger("pika").setLevel(logging.CRITICAL)


@contextmanager
def channel(config: BrokerConfig) -> Iterator[BlockingChannel]:
    """A channel on a connection of its own, for administration.

    Raises Unavailable when the broker is away.
    """
    known = parameters(config)
    try:
        connection = pika.BlockingConnection(known)
    except (pika.exceptions.AMQPError, OSError) as e:
        raise Unavailable("BROKER_UNAVAILABLE", "RabbitMQ chưa sẵn sàng.", error=type(e).__name__) from e
    try:
        yield connection.channel()
    except pika.exceptions.AMQPConnectionError as e:
        raise Unavailable("BROKER_UNAVAILABLE", "RabbitMQ đã ngắt kết nối.", error=type(e).__name__) from e
    finally:
        if connection.is_open:
            connection.close()


def parameters(config: BrokerConfig) -> pika.ConnectionParameters:
    """TLS 1.2 or newer, both sides checked; the certificate names the user (SASL EXTERNAL), and the
    broker by its name, not its host.

    Raises ConfigError when a certificate or key file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=str(peer.only(config.tls.ca_file, "server")))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.load_cert_chain(config.tls.cert_file, config.tls.key_file)
    except OSError as e:  # including ssl.SSLError
        raise ConfigError(f"broker.tls: {e}; see {config.tls.cert_file}") from e
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return pika.ConnectionParameters(
        host=config.host,
        port=config.port,
        virtual_host=config.virtual_host,
        credentials=pika.credentials.ExternalCredentials(),
        ssl_options=pika.SSLOptions(context, SERVER_HOST),
        heartbeat=HEARTBEAT_S,
        blocked_connection_timeout=BLOCKED_TIMEOUT_S,
        socket_timeout=_CONNECT_TIMEOUT_S,
        stack_timeout=_CONNECT_TIMEOUT_S,
    )
