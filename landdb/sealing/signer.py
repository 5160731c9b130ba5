"""Personal signatures on papers: one way to ask for them, whatever holds the person's key.

A USB token or the remote signing of the state's own authority (chứng thư số chuyên dùng công vụ) stands behind ``Signer`` later;
today there is a signer with a certificate authority of its own, for the demo and for tests. No key is kept anywhere.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner


class Signer(Protocol):
    """Who can sign a PDF as a person."""

    def sign(self, source: Path, target: Path, *, reason: str, field_name: str = "Signature1") -> None:
        """Write ``source`` with a signature appended (PAdES) to ``target``; the source stays as it is."""
        ...


@dataclass(frozen=True)
class TestSigner:
    """A person of a made-up authority. Production trusts no such signature: its authority is in nobody's folder."""

    __test__ = False  # pytest: no test class

    authority_pem: bytes
    certificate: x509.Certificate = field(repr=False)
    _authority: x509.Certificate = field(repr=False)
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def made(cls, name: str, since: dt.datetime, until: dt.datetime) -> TestSigner:
        """A new authority, and one certificate of it for a person, valid for this time."""
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root_name = _name("LandDB test authority")
        root = _certificate(root_name, root_name, root_key, root_key, since, until, authority=True)
        certificate = _certificate(_name(name), root_name, key, root_key, since, until, authority=False)
        return cls(root.public_bytes(Encoding.PEM), certificate, root, key)

    def sign(self, source: Path, target: Path, *, reason: str, field_name: str = "Signature1") -> None:
        """Sign as ``Signer`` says."""
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
        from pyhanko.sign.fields import SigSeedSubFilter
        from pyhanko.sign.signers import PdfSignatureMetadata, sign_pdf

        meta = PdfSignatureMetadata(
            field_name=field_name, reason=reason, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
        )
        with source.open("rb") as read, target.open("wb+") as written:
            sign_pdf(IncrementalPdfFileWriter(read), meta, signer=self._pyhanko(), output=written)

    def _pyhanko(self) -> SimpleSigner:
        from pyhanko.keys.internal import (
            translate_pyca_cryptography_cert_to_asn1,
            translate_pyca_cryptography_key_to_asn1,
        )
        from pyhanko.sign.signers import SimpleSigner
        from pyhanko_certvalidator.registry import SimpleCertificateStore

        return SimpleSigner(
            signing_cert=translate_pyca_cryptography_cert_to_asn1(self.certificate),
            signing_key=translate_pyca_cryptography_key_to_asn1(self._key),
            cert_registry=SimpleCertificateStore.from_certs(
                [translate_pyca_cryptography_cert_to_asn1(self._authority)]
            ),
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    since: dt.datetime,
    until: dt.datetime,
    *,
    authority: bool,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=not authority, content_commitment=not authority, key_cert_sign=authority, crl_sign=authority,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, SHA256())
    )
