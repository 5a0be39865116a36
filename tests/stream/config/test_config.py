"""Test the configuration: what is read, what is refused, and the error messages."""

import shutil
import ssl
import subprocess
import tomllib
from pathlib import Path

import pytest
from faust import SASLCredentials, SSLCredentials
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream.config.errors import ConfigError
from stream.config.loading import load
from stream.config.printing import show
from stream.config.sections import Config
from stream.kafka.clients import faust_credentials, kafka_client_options

MARKER = "marker-hunter2"
SASL = {
    "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": "broker.example:9093",
    "SPIKEWATCH_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "SPIKEWATCH_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
    "SPIKEWATCH_KAFKA__SASL_USERNAME": "watch",
    "SPIKEWATCH_KAFKA__SASL_PASSWORD": MARKER,
}


def write(folder: Path, text: str) -> Path:
    """Write a configuration file with this text."""
    path = folder / "given.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path | None = None, environ: dict[str, str] | None = None) -> list[str]:
    """Return the errors with which loading fails."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return list(caught.value.mistakes)


def test_every_key_has_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration loads without a file and without variables."""
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Config()
    assert Config().kafka.bootstrap_servers == "127.0.0.1:9092"
    assert Config().state.compaction_lag_seconds > Config().state.rewrite_seconds


def test_the_path_of_the_file_is_chosen_by_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A given path wins over SPIKEWATCH_CONFIG, which wins over ./spikewatch.toml."""
    monkeypatch.chdir(tmp_path)
    Path("spikewatch.toml").write_text("[kafka]\npartitions = 1\n")
    Path("named.toml").write_text("[kafka]\npartitions = 2\n")
    Path("given.toml").write_text("[kafka]\npartitions = 3\n")
    named = {"SPIKEWATCH_CONFIG": "named.toml"}
    assert load(environ={}).kafka.partitions == 1
    assert load(environ=named).kafka.partitions == 2
    assert load(Path("given.toml"), named).kafka.partitions == 3


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A file that was named must exist; the defaults do not replace it."""
    path = tmp_path / "none.toml"
    expected = f"{path}: the configuration file cannot be read: No such file or directory"
    assert mistakes(path) == [expected]
    assert mistakes(None, {"SPIKEWATCH_CONFIG": str(path)}) == [expected]


def test_a_variable_overrides_the_file(tmp_path: Path) -> None:
    """A variable overrides its key and leaves the rest of the section to the file."""
    path = write(tmp_path, '[kafka]\npartitions = 7\ntopic_prefix = "a."\n')
    config = load(path, {"SPIKEWATCH_KAFKA__PARTITIONS": "9"})
    assert (config.kafka.partitions, config.kafka.topic_prefix) == (9, "a.")


def test_the_process_environment_is_used_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping, the variables of the process apply, but Config() reads no variables."""
    monkeypatch.setenv("SPIKEWATCH_KAFKA__PARTITIONS", "11")
    monkeypatch.delenv("SPIKEWATCH_CONFIG", raising=False)
    assert load().kafka.partitions == 11
    assert Config().kafka.partitions == 4


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Some editors write a byte order mark at the beginning of a UTF-8 file."""
    assert load(write(tmp_path, "\ufeff[kafka]\npartitions = 5\n"), {}).kafka.partitions == 5


