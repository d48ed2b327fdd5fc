"""What each channel is sent: nothing from outside is markup, no id changes between tries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from peers.receivers import Endpoint, MailServer
from twinhelm.aiops.notify.channels import FORMS, Letter, send, wire
from twinhelm.aiops.notify.channels.letter import Mail, Post
from twinhelm.aiops.notify.document import Channel, Person
from twinhelm.aiops.notify.messages import Act, Message, clean
from twinhelm.core.errors import Refused, Unavailable
from twinhelm.core.json import loads

NOW = 1_700_000_000_000
HOSTILE = "<!channel> <script>alert(1)</script> & *x* \r\nBcc: all@example.org {{7*7}} ${x} \u202e"


def letter(act=Act.OPEN, title=HOSTILE, **more):
    message = Message(
        7, "incident.opened", "incident/3", act, "critical", clean(title, 200),
        (clean(f"on: {HOSTILE}", 400),), "/incidents/3", NOW, ("service:shop",),
    )  # fmt: skip
    person = Person(name="ada", channels=("x",), email="ada@example.org", slack="U123")
    link = "https://helm.example/incidents/3"
    made = Letter("h-7", "twinhelm/h/incident/3", "h", message, person, link, f"{link}?a=1&b=2")
    return replace(made, **more)


SECRET = "s3cret-value"


def made(kind, told, key=SECRET, **channel):
    parcel = FORMS[kind](told, Channel(name="c", kind=kind, **channel), key, NOW)
    assert isinstance(parcel, Post | Mail)
    return parcel


def test_slack_reads_what_came_from_outside_as_text_alone():
    parcel = made("slack", letter(), "https://hooks.example/x")
    said = loads(parcel.body)
    assert parcel.url == "https://hooks.example/x"
    kinds = [block["type"] for block in said["blocks"]]
    assert kinds == ["header", "section", "section", "actions"]
    texts = [block["text"] for block in said["blocks"] if "text" in block]
    marked = [one for one in texts if one["type"] == "mrkdwn"]
    assert [one["text"] for one in marked] == ["<@U123>"]
    assert all("\n" not in one["text"] for one in texts[:1])
    assert len(texts[0]["text"]) <= 150
    assert "<" not in said["text"].replace("&lt;", "")
    urls = [one["url"] for one in said["blocks"][-1]["elements"]]
    assert all(url.startswith("https://helm.example/") for url in urls)


def test_mail_escapes_markup_and_keeps_its_headers_whole():
    parcel = made("email", letter(), host="h", sender="helm@example.org")
    said = parcel.message
    assert set(said.keys()) >= {"From", "To", "Subject", "Message-ID", "References"}
    assert said["Bcc"] is None
    assert said["To"] == "ada@example.org"
    assert "Bcc: all@example.org" in said["Subject"]  # text of the subject, on its one line
    text, html = said.iter_parts()
    assert "<script>" in text.get_content()
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()
    assert 'href="https://helm.example/incidents/3?a=1&amp;b=2"' in html.get_content()


@pytest.mark.parametrize("kind", list(FORMS))
def test_every_try_bears_the_same_id_and_no_message_its_secret(kind):
    channel = {"url": "https://e.example", "host": "h", "sender": "helm@example.org"}
    first, second = made(kind, letter(), **channel), made(kind, letter(unsure=True), **channel)
    if isinstance(first, Mail):
        assert first.message["Message-ID"] == second.message["Message-ID"]
        assert "s3cret-value" not in first.message.as_string()
    else:
        keep = {"webhook-id"} & set(first.headers)
        assert {first.headers[one] for one in keep} == {second.headers[one] for one in keep}
        if kind != "pagerduty":  # whose routing key stands in its body, as documented
            assert b"s3cret-value" not in first.body


def test_alertmanagers_labels_stay_as_they_are_while_the_incident_changes():
    first = loads(made("alertmanager", letter(), url="http://am").body)[0]
    over = loads(made("alertmanager", letter(Act.OVER, "other"), url="http://am").body)[0]
    assert first["labels"] == over["labels"]
    assert first["endsAt"] > "2024-11" and over["endsAt"].startswith("2023-11-14T22:13:20")  # noqa: PT018


def test_what_a_receiver_has_no_use_for_is_not_sent():
    assert (
        FORMS["pagerduty"](letter(Act.TELL), Channel(name="c", kind="pagerduty"), "k", NOW) is None
    )
    assert (
        FORMS["alertmanager"](letter(Act.TAKEN), Channel(name="c", kind="alertmanager"), "", NOW)
        is None
    )
    nobody = letter(person=None)
    assert FORMS["email"](nobody, Channel(name="c", kind="email"), "", NOW) is None


@pytest.mark.parametrize(
    ("status", "family"),
    [(400, Refused), (413, Refused), (401, Unavailable), (404, Unavailable), (302, Unavailable),
     (429, Unavailable), (503, Unavailable)],
)  # fmt: skip
def test_answers_say_whether_trying_again_may_help(status, family):
    with Endpoint() as end:
        end.answers.append((status, {"retry-after": "7", "location": "http://127.0.0.1:1/"}))
        with pytest.raises(family) as raised:
            send(Post(f"{end.url}/s3cret", b"{}", {}))
        assert "s3cret" not in str(raised.value)
        assert not end.taken


def test_an_address_that_does_not_answer_is_named_by_nothing():
    for url in ("http://127.0.0.1:1/s3cret", "nonsense://s3cret", "http://[s3cret", ""):
        with pytest.raises(Unavailable) as raised:
            send(Post(url, b"{}", {}))
        assert "s3cret" not in str(raised.value)


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate for localhost that this process trusts."""
    from datetime import UTC, datetime, timedelta

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate is true by the machine's clock
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    return cert, private


def mail_to(server, told=None, **channel):
    how = {"host": "localhost", "port": server.port, "sender": "helm@example.org", **channel}
    return made("email", told or letter(), "s3cret-value", **how)


def test_mail_goes_encrypted_and_signed_in_to_a_real_server(certificate):
    with MailServer(certificate=certificate, password="s3cret-value") as server:
        assert send(mail_to(server, user="helm")) == "250 taken"
        assert server.secure == [True]
        assert server.messages[0]["From"] == "helm@example.org"


def test_mail_is_not_sent_in_clear_text_where_encryption_is_asked_for(certificate):
    with MailServer() as server, pytest.raises(Unavailable):
        send(mail_to(server))
    with MailServer(certificate=certificate, password="s3cret-value") as server:
        with pytest.raises(Unavailable, match="530 sign in first"):
            send(mail_to(server))
        assert not server.messages


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with MailServer(certificate=certificate) as server, pytest.raises(Unavailable):
        send(mail_to(server))


def test_a_mail_server_says_later_or_never():
    with MailServer() as server:
        server.refuse.extend(["451 later", "554 never"])
        with pytest.raises(Unavailable, match="451 later"):
            send(mail_to(server, tls="none"))
        with pytest.raises(Refused, match="554 never"):
            send(mail_to(server, tls="none"))
        assert send(mail_to(server, tls="none")) == "250 taken"
        assert len(server.messages) == 1


def test_a_wrong_password_is_told_without_it(certificate):
    with MailServer(certificate=certificate, password="another") as server:
        with pytest.raises(Unavailable, match="535 wrong password") as raised:
            send(mail_to(server, user="helm"))
        assert "s3cret-value" not in str(raised.value)


def test_sending_takes_no_longer_than_it_may():
    assert wire.TIMEOUT_S <= 10
