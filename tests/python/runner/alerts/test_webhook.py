"""One message to one receiver: accepted or not, in time, and without revealing the address."""

import datetime
import http.server
import ipaddress
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from runner.alerts import webhook
from stand_ins import MISBEHAVIOURS, SECRET, timed

MESSAGE = {"text": "a night failed: ü < 1"}


@pytest.mark.parametrize("behaviour", ["takes", "drips its body"])
def test_a_message_is_taken_once_its_status_says_so(receiver, behaviour):
    receiver.behaviour = behaviour
    assert timed(lambda: webhook.post(f" {receiver.address}\n", MESSAGE, 5)) < 2
    assert receiver.taken == [MESSAGE]


@pytest.mark.parametrize(("behaviour", "said"), MISBEHAVIOURS.items())
def test_a_receiver_that_does_not_take_it_costs_no_more_than_its_seconds(receiver, behaviour, said):
    receiver.behaviour = behaviour
    address = receiver.address

    def call():
        with pytest.raises(webhook.Undelivered, match=said) as refused:
            webhook.post(address, MESSAGE, 0.5)
        assert SECRET not in str(refused.value) and "127.0.0.1" not in str(refused.value)

    assert timed(call) < 1
    assert len(receiver.asked) <= 1


def test_a_socket_timeout_alone_would_not_do(receiver):
    """The planted fault: how a library's own timeout handles a receiver that answers byte by byte."""
    receiver.behaviour = "drips headers"
    threading.Timer(1.5, receiver.over.set).start()

    def call():
        request, is_local = webhook._request(receiver.address, MESSAGE)
        webhook._exchange(request, is_local, 0.5)

    assert timed(call) > 1.2


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/" + SECRET,
        "http://hooks.example.com/" + SECRET,
        "http://127.0.0.1.example.com/" + SECRET,
        "hooks.example.com/" + SECRET,
        "https:///" + SECRET,
        "https://[" + SECRET,
        "https://127.0.0.1:" + SECRET + "/",
        "https://127.0.0.1/\u00fc" + SECRET,
        "https://127.0.0.1/\x00" + SECRET,
        "",
    ],
)
def test_what_is_no_https_address_is_never_called(address, nothing_is_opened):
    with pytest.raises(webhook.Undelivered, match=webhook.VARIABLE) as refused:
        webhook.post(address, MESSAGE, 5)
    assert SECRET not in str(refused.value)


@pytest.fixture
def encrypted(tmp_path):
    """The address of a receiver with a self-signed certificate, and that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "receiver.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *arguments: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/{SECRET}", file
    server.shutdown()
    server.server_close()


def test_certificates_are_verified(encrypted, monkeypatch):
    address, certificate = encrypted
    with pytest.raises(webhook.Undelivered, match="certificate could not be verified"):
        webhook.post(address, MESSAGE, 5)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhook.post(address, MESSAGE, 5)
