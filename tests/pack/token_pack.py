"""Keys in PKCS #11 tokens: SoftHSM's, by p11-kit, with keys made in the token that never leave it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from .lib import ASAN, DONE, FILE, MKEIF, REFUSED, USAGE, Eif, Skip, check, folder, run, same, test, tool
from .sign_pack import CURVES, image, through_pipe, verify

PIN, SO_PIN = "5678", "12345678"
MODULES = (Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib64/pkcs11/libsofthsm2.so"))


KINDS = {"prime256v1": ec.SECP256R1(), "secp384r1": ec.SECP384R1(), "secp521r1": ec.SECP521R1(),
         "secp256k1": ec.SECP256K1()}


class Tokens:
    """SoftHSM with a folder of its own."""

    def __init__(self, where: Path) -> None:
        self.module = next((m for m in MODULES if m.exists()), None)
        if not self.module:
            raise Skip("SoftHSM is not installed")
        (where / "tokens").mkdir()
        (where / "softhsm.conf").write_text(f"directories.tokendir = {where / 'tokens'}\nlog.level = ERROR\n")
        self.env = {"SOFTHSM2_CONF": str(where / "softhsm.conf")}
        self.where = where
        self.public: dict[tuple[str, str], ec.EllipticCurvePublicKey] = {}
        (where / "pin").write_text(f"{PIN}\n")
        (where / "pin").chmod(0o600)

    def tool(self, *words: object) -> bytes:
        return tool(*words, env={**os.environ, **self.env})

    def token(self, label: str) -> None:
        self.tool("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN)

    def objects(self, label: str, *words: object) -> bytes:
        return self.tool("pkcs11-tool", "--module", self.module, "--token-label", label, "--login", "--pin", PIN, *words)

    def key(self, label: str, name: str, number: str, kind: str = "EC:secp384r1", *words: object) -> None:
        shown = self.objects(label, "--keypairgen", "--key-type", kind, "--id", number, "--label", name, *words).decode()
        curve = KINDS.get(kind.removeprefix("EC:"))
        if curve:
            point = bytes.fromhex(re.search(r"EC_POINT: +([0-9a-f]+)", shown)[1])[-2 * ((curve.key_size + 7) // 8) - 1:]
            self.public[label, number] = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)

    def certificate(self, label: str, number: str, hours: int = 24) -> Path:
        """A certificate for the token's key, by an authority in Python: the token makes no requests."""
        public = self.public[label, number]
        authority = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "in a token")])
        made = x509.CertificateBuilder(name, name, public, 1, now - timedelta(days=1), now + timedelta(hours=hours)).sign(
            authority, hashes.SHA256())
        path = self.where / f"{label}-{number}.pem"
        path.write_bytes(made.public_bytes(Encoding.PEM))
        der = path.with_suffix(".der")
        der.write_bytes(made.public_bytes(Encoding.DER))
        self.objects(label, "--write-object", der, "--type", "cert", "--id", number, "--label", f"cert-{number}")
        return path

    def sign(self, key: str, cert: object, *words: object, program: Path = MKEIF, output: str = "y.eif"):
        return run("sign", self.where / "x.eif", "--sign-key", key, "--sign-cert", cert, "--output",
                   self.where / output, *words, program=program, env=self.env)


@contextmanager
def tokens(*labels: str) -> Iterator[Tokens]:
    with folder() as tmp:
        made = Tokens(tmp)
        for label in labels:
            made.token(label)
        image(tmp / "x.eif")
        yield made