def test_the_configuration_is_immutable() -> None:
    """Neither the configuration nor a section of it can be changed."""
    config = Config()
    with pytest.raises(ValidationError):
        config.kafka.partitions = 5
    with pytest.raises(ValidationError):
        config.kafka = config.kafka


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """Errors in the file, in variables and between keys are reported together with their places."""
    path = write(
        tmp_path,
        "[kafka]\npartitions = 0\npartitons = 4\n\n[budgt]\nx = 1\n\n"
        "[state]\ncompaction_lag_seconds = 10\n\n[metrics]\nport = 9465\n",
    )
    environ = {
        "SPIKEWATCH_TIME__TIMEZONE": "Europe/Berln",
        "SPIKEWATCH_LIMITS__TICKET_BITES": "1",
        "SPIKEWATCH_FOO__BAR": "1",
    }
    lines = mistakes(path, environ)
    expected = {
        f"{path}:2: kafka.partitions: found 0; allowed: a whole number from 1 up to 1000",
        f"{path}:3: kafka.partitons: no such key in [kafka]; did you mean partitions?",
        f"{path}:5: budgt: no such section; did you mean budget?",
        f"{path}:9: state.compaction_lag_seconds: found 10; allowed: more than rewrite_seconds "
        "(86400), or else compaction can delete state",
        f"{path}:12: health.port: found 9465, the same as metrics.port; allowed: another port, "
        "or 0",
    }
    assert expected <= set(lines)
    rest = "\n".join(sorted(set(lines) - expected))
    assert rest.startswith("SPIKEWATCH_FOO__BAR: foo.bar: no such section; allowed: budget,")
    assert "SPIKEWATCH_LIMITS__TICKET_BITES: limits.ticket_bites: no such key" in rest
    assert "SPIKEWATCH_TIME__TIMEZONE: time.timezone: found 'Europe/Berln'" in rest
    assert "did you mean Europe/Berlin" in rest
    assert len(lines) == 8


def test_a_syntax_error_is_reported_with_its_position(tmp_path: Path) -> None:
    """Invalid TOML is reported with file, line and column, beside errors in variables."""
    path = write(tmp_path, "[kafka]\npartitions = = 3\n")
    environ = {"SPIKEWATCH_LOG__LEVEL": "loud", "SPIKEWATCH_KAFKA__SECURITY_PROTOCOL": "SASL_SSL"}
    first, second = mistakes(path, environ)
    assert first == f"{path}:2:14: not valid TOML: Invalid value"
    assert second.startswith("SPIKEWATCH_LOG__LEVEL: log.level: found 'loud'; allowed: one of ")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """The error names the first byte that is not UTF-8."""
    path = tmp_path / "latin.toml"
    path.write_bytes(b'[kafka]\ngroup = "caf\xe9"\n')
    assert mistakes(path) == [f"{path}: the configuration file is not UTF-8 (byte 20)"]


@pytest.mark.parametrize(
    ("text", "place", "key"),
    [
        ("kafka = { partitions = 0 }", 1, "kafka.partitions"),
        ("kafka.partitions = 0", 1, "kafka.partitions"),
        ('# x\n[ "kafka" ]\n\n"partitions" = 0', 4, "kafka.partitions"),
        ("[kafka.partitions]\nx = 1", 1, "kafka.partitions"),
        ("kafka = 3", 1, "kafka"),
        ("[[kafka]]\npartitions = 1", 1, "kafka"),
    ],
)
def test_the_line_of_a_key_is_found_in_every_notation(
    tmp_path: Path, text: str, place: int, key: str
) -> None:
    """TOML allows several notations of a key, and the error names the right line in each."""
    path = write(tmp_path, text)
    assert mistakes(path)[0].startswith(f"{path}:{place}: {key}: found ")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("kafka", "partitions", "true"),
        ("kafka", "partitions", "1001"),
        ("kafka", "topic_prefix", '"a b"'),
        ("kafka", "group", '""'),
        ("kafka", "bootstrap_servers", '""'),
        ("kafka", "bootstrap_servers", '"localhost"'),
        ("kafka", "bootstrap_servers", '"localhost:0"'),
        ("kafka", "bootstrap_servers", '"localhost:65536"'),
        ("kafka", "bootstrap_servers", '"::1:9092"'),
        ("kafka", "bootstrap_servers", '"[::1:9092"'),
        ("kafka", "bootstrap_servers", '"kafka://localhost:9092"'),
        ("kafka", "bootstrap_servers", '"localhost:9092,"'),
        ("budget", "false_pages_per_week", "0"),
        ("budget", "false_pages_per_week", "inf"),
        ("budget", "false_pages_per_week", "nan"),
        ("time", "timezone", '"Mars"'),
        ("time", "timezone", '"../UTC"'),
        ("time", "lateness_seconds", "3601"),
        ("time", "tick_seconds", "0.05"),
        ("model", "name", '"magic"'),
        ("limits", "ticket_bytes", "1000001"),
        ("metrics", "host", '"127.0.0.1:80"'),
        ("health", "port", "-1"),
        ("log", "level", "3"),
        ("time", "timezone", "2026-01-01"),
    ],
)
def test_an_invalid_value_is_refused(tmp_path: Path, section: str, key: str, value: str) -> None:
    """A value out of range or of the wrong type is one error that says what is allowed."""
    path = write(tmp_path, f"[{section}]\n{key} = {value}\n")
    (line,) = mistakes(path)
    assert line.startswith(f"{path}:2: {section}.{key}: found ")
    assert "; allowed: " in line


