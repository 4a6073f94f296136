"""RabbitMQ for the stack: TLS only, no passwords; a client is the common name of its certificate
(SASL EXTERNAL).

Each service may touch its own queues and its keys of the one shared exchange, nothing else. The
node has its own name, its own Erlang port mapper (epmd) and cookie, so it never meets the machine's
own RabbitMQ.
"""

import importlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

from services.common import intake, outbox, topology
from services.common.amqp import SERVER_HOST
from services.common.settings import BrokerConfig, TlsConfig

from . import pki
from .layout import HOST, SERVICES, LocalError, Stack, write_private
from .process import NotReadyError, Process

PORT_OFFSET = 2
DISTRIBUTION_OFFSET = 3
EPMD_OFFSET = 4
VIRTUAL_HOST = "hoso"
_PLUGINS = "[rabbitmq_auth_mechanism_ssl].\n"

# rabbitmq.conf knows no CRLs, and options given here replace those given there. A resumed session
# would not be checked against the CRLs.
_TLS = """\
[{{rabbit, [{{ssl_options, [
  {{cacertfile, "{ca}"}},
  {{certfile, "{cert}"}},
  {{keyfile, "{key}"}},
  {{verify, verify_peer}},
  {{fail_if_no_peer_cert, true}},
  {{versions, ['tlsv1.3', 'tlsv1.2']}},
  {{crl_check, peer}},
  {{crl_cache, {{ssl_crl_hash_dir, {{internal, [{{dir, "{crls}"}}]}}}}}},
  {{reuse_sessions, false}}
]}}]}}].
"""

# The packaged wrapper in /usr/sbin insists on the system user `rabbitmq`; the real scripts do not.
_SCRIPTS = Path("/usr/lib/rabbitmq/bin")

_SETTINGS = """\
listeners.tcp = none
listeners.ssl.1 = {host}:{port}
auth_mechanisms.1 = EXTERNAL
ssl_cert_login_from = common_name
load_definitions = {definitions}
max_message_size = 1048576
log.console = true
log.console.level = info
log.file = false
"""


def config(stack: Stack, client: str, *, virtual_host: str = VIRTUAL_HOST) -> BrokerConfig:
    """How `client`, a certificate's name such as ``service/print``, reaches the broker."""
    identity = pki.identity(stack, client)
    return BrokerConfig(
        host=HOST,
        port=stack.port(PORT_OFFSET),
        user=identity.name,
        virtual_host=virtual_host,
        tls=TlsConfig(pki.bundle(stack, "servers"), identity.cert_file, identity.key_file),
    )


def prepare(stack: Stack) -> None:
    """Write the broker's configuration, users and permissions."""
    folder = _folder(stack)
    for path in (folder, folder / "home", folder / "data"):
        path.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "home" / ".erlang.cookie").exists():
        cookie = stack.secret("erlang.cookie").read_text(encoding="ascii").strip()
        write_private(folder / "home" / ".erlang.cookie", cookie)
    identity = pki.identity(stack, "server/rabbitmq")
    settings = _SETTINGS.format(
        host=HOST,
        port=stack.port(PORT_OFFSET),
        definitions=folder / "definitions.json",
    )
    write_private(folder / "rabbitmq.conf", settings)
    tls = _TLS.format(
        ca=pki.bundle(stack, "broker-clients"),
        cert=identity.cert_file,
        key=identity.key_file,
        crls=_write_crls(stack),
    )
    write_private(folder / "advanced.config", tls)
    write_private(folder / "enabled_plugins", _PLUGINS)
    write_private(folder / "definitions.json", json.dumps(_definitions(VIRTUAL_HOST), indent=2))
    write_private(folder / "empty", "")


def processes(stack: Stack) -> tuple[Process, ...]:
    """epmd and the broker as supervised processes; `prepare` must have run."""
    epmd = Process(
        name="epmd",
        command=(_epmd(), "-port", str(stack.port(EPMD_OFFSET)), "-address", HOST),
        check=lambda: _accepts(stack.port(EPMD_OFFSET)),
        group="server",
    )
    broker = Process(
        name="rabbitmq",
        command=(str(_SCRIPTS / "rabbitmq-server"),),
        environment={**_environment(stack), "RUNNING_UNDER_SYSTEMD": "true"},  # one process, no shell above it
        folder=_folder(stack),
        after=("epmd",),
        check=lambda: ready(stack),
        start_timeout_s=120,
        stop_timeout_s=40,
        group="server",
    )
    return epmd, broker


def ready(stack: Stack) -> None:
    """Raises NotReadyError until a client can open TLS and the broker answers the AMQP 0-9-1
    protocol header.
    """
    identity = pki.identity(stack, "service/gradebook")
    context = ssl.create_default_context(cafile=str(pki.bundle(stack, "servers")))
    context.load_cert_chain(identity.cert_file, identity.key_file)
    try:
        with (
            socket.create_connection((HOST, stack.port(PORT_OFFSET)), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=SERVER_HOST) as connection,
        ):
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            if connection.recv(1) != b"\x01":  # a method frame: Connection.Start
                raise NotReadyError("the broker does not speak AMQP yet")
    except OSError as e:
        raise NotReadyError(f"broker: {e}") from e


