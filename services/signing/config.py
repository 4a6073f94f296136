"""Configuration of signing, one TOML file for all roles of the service except `ceremony`.

[database]      [broker]      [server]      as in every service (services/common/settings.py)
[print]         address and tls: where print's gRPC API is
[gradebook]     address and tls: where gradebook's gRPC API is
[work]          concurrency, lease_s
[anchor]        key_file, cert_file and archive: how the audit heads are anchored (AnchorConfig)
[tokens]        socket = "/run/hoso/signing/tokens.sock"      in a folder of mode 0700
                modules = { softhsm = "/usr/lib/softhsm/libsofthsm2.so" }
[[tokens.standing_keys]]      signatory, key_uri, algorithm, pin_file
trust_roots_file                PEM of the roots under which signatories are registered
"""

from dataclasses import dataclass, field
from pathlib import Path

from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig, WorkConfig
from services.signing.tokens_config import TokensConfig


@dataclass(frozen=True)
class SigningConfig:
    """Everything signing needs. print, gradebook: where their gRPC APIs are. tokens: the token
    supervisor. trust_roots_file: PEM of the CA roots to which the certificates of signatories must
    lead, as archive's file of this name.
    """

    database: DatabaseConfig
    broker: BrokerConfig
    server: ServerConfig
    print: PeerConfig
    gradebook: PeerConfig
    tokens: TokensConfig
    trust_roots_file: Path
    work: WorkConfig = field(default_factory=WorkConfig)
    anchor: AnchorConfig | None = None