def test_an_unknown_time_zone_suggests_a_known_one(tmp_path: Path) -> None:
    """The name of a city leads to the full name of its time zone."""
    (line,) = mistakes(write(tmp_path, '[time]\ntimezone = "new york"\n'))
    assert "America/New_York" in line


@pytest.mark.parametrize("servers", ["localhost:9092", "127.0.0.1:9092, [::1]:9093", "127.9.9.9:1"])
def test_plaintext_on_this_host_is_allowed(servers: str) -> None:
    """Plaintext traffic on this host needs no permission."""
    assert load(environ={"SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": servers}).kafka.loopback_only


@pytest.mark.parametrize(
    "servers", ["broker.example:9092", "localhost:9092,10.0.0.7:9092", "localhost.evil.example:1"]
)
def test_plaintext_to_another_host_is_refused(servers: str) -> None:
    """Plaintext to another host is refused unless allow_plaintext is set."""
    environ = {"SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS": servers}
    (line,) = mistakes(None, environ)
    assert line.startswith(
        "SPIKEWATCH_KAFKA__BOOTSTRAP_SERVERS: kafka.bootstrap_servers: PLAINTEXT"
    )
    assert "allow_plaintext = true" in line
    allowed = load(environ=environ | {"SPIKEWATCH_KAFKA__ALLOW_PLAINTEXT": "true"})
    assert not allowed.kafka.loopback_only


def test_sasl_without_tls_to_another_host_is_refused() -> None:
    """A password without TLS counts as plaintext."""
    (line,) = mistakes(None, SASL | {"SPIKEWATCH_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT"})
    assert "SASL_PLAINTEXT traffic to another host" in line


def test_incomplete_and_ineffective_keys_are_reported(tmp_path: Path) -> None:
    """Half a login, half a key pair and settings without effect are all reported."""
    half = '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_username = "a"\nssl_certfile = "c"\n'
    assert [line.partition(": ")[2] for line in mistakes(write(tmp_path, half))] == [
        "kafka.sasl_mechanism: is missing: security_protocol is SASL_SSL",
        "kafka.sasl_password: is missing: security_protocol is SASL_SSL",
        "kafka.ssl_certfile: requires ssl_keyfile as well",
    ]
    idle = '[kafka]\nsasl_username = "a"\nssl_cafile = "c"\n'
    assert [line.partition(": ")[2] for line in mistakes(write(tmp_path, idle))] == [
        "kafka.sasl_username: would not be used: security_protocol is PLAINTEXT",
        "kafka.ssl_cafile: would not be used: security_protocol is PLAINTEXT",
    ]


def test_two_ports_may_both_be_off() -> None:
    """Two servers that are off do not conflict."""
    off = {"SPIKEWATCH_HEALTH__PORT": "0", "SPIKEWATCH_METRICS__PORT": "0"}
    assert load(environ=off).health.port == 0


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """No secret is in a repr, a dump or an error, whether its key is valid, invalid or misspelt."""
    config = load(environ=SASL)
    assert MARKER not in repr(config) + str(config) + show(config)
    path = write(
        tmp_path,
        f'[kafka]\nsasl_pasword = "{MARKER}"\nssl_keyfile_password = ["{MARKER}"]\n'
        f'bootstrap_servers = "watch:{MARKER}@broker:9092"\n',
    )
    with pytest.raises(ConfigError) as caught:
        load(path, {"SPIKEWATCH_KAFKA__SASL_PASSWRD": MARKER})
    assert MARKER not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(caught.value.mistakes) == 4