def create_virtual_host(stack: Stack, name: str) -> None:
    """Make a virtual host in which every service has its usual rights; for tests that want the
    broker empty.
    """
    path = _folder(stack) / f"definitions-{name}.json"
    write_private(path, json.dumps(_definitions(name)))
    control(stack, "import_definitions", str(path))


def delete_virtual_host(stack: Stack, name: str) -> None:
    """Remove a virtual host with its queues and messages."""
    control(stack, "delete_vhost", name)


def control(stack: Stack, *arguments: str) -> str:
    """Run ``rabbitmqctl``; its output. Raises LocalError with the tool's own words when it
    fails.
    """
    command = [str(_SCRIPTS / "rabbitmqctl"), "--quiet", *arguments]
    environment = {**os.environ, **_environment(stack)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalError(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def reload(stack: Stack) -> None:
    """Let the running broker go by the present certificate and CRLs."""
    _write_crls(stack)
    control(stack, "eval", "ssl:clear_pem_cache().")


def end_connections(stack: Stack, user: str = "", *, older_than_s: float = 0) -> int:
    """Close the connections of a user, or of all, that began so long ago; their number."""
    begun_before = (time.time() - older_than_s) * 1000
    listed = control(stack, "list_connections", "--no-table-headers", "pid", "user", "connected_at")
    connections = [line.split("\t") for line in listed.splitlines() if line]
    old = [pid for pid, name, begun in connections if user in {"", name} and int(begun) <= begun_before]
    for pid in old:
        control(stack, "close_connection", pid, "the certificate was renewed or revoked")
    return len(old)


def _write_crls(stack: Stack) -> Path:
    """The folder of the clients' CRLs, each named by its issuer's hash as Erlang looks it up for
    every new connection.
    """
    folder = _folder(stack) / "crls"
    folder.mkdir(mode=0o700, exist_ok=True)
    for kind in pki.BROKER_CLIENTS:
        crl = pki.crl_file(stack, kind)
        command = ["openssl", "crl", "-hash", "-noout", "-in", str(crl)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        write_private(folder / f"{done.stdout.strip()}.r0", crl.read_bytes())
    return folder


def _definitions(virtual_host: str) -> dict[str, object]:
    """Users, virtual host, the shared exchange and permissions in RabbitMQ's own export format. No
    user has a password (ADR-0062).
    """
    return {
        "users": [{"name": _user(service), "password_hash": "", "tags": ""} for service in SERVICES],
        "vhosts": [{"name": virtual_host}],
        "exchanges": [
            {
                "name": topology.EXCHANGE,
                "vhost": virtual_host,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
        ],
        "permissions": [{"vhost": virtual_host, **_permissions(service)} for service in SERVICES],
        "topic_permissions": [{"vhost": virtual_host, **_topics(service)} for service in SERVICES],
    }


def _permissions(service: str) -> dict[str, str]:
    """A service declares, writes and reads what is its own, and no other thing but the shared
    exchange, which it can neither make nor remove. Nobody has the default exchange.
    """
    own = "|".join(
        map(
            re.escape,
            (
                topology.queue(service),
                topology.dead_queue(service),
                topology.retry_exchange(service),
                *(topology.retry_queue(service, rest_s) for rest_s in topology.RETRY_S),
            ),
        )
    )
    shared = re.escape(topology.EXCHANGE)
    return {
        "user": _user(service),
        "configure": f"^({own})$",
        "write": f"^({shared}|{own})$",
        "read": f"^({shared}|{own})$",
    }


def _topics(service: str) -> dict[str, str]:
    """On the shared exchange a service publishes its own package, and takes what it handles."""
    subscriptions = importlib.import_module(f"services.{service}.events").SUBSCRIPTIONS
    taken = "|".join(re.escape(outbox.routing_key(event)) for event in intake.event_types(subscriptions))
    return {
        "user": _user(service),
        "exchange": topology.EXCHANGE,
        "write": rf"^{service}\.v[0-9]+\.[A-Za-z0-9]+$",
        "read": f"^({taken})$",
    }


def _user(service: str) -> str:
    return f"service/{service}"


def _environment(stack: Stack) -> dict[str, str]:
    folder = _folder(stack)
    distribution = str(stack.port(DISTRIBUTION_OFFSET))
    return {
        "HOME": str(folder / "home"),
        "ERL_EPMD_PORT": str(stack.port(EPMD_OFFSET)),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": f"hoso-{stack.name}@localhost",
        "RABBITMQ_DIST_PORT": distribution,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CTL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "empty"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(stack.log),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }


def _folder(stack: Stack) -> Path:
    return stack.root / "rabbit"


def _epmd() -> str:
    program = shutil.which("epmd")
    if program is None or not (_SCRIPTS / "rabbitmq-server").exists():
        raise LocalError("RabbitMQ is not installed; run: make setup")
    return program


def _accepts(port: int) -> None:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError as e:
        raise NotReadyError(f"port {port}: {e}") from e
