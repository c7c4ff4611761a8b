"""Whom the playground takes for the student over TLS.

Invariant: a certificate that is not verified is refused; nothing turns the check off. Imports nothing
privileged, so that `retort serve` may look before it starts.
"""

from __future__ import annotations

import ssl

WHAT_TO_GIVE = (
    "say the name that the certificate has with student=https://NAME:PORT, or who signed it with ca=FILE "
    "(watch.student, watch.ca beside serve)"
)


def trusting(ca: str) -> ssl.SSLContext:
    """Trusts the system's authorities and what is in the PEM file `ca` ("": nothing more): authorities, or
    the server's own certificate, whoever signed it. Raises ValueError where the file holds none."""
    context = ssl.create_default_context()
    if ca:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(ca)
        except OSError as error:  # ssl's own errors are among them
            raise ValueError(f"watch.ca={ca} holds no certificates ({error}): name a PEM file") from error
    return context


def check_certificate(certificate: str, key: str, name: str, ca: str) -> None:
    """Raise ValueError where who trusts `ca` would refuse a server with that certificate under `name`."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        serving.load_cert_chain(certificate, key, password="")  # none is asked for at the terminal
    except OSError as error:
        raise ValueError(f"{certificate} and {key} are no certificate and its key ({error})") from error
    client = trusting(ca).wrap_bio(to_client, to_server, server_hostname=name)
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (client, server, client):
            _greet(side)
    except ssl.SSLCertVerificationError as error:
        raise ValueError(
            f"the playground cannot verify {certificate} as {name}'s ({error.verify_message}): {WHAT_TO_GIVE}"
        ) from error


def _greet(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:  # it is the other's turn
        return