@test(seconds=14)
def keys_in_a_token_sign() -> None:
    """On each curve, the key named by label or by id, the PIN from each place, the certificate from file or token."""
    with tokens("eif") as t:
        pin = t.where / "pin"
        for number, curve in enumerate(CURVES, 1):
            t.key("eif", f"key-{number}", f"0{number}", f"EC:{curve}")
            cert = t.certificate("eif", f"0{number}")
            key = f"pkcs11:token=eif;object=key-{number}"
            for program in (MKEIF, ASAN):
                for uri, given, words in (
                        (f"{key}?pin-source=file:{pin}", cert, ()),
                        (f"pkcs11:token=eif;id=%0{number};type=private?pin-source={pin}", cert, ()),
                        (key, cert, ("--sign-key-pass-file", pin)),
                        (f"{key};type=cert", f"pkcs11:token=eif;object=cert-0{number}", ("--sign-key-pass-file", pin)),
                        (f"pkcs11:token=eif;id=%0{number}", f"pkcs11:token=eif;id=%0{number}",
                         ("--sign-key-pass-file", pin)),
                        (f"{key}?module-path={t.module}&pin-source={pin}", cert, ())):
                    done = t.sign(uri, given, *words, program=program).is_(DONE)
                    same(done.err, "", done.command)
                    verify(Eif.load(t.where / "y.eif"), curve, cert)
                    (t.where / "y.eif").unlink()
        pin.chmod(0o640)
        t.sign(f"{key}?pin-source={pin}", cert).is_(DONE, "pin-source: a passphrase or PIN that others may read (mode 0640)")
        done = t.sign(f"{key}?pin-value={PIN}", cert).is_(DONE, f"{key}: pin-value shows the PIN")
        check(f"value={PIN}" not in done.err, "the PIN is told")
        done = through_pipe(PIN.encode(), "sign", t.where / "x.eif", "--sign-key", key, "--sign-cert", cert, "--output",
                            t.where / "z.eif", "--sign-key-pass-file", "fd:{}", env=t.env).is_(DONE)
        same(done.json["Measurements"]["PCR8"],
             run("pcr", "--cert", f"pkcs11:token=eif;id=%0{number}", "--json", env=t.env).is_(DONE).json["Measurements"]["PCR8"],
             "PCR8 of the token's certificate")


@test
def a_key_that_wants_its_pin_each_time_signs() -> None:
    """CKA_ALWAYS_AUTHENTICATE, as a PIV card has it for its signature key."""
    with tokens("eif") as t:
        t.key("eif", "each", "01", "EC:prime256v1", "--always-auth")
        cert = t.certificate("eif", "01")
        for program in (MKEIF, ASAN):
            t.sign("pkcs11:object=each;token=eif", cert, "--sign-key-pass-file", t.where / "pin",
                   program=program).is_(DONE)
            verify(Eif.load(t.where / "y.eif"), "prime256v1", cert)


