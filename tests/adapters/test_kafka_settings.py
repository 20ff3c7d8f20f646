"""The settings for Kafka: what a client is made with, every wrong value in one sentence, and no password shown."""

import re
import subprocess
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from adapters.faults import SettingsWrong
from adapters.kafka_settings import KafkaSettings
from adapters.settings import Settings

LOGIN = {
    "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092",
    "TRAILBOOK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "TRAILBOOK_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "TRAILBOOK_KAFKA_SASL_USERNAME": "relay",
    "TRAILBOOK_KAFKA_SASL_PASSWORD": "keep-it",
}


def _settings(**given: str) -> KafkaSettings:
    return Settings.from_environment({f"TRAILBOOK_KAFKA_{name}": value for name, value in given.items()}).kafka


def test_without_settings_topics_are_as_the_house_states_them_and_there_is_no_client() -> None:
    kafka = _settings()

    assert (kafka.partitions, kafka.replication, kafka.retention_days) == (6, 3, None)
    assert kafka.max_message_bytes == 16 * 1024 * 1024
    with pytest.raises(SettingsWrong, match="TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS is not set"):
        kafka.client()


def test_every_client_of_kafka_python_knows_what_it_is_made_with() -> None:
    arguments = KafkaSettings.from_environment(LOGIN).client()

    for kind in (KafkaAdminClient, KafkaConsumer, KafkaProducer):
        assert set(arguments) <= set(kind.DEFAULT_CONFIG)
    assert arguments["bootstrap_servers"] == ["kafka.example:9092"]
    assert arguments["sasl_plain_password"] == "keep-it"
    assert arguments["ssl_context"].check_hostname


def test_several_brokers_may_be_named_also_by_their_number() -> None:
    kafka = _settings(BOOTSTRAP_SERVERS="a.example:9092, [::1]:9093,10.0.0.1:9094")

    assert kafka.client()["bootstrap_servers"] == ["a.example:9092", "[::1]:9093", "10.0.0.1:9094"]


def test_topics_can_be_stated() -> None:
    kafka = _settings(PARTITIONS="12", REPLICATION="1", RETENTION_DAYS="30", MAX_MESSAGE_BYTES="1048576")

    stated = (kafka.partitions, kafka.replication, kafka.retention_days, kafka.max_message_bytes)
    assert stated == (12, 1, 30, 1_048_576)


def test_no_password_is_shown() -> None:
    kafka = KafkaSettings.from_environment(LOGIN)

    assert "keep-it" not in repr(kafka)
    assert "keep-it" not in repr(kafka.client())
    assert "keep-it" not in f"{kafka.client()}"


def test_a_password_in_a_file_is_read_anew_for_each_client(tmp_path: Path) -> None:
    file = tmp_path / "password"
    kafka = KafkaSettings.from_environment(
        {name: value for name, value in LOGIN.items() if "PASSWORD" not in name}
        | {"TRAILBOOK_KAFKA_SASL_PASSWORD_FILE": str(file)}
    )

    file.write_text("first\n")
    assert kafka.client()["sasl_plain_password"] == "first"
    file.write_text(" second \r\n")
    assert kafka.client()["sasl_plain_password"] == " second "
    for content in (b"", b"\n", b"two\nlines\n", b"\xff"):
        file.write_bytes(content)
        with pytest.raises(SettingsWrong, match=r"TRAILBOOK_KAFKA_SASL_PASSWORD_FILE: .*password "):
            kafka.client()
    file.unlink()
    with pytest.raises(SettingsWrong, match="cannot be read: No such file"):
        kafka.client()


@pytest.mark.parametrize(
    "value",
    [
        "kafka.example",
        "kafka.example:0",
        "kafka.example:99999",
        "a:1,,b:2",
        "kafka://a:9092",
        "a:9092;b:9092",
        "a" * 300 + ":1",
    ],
)
def test_a_brokers_address_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsWrong, match=r"write host:port"):
        _settings(BOOTSTRAP_SERVERS=value)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "SECURITY_PROTOCOL"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "SASL_MECHANISM"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "GSSAPI"}, "SASL_MECHANISM"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN"}, "SASL_USERNAME"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "relay"}, "SASL_PASSWORD"),
        ({"SASL_USERNAME": "relay"}, "SASL_USERNAME"),
        ({"SASL_PASSWORD_FILE": "/run/secrets/kafka"}, "SASL_PASSWORD"),
        ({"SASL_PASSWORD_FILE": "/run/secrets/kafka", "SASL_PASSWORD": "keep-it"}, "SASL_PASSWORD"),
        ({"SSL_CAFILE": "/etc/ca.pem"}, "SSL_CAFILE"),
        ({"SSL_CHECK_HOSTNAME": "false"}, "SSL_CHECK_HOSTNAME"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CHECK_HOSTNAME": "no"}, "SSL_CHECK_HOSTNAME"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_KEYFILE": "/etc/key.pem"}, "SSL_KEYFILE"),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_PASSWORD": "keep-it"}, "SSL_PASSWORD"),
        ({"PARTITIONS": "0"}, "PARTITIONS"),
        ({"PARTITIONS": "six"}, "PARTITIONS"),
        ({"PARTITIONS": "٣"}, "PARTITIONS"),
        ({"REPLICATION": "-1"}, "REPLICATION"),
        ({"RETENTION_DAYS": "1.5"}, "RETENTION_DAYS"),
        ({"MAX_MESSAGE_BYTES": "16MB"}, "MAX_MESSAGE_BYTES"),
        ({"MAX_MESSAGE_BYTES": "1000"}, "MAX_MESSAGE_BYTES"),
    ],
)
def test_a_wrong_value_is_named_with_its_setting_in_one_sentence(given: dict[str, str], names: str) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        _settings(**given)

    assert f"TRAILBOOK_KAFKA_{names}" in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert "keep-it" not in str(wrong.value)


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(SettingsWrong, match="TRAILBOOK_KAFKA_SASL_PASSWORD") as wrong:
        _settings(BOOTSTRAP_SERVERS="kafka.example:9092,relay:keep-it@kafka.example:9093")

    assert "keep-it" not in str(wrong.value)


