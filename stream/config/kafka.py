"""Section ``[kafka]`` of the configuration and the rules between its keys."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from schemas.cloudevents import ContentMode
from stream.config.errors import Disagreement, disagree
from stream.config.values import Section, is_ip, kafka_name, plain, servers

_UNSET = SecretStr("")


def _rule(key: str, text: str, *others: str) -> Disagreement:
    return Disagreement(key, others, text)


class Kafka(Section):
    """Brokers, topics, and the connection to them."""

    bootstrap_servers: Annotated[str, AfterValidator(servers)] = Field(
        default="127.0.0.1:9092",
        description="Bootstrap brokers, as host:port, separated by commas.",
    )
    topic_prefix: Annotated[str, AfterValidator(kafka_name(0, 200))] = Field(
        default="", description="Prefix of every topic name, used verbatim."
    )
    partitions: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="Number of partitions of each topic that spikewatch creates.",
    )
    replication_factor: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Number of replicas of each topic that spikewatch creates; use 3 in "
        "production.",
    )
    content_mode: ContentMode = Field(
        default="structured",
        description="CloudEvents content mode of escalations: structured puts the whole event into "
        "the value, binary puts its attributes into headers.",
    )
    group: Annotated[str, AfterValidator(kafka_name(1, 100))] = Field(
        default="spikewatch",
        description="Consumer group of the workers, and prefix of the state topic's name.",
    )
    instance_id: Annotated[str, AfterValidator(kafka_name(0, 200))] = Field(
        default="", description="Name of this worker for static group membership; empty: none."
    )
    session_timeout_seconds: int = Field(
        default=10,
        ge=1,
        le=1800,
        description="A worker that sends no heartbeat for this many seconds loses its partitions; "
        "brokers require at least 6 by default.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="Security protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
    )
    allow_plaintext: bool = Field(
        default=False,
        description="Whether unencrypted connections to other hosts are allowed.",
    )
    ssl_cafile: str = Field(
        default="",
        description="PEM file of trusted certificate authorities; empty: those of the system.",
    )
    ssl_certfile: str = Field(
        default="", description="PEM file of the client certificate, if brokers require one."
    )
    ssl_keyfile: str = Field(
        default="",
        description="PEM file of the private key of ssl_certfile; may be the same file.",
    )
    ssl_keyfile_password: SecretStr = Field(
        default=_UNSET, description="Password of the private key; empty: none."
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="",
        description="SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty: none.",
    )
    sasl_username: str = Field(default="", description="User name for SASL.")
    sasl_password: SecretStr = Field(
        default=_UNSET,
        description="Password for SASL; prefer to set it as SPIKEWATCH_KAFKA__SASL_PASSWORD.",
    )

    @property
    def encrypted(self) -> bool:
        """Return whether ``security_protocol`` uses TLS."""
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def loopback_only(self) -> bool:
        """Return whether every bootstrap broker is on this host.

        Brokers may still redirect clients to other hosts.
        """
        hosts = [server.rpartition(":")[0].strip("[]") for server in self._servers]
        return all(h == "localhost" or (is_ip(h) and ip_address(h).is_loopback) for h in hosts)

    @property
    def _servers(self) -> list[str]:
        return self.bootstrap_servers.split(",")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        disagree(list(self._disagreements()))
        return self

    def _disagreements(self) -> Iterator[Disagreement]:
        protocol = self.security_protocol
        if not (self.encrypted or self.allow_plaintext or self.loopback_only):
            yield _rule(
                "kafka.bootstrap_servers",
                f"{protocol} traffic to another host can be read and altered in transit; use SSL "
                "or SASL_SSL, or set allow_plaintext = true if the network is trusted",
                "kafka.security_protocol",
                "kafka.allow_plaintext",
            )
        for key in ("sasl_mechanism", "sasl_username", "sasl_password"):
            if bool(plain(getattr(self, key))) != protocol.startswith("SASL"):
                text = "is missing" if protocol.startswith("SASL") else "would not be used"
                text += f": security_protocol is {protocol}"
                yield _rule(f"kafka.{key}", text, "kafka.security_protocol")
        for key in ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_keyfile_password"):
            if plain(getattr(self, key)) and not self.encrypted:
                text = f"would not be used: security_protocol is {protocol}"
                yield _rule(f"kafka.{key}", text, "kafka.security_protocol")
        for key, needed in (
            ("ssl_certfile", "ssl_keyfile"),
            ("ssl_keyfile", "ssl_certfile"),
            ("ssl_keyfile_password", "ssl_keyfile"),
        ):
            if plain(getattr(self, key)) and not getattr(self, needed):
                yield _rule(f"kafka.{key}", f"requires {needed} as well", f"kafka.{needed}")