@test(seconds=15)
def what_a_token_cannot_do_is_refused() -> None:
    """With words that name it; no PIN is asked for, shown, or tried on a token that was not meant."""
    with tokens("eif", "other") as t:
        t.key("eif", "key", "01")
        t.key("eif", "double", "02")
        t.key("eif", "double", "03")
        t.key("eif", "rsa", "04", "rsa:2048")
        t.key("eif", "k1", "05", "EC:secp256k1")
        t.key("other", "key", "01")
        cert, other, k1 = t.certificate("eif", "01"), t.certificate("eif", "02"), t.certificate("eif", "05")
        late = t.certificate("eif", "03", hours=-1)  # the end is in time itself
        (t.where / "wrong").write_text("9999\n")
        pin = ("--sign-key-pass-file", t.where / "pin")
        eif = "pkcs11:token=eif"
        for key, given, words, code, err in (
                (f"{eif};object=key", cert, (), REFUSED, f"{eif};object=key: the token wants a PIN"),
                (f"{eif};object=key?pin-value=9998", cert, (), REFUSED, f"{eif};object=key: the PIN is wrong"),
                (f"{eif};object=key", cert, ("--sign-key-pass-file", t.where / "wrong"), REFUSED, "the PIN is wrong"),
                (f"{eif};object=none", cert, pin, REFUSED, "no such private key in the token"),
                (f"{eif};object=double", cert, pin, REFUSED, "more than one private key in the token"),
                (eif, cert, pin, REFUSED, "more than one private key in the token"),
                ("pkcs11:token=none;object=key", cert, pin, REFUSED, "no such token; there are "),
                ("pkcs11:object=key;manufacturer=SoftHSM%20project", cert, pin, REFUSED, "more than one token fits"),
                (f"{eif};object=rsa", cert, pin, REFUSED, "object=rsa: RSA key; images are signed on"),
                (f"{eif};object=k1", k1, pin, REFUSED, "none of the curves P-256, P-384 and P-521"),
                (f"{eif};object=key", other, pin, REFUSED, f"of another key than {eif};object=key"),
                (f"{eif};object=double;id=%03", late, pin, REFUSED, "expired: from "),
                (f"{eif};object=key", f"{eif};object=none", pin, REFUSED, f"{eif};object=none: no such certificate"),
                (f"{eif};object=key?pin-source=%7Ccat", cert, (), REFUSED, "a command, which mkeif does not run"),
                (f"{eif};object=key?pin-source=/no/pin", cert, (), FILE, "pin-source: /no/pin: No such file"),
                (f"{eif};object=key?module-path=/no/module.so", cert, pin, REFUSED, "module-path: /no/module.so: no PKCS"),
                (f"{eif};object=key;module-name=x?module-name=none", cert, pin, USAGE, "not a PKCS #11 URI"),
                (f"{eif};object=key?module-name=softhsm2", cert, pin, REFUSED, "name the module by module-path"),
                (f"{eif};object=key;slot-id=0", cert, pin, REFUSED, "name the module by module-path"),
                (f"{eif};object=key;library-manufacturer=SoftHSM", cert, pin, REFUSED, "name the module by module-path"),
                (f"{eif};object=key;library-manufacturer=x?module-path={t.module}", cert, pin, REFUSED,
                 "no such token; there are none"),
                (f"{eif};object=key?module-path=/a'b.so", cert, pin, REFUSED, "a quote or a backslash"),
                (f"{eif};color=red", cert, pin, USAGE, "an attribute that is not known"),
                ("pkcs11:%zz", cert, pin, USAGE, "not a PKCS #11 URI")):
            for program in (MKEIF, ASAN):
                done = t.sign(key, given, *words, program=program, output="n.eif").is_(code, err)
                check("9998" not in done.err and "pin-value=" not in done.err, f"the PIN is told: {done.story}")
        for program in (MKEIF, ASAN):
            done = run("sign", t.where / "x.eif", "--sign-key", f"{eif};object=key", "--sign-cert", cert, "--output",
                       t.where / "n.eif", *pin, program=program, env={**t.env, "PATH": str(t.where)})
            done.is_(FILE, "p11-kit: no such program in PATH")
        check(not (t.where / "n.eif").exists(), "an output")


@test
def a_token_without_the_public_key_cannot_mislead() -> None:
    """The certificate of another key is seen by the signature, and nothing is written."""
    with tokens("eif") as t:
        private = ec.generate_private_key(ec.SECP384R1())
        (t.where / "key.der").write_bytes(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        t.objects("eif", "--write-object", t.where / "key.der", "--type", "privkey", "--id", "01", "--label", "bare")
        t.key("eif", "key", "02")
        wrong = t.certificate("eif", "02")
        (t.where / "public.der").write_bytes(
            private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        uri = f"pkcs11:token=eif;object=bare?pin-source={t.where / 'pin'}"
        t.sign(uri, wrong).is_(REFUSED, "object=bare: the signature that it made is not of the certificate's key")
        check(not (t.where / "y.eif").exists(), "an output")
        t.objects("eif", "--write-object", t.where / "public.der", "--type", "pubkey", "--id", "01")
        t.public["eif", "01"] = private.public_key()
        cert = t.certificate("eif", "01")
        t.sign(uri, cert).is_(DONE)
        verify(Eif.load(t.where / "y.eif"), "secp384r1", cert)