def test_the_output_of_show_loads_to_an_equal_configuration(tmp_path: Path) -> None:
    """`show` writes a comment above each key."""
    config = load(
        environ={"SPIKEWATCH_TIME__TIMEZONE": "Asia/Tokyo", "SPIKEWATCH_LOG__LEVEL": "INFO"}
    )
    text = show(config)
    assert load(write(tmp_path, text), {}) == config
    assert config.log.level == "info"
    lines = text.splitlines()
    keys = [number for number, line in enumerate(lines) if " = " in line and line[0] != "#"]
    assert len(keys) == sum(len(section) for section in tomllib.loads(text).values())
    assert all(lines[number - 1].startswith("# ") for number in keys)


def test_show_masks_secrets_and_keeps_everything_else(tmp_path: Path) -> None:
    """The output loads to an equal configuration, except for the secrets."""
    config = load(environ=SASL)
    again = load(write(tmp_path, show(config)), {})
    assert again.kafka.sasl_password.get_secret_value() == "********"
    secret = {"kafka": {"sasl_password"}}
    assert again.model_dump(exclude=secret) == config.model_dump(exclude=secret)


@given(text=st.text())
def test_show_writes_any_text_as_valid_toml(text: str) -> None:
    """Whatever characters a value contains, it reads back the same."""
    kafka = Config().kafka.model_copy(update={"sasl_username": text})
    shown = show(Config().model_copy(update={"kafka": kafka}))
    assert tomllib.loads(shown)["kafka"]["sasl_username"] == text


def test_kafka_clients_get_no_credentials_for_plaintext() -> None:
    """On this host, clients get the address and no credentials."""
    assert kafka_client_options(Config()) == {
        "bootstrap_servers": "127.0.0.1:9092",
        "security_protocol": "PLAINTEXT",
    }
    assert faust_credentials(Config()) is None


def test_kafka_clients_use_verified_tls() -> None:
    """TLS is at least 1.2, verifies certificate and host name, and is the same for Faust."""
    config = load(environ=SASL)
    options = kafka_client_options(config)
    context = options["ssl_context"]
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_password"] == MARKER
    credentials = faust_credentials(config)
    assert isinstance(credentials, SASLCredentials)
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.ssl_context is not None
    assert MARKER not in repr(credentials)


def test_faust_uses_verified_tls_without_sasl() -> None:
    """TLS alone gives Faust a context that verifies the server."""
    credentials = faust_credentials(load(environ={"SPIKEWATCH_KAFKA__SECURITY_PROTOCOL": "SSL"}))
    assert isinstance(credentials, SSLCredentials)
    assert credentials.context.check_hostname


def tls(**files: object) -> Config:
    """Return a configuration with TLS and these files."""
    names = {f"SPIKEWATCH_KAFKA__SSL_{key.upper()}": str(value) for key, value in files.items()}
    return load(environ={"SPIKEWATCH_KAFKA__SECURITY_PROTOCOL": "SSL"} | names)


def test_unreadable_certificates_are_all_reported(tmp_path: Path) -> None:
    """All certificate files that cannot be read or are not PEM are named at once."""
    gone = tmp_path / "gone.pem"
    with pytest.raises(ConfigError) as caught:
        kafka_client_options(tls(cafile=gone, certfile=gone, keyfile=gone))
    assert [line.partition(":")[0] for line in caught.value.mistakes] == [
        "kafka.ssl_cafile",
        "kafka.ssl_certfile",
        "kafka.ssl_keyfile",
    ]
    text = write(tmp_path, "no certificate")
    with pytest.raises(ConfigError, match=r"kafka\.ssl_cafile: not valid PEM files: "):
        kafka_client_options(tls(cafile=text))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its key pair with openssl")
def test_a_client_certificate_is_loaded_with_its_password(tmp_path: Path) -> None:
    """A wrong or missing password is an error, and the program does not prompt for it."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-subj", "/CN=test"]
    files = ["-days", "2", "-passout", f"pass:{MARKER}", "-out", str(cert), "-keyout", str(key)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    good = tls(cafile=cert, certfile=cert, keyfile=key, keyfile_password=MARKER)
    assert kafka_client_options(good)["ssl_context"].get_ca_certs()
    for wrong in ("", "wrong"):
        with pytest.raises(ConfigError, match="ssl_keyfile_password"):
            kafka_client_options(tls(certfile=cert, keyfile=key, keyfile_password=wrong))
