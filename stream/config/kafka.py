"""The configuration's section ``[kafka]`` and the rules between its keys."""

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
    """Brokers, topics and the way to talk to them."""

    bootstrap_servers: Annotated[str, AfterValidator(servers)] = Field(
        default="127.0.0.1:9092", description="brokers to ask first, host:port with commas between"
    )
    topic_prefix: Annotated[str, AfterValidator(kafka_name(0, 200))] = Field(
        default="", description="put in front of each topic name, as written"
    )
    partitions: int = Field(
        default=4, ge=1, le=1000, description="partitions of each topic, when it is made"
    )
    replication_factor: int = Field(
        default=1, ge=1, le=100, description="copies of each topic; 3 in use"
    )
    content_mode: ContentMode = Field(
        default="structured",
        description="escalations as whole CloudEvents (structured), or attributes in headers and "
        "data in the value (binary)",
    )
    group: Annotated[str, AfterValidator(kafka_name(1, 100))] = Field(
        default="spikewatch",
        description="app id: consumer group and start of the state topic's name",
    )
    instance_id: Annotated[str, AfterValidator(kafka_name(0, 200))] = Field(
        default="", description="name of this worker, for static membership; empty: none"
    )
    session_timeout_seconds: int = Field(
        default=10, ge=1, le=1800, description="silence that means death; brokers want 6 or more"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    allow_plaintext: bool = Field(
        default=False, description="talk unencrypted to other hosts than this"
    )
    ssl_cafile: str = Field(
        default="", description="PEM file of the authorities; empty: the system's"
    )
    ssl_certfile: str = Field(
        default="", description="PEM file of our certificate, if brokers ask for it"
    )
    ssl_keyfile: str = Field(default="", description="PEM file of its key; may be the same file")
    ssl_keyfile_password: SecretStr = Field(
        default=_UNSET, description="password of that key; empty: none"
    )
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    sasl_username: str = Field(default="", description="user name, for SASL")
    sasl_password: SecretStr = Field(
        default=_UNSET, description="password, for SASL; better in SPIKEWATCH_KAFKA__SASL_PASSWORD"
    )

    @property
    def encrypted(self) -> bool:
        """Whether ``security_protocol`` runs over TLS."""
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def loopback_only(self) -> bool:
        """Whether every bootstrap server is this host; where those send us is not known here."""
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
                f"{protocol} to another host can be read and changed on the way; use SSL or "
                "SASL_SSL, or set allow_plaintext = true where the network is trusted",
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
                yield _rule(f"kafka.{key}", f"needs {needed} as well", f"kafka.{needed}")