def test_a_password_that_is_no_text_is_said_before_any_broker_is_asked() -> None:
    """The environment may hold any bytes; Python keeps those that are not UTF-8 as lone surrogates."""
    with pytest.raises(SettingsWrong, match="TRAILBOOK_KAFKA_SASL_PASSWORD is not UTF-8"):
        KafkaSettings.from_environment({**LOGIN, "TRAILBOOK_KAFKA_SASL_PASSWORD": "keep-it\udcff"})


@pytest.mark.parametrize("file", ["/dev/zero", "~nobody-of-this-name/password"])
def test_a_file_that_never_ends_or_has_no_home_is_said_in_one_sentence(file: str) -> None:
    given = {name: value for name, value in LOGIN.items() if "PASSWORD" not in name}
    with pytest.raises(SettingsWrong, match=f"TRAILBOOK_KAFKA_SASL_PASSWORD_FILE: {file}"):
        KafkaSettings.from_environment({**given, "TRAILBOOK_KAFKA_SASL_PASSWORD_FILE": file}).client()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BOOTSTRAP_SERVER", "BOOTSTRAP_SERVERS"),
        ("PARTITION", "PARTITIONS"),
        ("SSL_CA_FILE", "SSL_CAFILE"),
        ("RETENTION_DAY", "RETENTION_DAYS"),
        ("SASL_PASSWORDFILE", "SASL_PASSWORD_FILE"),
        ("MAX_MESSAGE_SIZE", "MAX_MESSAGE_BYTES"),
    ],
)
def test_a_misspelt_setting_is_not_passed_over(name: str, meant: str) -> None:
    with pytest.raises(SettingsWrong, match=f"there is no TRAILBOOK_KAFKA_{name}; write TRAILBOOK_KAFKA_{meant}, or"):
        _settings(**{name: "1"})


def test_what_a_cluster_sets_for_a_service_of_that_name_is_left_alone() -> None:
    """Kubernetes tells every container where each service is."""
    given = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_CLIENT", "PORT", "PORT_9092_TCP", "PORT_9092_TCP_ADDR")
    assert _settings(**dict.fromkeys(given, "tcp://10.0.0.1:9092")) == KafkaSettings()


def test_many_brokers_do_not_fill_a_sentence() -> None:
    kafka = _settings(BOOTSTRAP_SERVERS=",".join(f"broker-{n}.example:9092" for n in range(1_000)))

    assert len(kafka.client()["bootstrap_servers"]) == 1_000
    assert kafka.where == "Kafka at broker-0.example:9092,broker-1.example:9092,broker-2.example:9092 and 997 more"


def test_what_is_no_certificate_is_named_before_any_broker_is_asked(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path, "relay")
    _, other_key = _certificate(tmp_path, "other")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "rsa", "-aes256", "-passout", "pass:keep-it", "-in", key, "-out", locked],
        check=True,
        capture_output=True,
    )
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing\n")
    place = {"BOOTSTRAP_SERVERS": "kafka.example:9093", "SECURITY_PROTOCOL": "SSL"}
    whole = {**place, "SSL_CAFILE": str(certificate), "SSL_CERTFILE": str(certificate), "SSL_KEYFILE": str(key)}

    _settings(**whole).client()
    _settings(**{**whole, "SSL_KEYFILE": str(locked), "SSL_PASSWORD": "keep-it"}).client()
    for wrong, sentence in (
        ({"SSL_CAFILE": str(tmp_path / "none")}, "SSL_CAFILE: .*none cannot be read: No such file"),
        ({"SSL_CAFILE": str(nothing)}, "SSL_CAFILE: .*nothing.pem .* in PEM"),
        ({"SSL_CERTFILE": str(tmp_path / "none")}, "SSL_CERTFILE: .*none cannot be read"),
        ({"SSL_KEYFILE": str(tmp_path / "none")}, "SSL_KEYFILE: .*none cannot be read"),
        ({"SSL_KEYFILE": str(other_key)}, "SSL_KEYFILE: .*other.key is not the key of the certificate"),
        ({"SSL_KEYFILE": str(locked)}, "SSL_KEYFILE: .*locked.key is locked, .* set TRAILBOOK_KAFKA_SSL_PASSWORD"),
        (
            {"SSL_KEYFILE": str(locked), "SSL_PASSWORD": "wrong"},
            "SSL_KEYFILE: .*locked.key is locked, and not with this",
        ),
    ):
        with pytest.raises(SettingsWrong) as refused:
            _settings(**{**whole, **wrong}).client()
        assert re.search(sentence, str(refused.value)), str(refused.value)


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
    subprocess.run([*new, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
