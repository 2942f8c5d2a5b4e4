"""The tool `kms`: its options, what it reads and writes, its exit codes. What calls of KMS do is the other groups' matter."""

import base64
import json
import os
import pty
import re
import resource
import shlex
import signal
import subprocess
import threading
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from .lib import (ASAN, CONTEXT, DEADLINE_S, MUSL, PATIENT, PLAIN_ENV, REGION, SECRET, SHIPPED, TOP, World, check, folder, run, same, test,
                  wait_for, world)
from .nsm import Fault

VERSION = (TOP / "VERSION").read_text().strip()
COMMANDS = ("decrypt", "generate-data-key", "generate-data-key-pair", "generate-random", "derive-shared-secret")
DONE, REFUSED, USAGE, NO_NSM, NSM, FILE, UNREACHED, CREDENTIALS = range(8)
ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = ("--key", ARN)
NOBODY = ("--connect", "tcp:127.0.0.1:1")  # no service has port 1 here
PAGE = TOP / "nsm/kms/kms.1"


def options_of(text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z0-9-]*", text))


def help_of(command: str) -> str:
    return run(*command.split(), "--help").is_(DONE).out.decode()


# --- help ---------------------------------------------------------------------

@test
def every_help_fits_a_screen():
    """24 lines of 80 columns, on stdout, and it begins with how it is called."""
    for program in (SHIPPED, ASAN):
        for words in ("", "options", *COMMANDS):
            done = run("help", *words.split(), program=program).is_(DONE)
            lines = done.out.decode().splitlines()
            check(len(lines) <= 24, f"{done.command}: {len(lines)} lines")
            check(max(map(len, lines)) <= 80, f"{done.command}: {max(lines, key=len)}")
            check(lines[0].startswith("usage: kms "), f"{done.command}: {lines[0]}")
            if words != "options":
                for flag in ("--help", "-h"):
                    same(run(*words.split(), flag, program=program).is_(DONE).out, done.out, f"{words} {flag}")
        run("--version", program=program).is_(DONE, out=f"kms {VERSION}\n".encode())


@test
def page_and_completion_name_all_options_and_codes():
    """As the code has them: --help of a command and of all."""
    text, page = help_of(""), PAGE.read_text().replace("\\-", "-")
    completion = (TOP / "nsm/kms/kms.bash-completion").read_text()
    shared = options_of(run("help", "options").out.decode()) - {"--key", "--any-key"}
    check({"--region", "--connect", "--credentials"} <= shared, f"kms help options: {shared}")
    for c in COMMANDS:
        check(re.search(rf"^  {c}  ", text, re.M), f"{c} is not in the list")
        check(c in page and c in completion, f"page or completion do not name {c}")
        own = options_of(help_of(c)) - {"--help"}
        for option in own | shared:
            check(f"Fl -{option[2:]}" in page, f"kms.1 does not name {option} of {c}")
            check(option in completion, f"the completion does not name {option} of {c}")
            # It is one: with a value that is none, or with none, something else is wrong.
            check("no option" not in run(c, option).err, f"{c} has no {option}")
    for code in range(8):
        check(re.search(rf"\b{code} [a-z]", text), f"code {code} is not explained")
        check(re.search(rf"^\.It {code}$", page, re.M), f"code {code} is not in kms.1")


@test
def the_completion_completes():
    """Commands, the options of one, values of some, files; in bash itself."""
    script = TOP / "nsm/kms/kms.bash-completion"

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        p = subprocess.run(["bash", "-c", f"""
            . {shlex.quote(str(script))}
            COMP_WORDS=({' '.join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1} COMP_LINE={shlex.quote(line)}
            COMP_POINT=${{#COMP_LINE}}
            _kms kms {shlex.quote(words[-1])} {shlex.quote(words[-2])}; printf '%s\\n' "${{COMPREPLY[@]}}" """],
            capture_output=True, text=True, check=True, cwd=TOP)
        same(p.stderr, "", f"stderr of {line}")
        return p.stdout.split()

    check(set(COMMANDS) <= set(complete("kms ")), "no commands")
    same(complete("kms dec"), ["decrypt"], "dec")
    check({"--key", "--context", "--region"} <= set(complete("kms decrypt --")), "no options of decrypt")
    check("--bytes" not in complete("kms decrypt --"), "decrypt has --bytes")
    check("AES_256" in complete("kms generate-data-key --key-spec "), "no specs")
    check("ECC_NIST_P256" in complete("kms generate-data-key-pair --key-spec "), "no specs of pairs")
    check("README.md" in complete("kms decrypt READ"), "no files")
    check("decrypt" in complete("kms help "), "nothing for help")


