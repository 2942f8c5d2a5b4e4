"""Keys and certificates that sign images, by openssl."""

from pathlib import Path

from suite import tool


def key_pair(path: Path, curve: str = "secp384r1", form: str = "pkcs8", days: int = 30, name: str = "",
             subject: str = "/C=NO/CN=enclave") -> tuple[Path, Path]:
    """A key and its certificate in the folder PATH, as people make them; NAME is what the files' names begin with."""
    name = name or f"{curve}-{form}"
    key, cert = path / f"{name}-key.pem", path / f"{name}-cert.pem"
    if form == "sec1":  # with EC PARAMETERS before the key
        tool("openssl", "ecparam", "-name", curve, "-genkey", "-out", key)
    else:
        tool("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", key)
    tool("openssl", "req", "-new", "-x509", "-utf8", "-key", key, "-sha384", "-days", days, "-subj", subject, "-out", cert)
    return key, cert


def expired(path: Path) -> tuple[Path, Path]:
    """A pair whose certificate is over."""
    key, cert = key_pair(path, name="expired")
    request = path / "expired.csr"
    tool("openssl", "req", "-new", "-utf8", "-key", key, "-subj", "/CN=expired", "-out", request)
    (path / "index.txt").write_text("")
    (path / "serial").write_text("01\n")
    (path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca = a\n[a]\ndatabase = {path}/index.txt\nserial = {path}/serial\nnew_certs_dir = {path}\n"
        "policy = p\ndefault_md = sha384\nrand_serial = no\n[p]\ncommonName = supplied\n")
    tool("openssl", "ca", "-batch", "-config", path / "ca.cnf", "-selfsign", "-keyfile", key, "-in", request, "-out",
         cert, "-notext", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    return key, cert