@test
def misuse_is_told_from_all_else():
    """Code 2, a line on stderr that names what is wrong, nothing on stdout; and no NSM and no KMS is needed for that."""
    with folder() as d:
        (d / "blob").write_bytes(b"\1\2" + bytes(range(200)))
        (d / "empty").write_bytes(b"")
        blob = d / "blob"
        decrypt = ("decrypt", *KEY, blob)
        for words, err in (
                ((), "which command?"),
                (("frob",), "no command frob"),
                (("decrypr",), "no command decrypr: did you mean decrypt?"),
                (("random",), "did you mean generate-random?"),
                (("data-key",), "did you mean generate-data-key?"),
                (("encrypt",), "the parent can do that"),
                (("help", "frob"), "no command frob"),
                (("--json", "decrypt"), "--json: options follow a command"),
                ((*decrypt, "--frob"), "decrypt: no option --frob (see kms decrypt --help)"),
                ((*decrypt, "--conntect", "x"), "did you mean --connect?"),
                ((*decrypt, "x"), "x: an argument too many"),
                (("generate-random", "x"), "x: an argument too many"),
                (("decrypt", blob), "--key ARN is needed"),
                (("decrypt", "--key", "alias/x", blob), "--key: it must be the full ARN of a key"),
                (("decrypt", "--key", ARN.replace(":key/", ":alias/"), blob), "--key: it must be the full ARN"),
                (("decrypt", "--key", ARN.replace("eu-west-1", "eu-wset-1x"), blob), "--key: it must be the full ARN"),
                (("decrypt", "--key", ARN + "\n", blob), "--key: it must be"),
                (("decrypt", "--any-key", "--key", "a b", blob), "--key: it is neither"),
                (("decrypt", "--any-key", blob), "--region is needed"),
                (("generate-data-key", "--any-key", "--out", d / "x", "--region", REGION), "--key is needed"),
                ((*decrypt, *KEY), "--key: given twice"),
                ((*decrypt, "--context", "app"), "--context: it must be NAME=VALUE"),
                ((*decrypt, "--context", "=app"), "--context: it must be NAME=VALUE"),
                ((*decrypt, "--context", "a=1", "--context", "a=2"), "--context: a: given twice"),
                ((*decrypt, *(w for n in range(65) for w in ("--context", f"n{n}=x"))), "--context: there are more than 64"),
                ((*decrypt, *(w for n in range(11) for w in ("--grant-token", f"n{n}"))), "--grant-token: there are more than 10"),
                ((*decrypt, "--timeout", "0"), "--timeout: it must be a number from 1 to 600"),
                ((*decrypt, "--timeout", "601"), "--timeout: it must be"),
                ((*decrypt, "--attempts", "11"), "--attempts: it must be a number from 1 to 10"),
                ((*decrypt, "--region", "mars"), "--region: "),
                ((*decrypt, "--region", "us-east-1"), "--region: the key is in eu-west-1 by its ARN"),
                ((*decrypt, "--endpoint", "a/b"), "--endpoint: "),
                ((*decrypt, "--connect", "8000"), "--connect: "),
                ((*decrypt, "--connect", "vsock:3:8000-8001"), "--connect: "),
                ((*decrypt, "--credentials", "imds"), "--credentials: "),
                ((*decrypt, "--credentials", ""), "--credentials: "),
                ((*decrypt, "--credentials", "setclient vsock:3000"), "--credentials: setclient is for kmstool-server"),
                ((*decrypt, "--json", "--out", d / "x"), "--json: it has all in one object"),
                ((*decrypt, "--json", "--base64"), "--json: it has all in one object"),
                (("decrypt", *KEY, "--credentials", "-"), "stdin: it can be read once"),
                (("decrypt", *KEY, "--credentials", "fd:0"), "stdin: it can be read once"),
                (("derive-shared-secret", *KEY, "--public-key", "-", "--credentials", "-"), "stdin: it can be read once"),
                (("generate-random", "--bytes", "8", "--region", REGION, "--ca", "-", "--credentials", "-"), "stdin: it can be read once"),
                ((*decrypt, "--fips", "--endpoint", "kms.test"), "--endpoint: it is another host than --fips"),
                (("decrypt", *KEY, "base64:AQ!"), "ciphertext: that is not base64"),
                (("decrypt", *KEY, "AQICAHg=" * 9), "base64 is base64:TEXT"),
                (("generate-data-key", *KEY), "--out FILE is needed"),
                (("generate-data-key", *KEY, "--out", "-"), "stdout is for one of them"),
                (("generate-data-key", *KEY, "--out", "-", "--ciphertext-out", "-"), "stdout is for one of them"),
                (("generate-data-key", *KEY, "--out", d / "x", "--key-spec", "AES_256", "--bytes", "7"), "--"),
                (("generate-data-key-pair", *KEY, "--out", d / "x", "--key-spec", "RSA_2048"), "--ciphertext-out FILE is needed"),
                (("generate-data-key-pair", *KEY, "--json"), "--key-spec: "),
                (("generate-random", "--region", REGION), "--bytes: "),
                (("generate-random", "--bytes", "32"), "--region is needed"),
                (("generate-random", "--bytes", "0"), "--bytes: it must be a number from 1 to 1024"),
                (("generate-random", "--bytes", "1025"), "--bytes: it must be a number from 1 to 1024"),
                (("derive-shared-secret", *KEY), "--public-key is needed")):
            done = run(*words).is_(USAGE, err, out=b"")
            same(done.err.count("\n"), 1, f"lines of {done.story}")
        for words, err in ((("decrypt", *KEY, d / "empty"), "ciphertext: it is empty"),
                           (("derive-shared-secret", *KEY, "--public-key", d / "empty"), "--public-key: it is empty")):
            run(*words).is_(REFUSED, err, out=b"")
        (d / "long").write_bytes(b"\1" * 6145)
        run("decrypt", *KEY, d / "long").is_(REFUSED, "ciphertext: it has 6145 bytes, and KMS takes 6144")
        (d / "long").write_bytes(b"\1" * 40000)
        run("decrypt", *KEY, d / "long").is_(REFUSED, "ciphertext: it has more than 32768 bytes")
        (d / "pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        run("derive-shared-secret", *KEY, "--public-key", d / "pem").is_(REFUSED, "it is not PEM of a public key")
        run(*decrypt, "--ca", d / "pem").is_(REFUSED, "pem: ")
        same(sorted(p.name for p in d.iterdir()), ["blob", "empty", "long", "pem"], "files")


# --- exit codes ----------------------------------------------------------------

@test
def codes_tell_who_has_failed():
    """No NSM, an NSM that refuses, no connection, another certificate, no credentials, ones that KMS refuses, files, KMS."""
    with world() as w:
        w.decrypt(program=SHIPPED).is_(NO_NSM, "no NSM here")
        w.decrypt(env={"KMS_NSM": str(w.path / "none")}).is_(NO_NSM, "no NSM here")
        w.nsm.faults["Attestation"] = Fault(refusal="InternalError")
        w.decrypt().is_(NSM, "kms: decrypt: ")
        # The document is there, and then no random bytes for TLS.
        w.nsm.faults["Attestation"] = Fault(change=lambda d: w.nsm.faults.update(GetRandom=Fault(refusal="InternalError")) or d)
        w.decrypt().is_(NSM, "InternalError")
        w.nsm.faults.clear()
        w.decrypt(connect="tcp:127.0.0.1:1").is_(UNREACHED, "127.0.0.1:1")
        run("decrypt", *PATIENT, "--key", w.key.arn, "--connect", w.address, "--credentials", w.credentials, w.secret_file,
            env=w.env).is_(UNREACHED, "certificate")
        run("decrypt", *PATIENT, "--key", w.key.arn, "--connect", w.address, "--ca", w.kms.ca, w.secret_file,
            env=w.env).is_(CREDENTIALS, "AWS_ACCESS_KEY_ID")
        w.kms.credentials.clear()
        w.decrypt().is_(CREDENTIALS, "UnrecognizedClientException")
        seen = len(w.kms.seen)
        w.decrypt("--out", w.path / "none/x").is_(FILE, "none/x: No such file or directory")
        run("decrypt", "--key", w.key.arn, w.path / "none", env=w.env).is_(FILE, "none: No such file or directory")
        w.decrypt("--out", w.path).is_(FILE, "Is a directory")
        same(len(w.kms.seen), seen, "requests of what could not be written")


@test
def a_refusal_of_kms_is_an_object_with_json():
    """Code, message and request id, the key, and what the document carried; the lines on stderr are the same as without."""
    with world() as w:
        w.key.policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
            "Condition": {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": "ab" * 48}}}]}
        done = w.decrypt("--json").is_(REFUSED, "AccessDeniedException", w.key.arn, w.nsm.pcr(0).hex())
        error = json.loads(done.out)["error"]
        same((error["code"], error["aws_code"], error["status"], error["attempts"], error["key"]),
             ("KMSC_E_DENIED", "AccessDeniedException", 400, 1, w.key.arn), "the object")
        same(error["request_id"], w.kms.seen[-1].request_id, "its request id")
        same(error["document"]["debug"], False, "debug mode")
        for n in (0, 1, 2, 3, 4, 8):
            same(error["document"]["pcrs"][str(n)], w.nsm.pcr(n).hex(), f"PCR{n}")
        check(all(line.startswith("kms: decrypt: ") for line in done.err.splitlines()), done.story)
        w.decrypt().is_(REFUSED, "AccessDeniedException", out=b"")
        w.nsm.set_pcr(0, bytes(48))
        w.decrypt().is_(REFUSED, "debug mode", out=b"")


@test
def a_dry_run_has_no_answer():
    """Code 0 if KMS would do it, with nothing to say; no file is made."""
    with world() as w:
        out = w.path / "out"
        done = w.decrypt("--dry-run", "--out", out)
        same((done.code, done.out, out.exists()), (DONE, b"", False), f"code, output, file: {done.story}")
        w.key.policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}
        w.decrypt("--dry-run").is_(REFUSED, "AccessDeniedException")


# --- what is read --------------------------------------------------------------

@test
def a_ciphertext_comes_in_any_form():
    """Bytes, base64 in lines or quotes, in a file or on stdin; base64 as an argument."""
    with world() as w:
        text = base64.b64encode(w.blob)
        lines = b"\n".join(text[i:i + 76] for i in range(0, len(text), 76)) + b"\n"
        for content in (w.blob, text, lines, b'"' + text + b'"\n', b"  " + text + b" \r\n"):
            w.secret_file.write_bytes(content)
            w.decrypt().is_(DONE, out=SECRET)
            for argument in ((), ("-",)):
                w.run("decrypt", "--key", w.key.arn, "--context", "app=orders", *argument, stdin=content).is_(DONE, out=SECRET)
        w.run("decrypt", "--key", w.key.arn, "--context", "app=orders", f"base64:{text.decode()}",
              program=MUSL).is_(DONE, out=SECRET)


@test
def credentials_come_as_users_have_them():
    """A file of either shape, stdin, an inherited descriptor, the environment; never by an argument."""
    with world() as w:
        id_, secret = "AKIDEXAMPLE", w.kms.credentials["AKIDEXAMPLE"].secret
        words = ("decrypt", *PATIENT, "--key", w.key.arn, "--connect", w.address, "--ca", w.kms.ca, "--context", "app=orders", w.secret_file)
        imds = json.dumps({"Code": "Success", "AccessKeyId": id_, "SecretAccessKey": secret, "Token": "",
                           "Expiration": "2099-01-01T00:00:00Z"}).encode()
        run(*words, "--credentials", "-", stdin=imds, env=w.env).is_(DONE, out=SECRET)
        r, out = os.pipe()
        os.write(out, imds)
        os.close(out)
        run(*words, "--credentials", f"fd:{r}", env=w.env, pass_fds=(r,)).is_(DONE, out=SECRET)
        os.close(r)
        env = {**w.env, "AWS_ACCESS_KEY_ID": id_, "AWS_SECRET_ACCESS_KEY": secret}
        run(*words, env=env).is_(DONE, out=SECRET)
        run(*words, "--credentials", "environment", env=env, program=MUSL).is_(DONE, out=SECRET)


@test
def the_region_is_the_keys_unless_named():
    """An ARN's wins over AWS_REGION, which counts where there is no key."""
    with world() as w:
        words = (*PATIENT, "--connect", w.address, "--ca", w.kms.ca, "--credentials", w.credentials)
        env = {**w.env, "AWS_REGION": "us-east-1"}
        run("decrypt", "--key", w.key.arn, *words, "--context", "app=orders", w.secret_file, env=env).is_(DONE, out=SECRET)
        run("generate-random", "--bytes", "8", *words, env=env).is_(UNREACHED, "certificate")
        done = run("generate-random", "--bytes", "8", *words, env={**w.env, "AWS_DEFAULT_REGION": REGION}).is_(DONE)
        same(len(done.out), 8, "random bytes")


# --- what is written ------------------------------------------------------------

@test
def files_of_secrets_are_whole_and_ones_own():
    """Mode 0600 whatever the umask is, by rename; what is there stays if KMS refuses, and nothing else is left."""
    with world() as w:
        out = w.path / "out"
        out.write_text("before")
        out.chmod(0o644)
        before = out.stat().st_ino
        w.decrypt("--out", out, program=MUSL, umask=0).is_(DONE, out=b"")
        same((out.read_bytes(), oct(out.stat().st_mode & 0o777)), (SECRET, "0o600"), "the file")
        check(out.stat().st_ino != before, "it was written in place")
        w.kms.faults.append("plaintext-instead")
        w.decrypt("--out", out, "--attempts", "1").is_(REFUSED)
        same(out.read_bytes(), SECRET, "the file after a refusal")
        w.decrypt("--out", out, "--base64").is_(DONE)
        same(out.read_bytes(), base64.b64encode(SECRET) + b"\n", "base64")
        w.decrypt("--out", "-").is_(DONE, out=SECRET)
        same(sorted(p.name for p in w.path.iterdir()), ["credentials", "out", "secret"], "files")
        with open("/dev/full", "wb") as full:
            p = subprocess.run([ASAN, "decrypt", *PATIENT, "--key", w.key.arn, "--connect", w.address, "--ca", w.kms.ca, "--credentials",
                                w.credentials, "--context", "app=orders", w.secret_file], stdout=full, stderr=subprocess.PIPE,
                               env={**PLAIN_ENV, **w.env}, timeout=DEADLINE_S, check=False)
        same(p.returncode, FILE, f"the code with a full stdout: {p.stderr!r}")


@test
def a_signal_leaves_no_file():
    """TERM and INT while the NSM is slow: nothing of a secret's file remains."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with world() as w:
            w.nsm.faults["Attestation"] = Fault(hang=True)
            p = subprocess.Popen([MUSL, "decrypt", "--key", w.key.arn, "--credentials", w.credentials, "--out", w.path / "out",
                                  w.secret_file], env={**PLAIN_ENV, **w.env}, stdin=subprocess.DEVNULL)
            wait_for(lambda nsm=w.nsm: nsm.count("Attestation"), "the NSM")
            # Nobody gets a core of it, and it is there for that long.
            limits = Path(f"/proc/{p.pid}/limits").read_text()
            check(re.search(r"^Max core file size +0 +0 ", limits, re.M), limits)
            p.send_signal(number)
            same(p.wait(DEADLINE_S), -number, "how it ended")
            same(sorted(p.name for p in w.path.iterdir()), ["credentials", "secret"], "files")
            w.nsm.release()


@test
def a_signal_leaves_none_of_three_files():
    """Those of a key pair have no name yet, all three."""
    with world() as w:
        w.nsm.faults["Attestation"] = Fault(hang=True)
        files = [w.path / name for name in ("key", "key.kms", "pub")]
        p = subprocess.Popen([MUSL, "generate-data-key-pair", "--key", w.key.arn, "--credentials", w.credentials, "--key-spec",
                              "ECC_NIST_P256", "--out", files[0], "--ciphertext-out", files[1], "--public-out", files[2]],
                             env={**PLAIN_ENV, **w.env}, stdin=subprocess.DEVNULL)
        wait_for(lambda: w.nsm.count("Attestation"), "the NSM")
        same(len(list(w.path.iterdir())), 5, "files while it runs")
        p.send_signal(signal.SIGTERM)
        same(p.wait(DEADLINE_S), -signal.SIGTERM, "how it ended")
        same(sorted(p.name for p in w.path.iterdir()), ["credentials", "secret"], "files")
        w.nsm.release()


@test
def no_file_takes_the_place_of_another():
    """By any name of it: a key without its encrypted form would be lost with the enclave. Nothing is asked for."""
    with world() as w:
        (w.path / "folder").symlink_to(w.path)
        (w.path / "there").write_bytes(b"before")
        (w.path / "link").symlink_to(w.path / "there")
        pair = ("--key-spec", "ECC_NIST_P256")
        for a, b in ((w.path / "x", w.path / "x"), (w.path / "x", w.path / "folder/x"), (w.path / "there", w.path / "link"),
                     (w.path / "x", f"{w.path}/./x")):
            w.run("generate-data-key", "--key", w.key.arn, "--out", a, "--ciphertext-out", b).is_(USAGE, "a file is for one of them")
            w.run("generate-data-key-pair", *pair, "--key", w.key.arn, "--out", w.path / "y", "--ciphertext-out", a, "--public-out",
                  b).is_(USAGE, "a file is for one of them")
        w.decrypt("--out", "").is_(FILE, "the name of a file to write is empty")
        same((w.kms.seen, (w.path / "there").read_bytes()), ([], b"before"), "requests")
        same(sorted(p.name for p in w.path.iterdir()), ["credentials", "folder", "link", "secret", "there"], "files")
        w.run("generate-data-key", "--key", w.key.arn, "--out", w.path / "x", "--ciphertext-out", w.path / "y").is_(DONE)


@test
def a_limit_on_files_is_an_error():
    """And no end by a signal, after which a part of the secret would lie about."""
    with world() as w:
        for size in (0, 7):
            w.decrypt("--out", w.path / "out", program=MUSL, preexec_fn=lambda n=size: resource.setrlimit(
                resource.RLIMIT_FSIZE, (n, n))).is_(FILE, "out: File too large")
        same(sorted(p.name for p in w.path.iterdir()), ["credentials", "secret"], "files")


@test(seconds=2)
def few_descriptors_are_the_systems_failure():
    """Whatever could not be opened: code 5, or that of the part; no connection is blamed, and nothing is left over."""
    with world() as w:
        codes = [w.decrypt("--out", w.path / "out", program=MUSL, preexec_fn=lambda n=n: resource.setrlimit(
            resource.RLIMIT_NOFILE, (n, n))) for n in range(1, 9)]
        for done in codes[:-1]:
            check(done.code in (FILE, CREDENTIALS, NSM) and "descriptors" in done.err, done.story)
        codes[-1].is_(DONE)
        same(sorted(p.name for p in w.path.iterdir()), ["credentials", "out", "secret"], "files")


def on_terminal(w: World, *words: object) -> tuple[int, bytes]:
    """Code, and what a terminal as stdout shows of `kms decrypt`."""
    head, tail = pty.openpty()
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                data = os.read(head, 4096)
            except OSError:
                return
            if not data:
                return
            shown.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    p = subprocess.run([ASAN, "decrypt", *PATIENT, "--key", w.key.arn, "--connect", w.address, "--ca", w.kms.ca, "--credentials",
                        w.credentials, "--context", "app=orders", *words, w.secret_file], stdin=subprocess.DEVNULL, stdout=tail,
                       stderr=subprocess.PIPE, env={**PLAIN_ENV, **w.env}, timeout=DEADLINE_S, check=False)
    os.close(tail)
    reader.join(DEADLINE_S)
    os.close(head)
    return p.returncode, bytes(shown).replace(b"\r\n", b"\n") + p.stderr


@test
def a_secret_does_not_go_to_a_terminal():
    """It is refused before KMS is asked; base64, JSON and --force go there, and a file is no terminal."""
    with world() as w:
        for words in ((), ("--out", "-")):
            code, shown = on_terminal(w, *words)
            same(code, USAGE, f"the code, with {shown!r}")
            check(b"a secret does not go to a terminal" in shown, f"{shown!r}")
        same(w.kms.seen, [], "requests")
        same(on_terminal(w, "--force"), (DONE, SECRET), "--force")
        same(on_terminal(w, "--base64"), (DONE, base64.b64encode(SECRET) + b"\n"), "--base64")
        same(on_terminal(w, "--out", w.path / "out"), (DONE, b""), "--out")
        code, shown = on_terminal(w, "--json")
        same((code, json.loads(shown)["plaintext"]), (DONE, base64.b64encode(SECRET).decode()), "--json")


@test
def a_data_key_comes_back_by_decrypt():
    """Of each length, to files and as JSON; the encrypted one in base64 on stdout, as bytes in a file."""
    with world() as w:
        key, blob = w.path / "key", w.path / "blob"
        arn = ("--key", w.key.arn, "--context", "app=orders")
        for words, size in (((), 32), (("--key-spec", "AES_128"), 16), (("--bytes", "100"), 100)):
            done = w.run("generate-data-key", *arn, "--out", key, *words).is_(DONE)
            same((len(key.read_bytes()), oct(key.stat().st_mode & 0o777)), (size, "0o600"), "the key")
            w.run("decrypt", *arn, stdin=done.out).is_(DONE, out=key.read_bytes())
        done = w.run("generate-data-key", *arn, "--out", "-", "--ciphertext-out", blob, umask=0o022).is_(DONE)
        same(oct(blob.stat().st_mode & 0o777), "0o644", "the encrypted key, which is no secret")
        w.run("decrypt", *arn, blob).is_(DONE, out=done.out)
        found = json.loads(w.run("generate-data-key", *arn, "--json").is_(DONE).out)
        w.run("decrypt", *arn, f"base64:{found['ciphertext']}", "--base64").is_(DONE, out=found["plaintext"].encode() + b"\n")
        same(found["key_id"], w.key.arn, "the key's id")


@test(seconds=2)
def a_key_pair_is_one():
    """The private key has the public one, and comes back by decrypt."""
    with world() as w:
        arn = ("--key", w.key.arn, "--context", "app=orders")
        files = [w.path / name for name in ("private", "blob", "public")]
        done = w.run("generate-data-key-pair", *arn, "--key-spec", "ECC_NIST_P256", "--out", files[0], "--ciphertext-out", files[1])
        done.is_(DONE)
        private = load_der_private_key(files[0].read_bytes(), None)
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        same(base64.b64decode(done.out), der, "the public key")
        w.run("decrypt", *arn, files[1]).is_(DONE, out=files[0].read_bytes())
        w.run("generate-data-key-pair", *arn, "--key-spec", "RSA_2048", "--out", files[0], "--ciphertext-out", files[1],
              "--public-out", files[2], program=MUSL).is_(DONE, out=b"")
        private = load_der_private_key(files[0].read_bytes(), None)
        same(files[2].read_bytes(), private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "RSA's")
        found = json.loads(w.run("generate-data-key-pair", *arn, "--key-spec", "ECC_NIST_P384", "--json").is_(DONE).out)
        w.run("decrypt", *arn, f"base64:{found['private_key_ciphertext']}", "--base64").is_(
            DONE, out=found["private_key"].encode() + b"\n")


@test
def a_shared_secret_is_what_the_other_side_has():
    """With a public key as DER, PEM and base64."""
    with world() as w:
        pair = w.kms.new_key("ECC_NIST_P256", "KEY_AGREEMENT")
        mine = ec.generate_private_key(ec.SECP256R1())
        wanted = mine.exchange(ec.ECDH(), pair.private.public_key())
        spki = mine.public_key()
        der = spki.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        (w.path / "der").write_bytes(der)
        (w.path / "pem").write_bytes(spki.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        (w.path / "b64").write_bytes(base64.b64encode(der) + b"\n")
        for form in (w.path / "der", w.path / "pem", w.path / "b64", f"base64:{base64.b64encode(der).decode()}"):
            w.run("derive-shared-secret", "--key", pair.arn, "--public-key", form).is_(DONE, out=wanted)
        w.run("derive-shared-secret", "--key", pair.arn, "--public-key", "-", "--algorithm", "ECDH",
              stdin=der).is_(DONE, out=wanted)


@test
def what_is_given_arrives():
    """Endpoint, FIPS host, grant tokens, key store and context are in the request as KMS gets it."""
    with world() as w:
        w.decrypt("--grant-token", "one", "--grant-token", "two").is_(DONE)
        same((w.kms.seen[-1].body["GrantTokens"], w.kms.seen[-1].body["EncryptionContext"]), (["one", "two"], CONTEXT), "the body")
        w.decrypt("--fips").is_(UNREACHED, "certificate")
        same(w.kms.names[-1], f"kms-fips.{REGION}.amazonaws.com", "the name that was asked for")
        w.decrypt("--dual-stack").is_(UNREACHED, "certificate")
        same(w.kms.names[-1], f"kms.{REGION}.api.aws", "the name that was asked for")
        w.decrypt("--endpoint", "vpce-1.kms.eu-west-1.vpce.amazonaws.com").is_(UNREACHED, "certificate")
        same(w.kms.names[-1], "vpce-1.kms.eu-west-1.vpce.amazonaws.com", "the name that was asked for")
        w.decrypt(key=w.kms.new_key().arn).is_(REFUSED)
        w.run("decrypt", "--any-key", "--context", "app=orders", w.secret_file).is_(DONE, out=SECRET)
        check("KeyId" not in w.kms.seen[-1].body, f"{w.kms.seen[-1].body}")


@test
def secrets_are_in_no_argument_and_no_error():
    """Neither the secret access key nor the plaintext is in /proc/PID/cmdline, on stderr, or in an object of JSON that refuses."""
    with world() as w:
        secret = w.kms.credentials["AKIDEXAMPLE"].secret
        for fault in ("plaintext-instead", "plaintext-too", "other-key-id", "html", "truncated"):
            w.kms.faults.append(fault)
            done = w.decrypt("--json", "--attempts", "1")
            check(done.code != DONE, done.story)
            for word in (secret, SECRET.decode().strip(), base64.b64encode(SECRET).decode()):
                check(word not in done.err and word.encode() not in done.out, done.story)
        check(secret not in " ".join(options_of(help_of("decrypt"))), "an option")


@test
def the_examples_of_the_page_are_right():
    """Each command of kms.1's EXAMPLES, by a shell, with the fakes behind it."""
    text = PAGE.read_text().partition(".Sh EXAMPLES")[2].partition("\n.Sh ")[0]
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S)
    check(len(blocks) >= 4, f"{len(blocks)} examples")
    with world() as w:
        pair = w.kms.new_key("ECC_NIST_P256", "KEY_AGREEMENT")
        spki = ec.generate_private_key(ec.SECP256R1()).public_key()
        (w.path / "peer.pem").write_bytes(spki.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        (w.path / "secret.kms").write_bytes(w.blob)
        (w.path / "data").write_bytes(b"data" * 100)
        (w.path / "kms").write_text(f"""#!/bin/sh
exec {MUSL} "$@" {' '.join(PATIENT)} --connect {w.address} --ca {w.kms.ca} --credentials {w.credentials}
""")
        (w.path / "kms").chmod(0o755)
        for block in blocks:
            script = block.replace("\\e", "\\").replace("\\(aq", "'").replace("\\-", "-")
            check("\\(" not in script and "\\&" not in script, f"an example that a shell does not read: {script}")
            script = re.sub(r"--(connect|credentials) ('[^']*'|\S+)", "", script)
            script = script.replace("$PAIR", pair.arn).replace("$KEY", w.key.arn)
            p = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=w.path, capture_output=True, timeout=DEADLINE_S,
                               env={**PLAIN_ENV, **w.env, "PATH": f"{w.path}:{os.environ['PATH']}"}, check=False)
            same((p.returncode, p.stderr), (0, b""), f"code and stderr of {script}")
        same((w.path / "secret").read_bytes(), SECRET, "the secret of the first example")
        same((w.path / "data.again").read_bytes(), b"data" * 100, "what the envelope had in it")


@test
def the_page_is_clean():
    """mandoc has no warning, and no line is longer than 80 bytes."""
    p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True, check=False)
    same(p.stdout, "", "mandoc's words")
    long = [line for line in PAGE.read_text().splitlines() if len(line.encode()) > 80]
    same(long, [], "long lines")
