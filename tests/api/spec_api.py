"""enclave-api.conf: what is read, and what is refused, with its line and words."""

import subprocess

from .lib import ASAN, DEADLINE_S, SHIPPED, TOP, check, folder, same, test

ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KMS = f"region = eu-west-1\ncredentials = imds vsock:3:8002\nkey = orders {ARN}\n"
FULL = f"""# all of it
region = eu-west-1
endpoint = vpce-1.kms.eu-west-1.vpce.amazonaws.com:443
ca = /etc/ca.pem
connect = tcp:127.0.0.1:8000
credentials = container http://127.0.0.1:9000/creds
kms-workers = 16
kms-timeout = 500ms
nsm-timeout = 2m
recipient-key-max = 1h
socket = /run/enclave/api.sock
socket-group = app
socket-mode = 0660
notify-dir = /run/enclave/notify
listen = 127.0.0.1:8100
\tlisten = [::1]:8100
key = orders {ARN} context.app=orders "context.a b=c \\"d\\" \\x41"
key = other.key_2 {ARN[:-1]}c
secret = default/key/1 orders /etc/key.1
secret = a_b-c.d other.key_2 /etc/key.1
allow = kms user=app group=9
allow = kms:orders any
allow = extend user=0
compat = evervault 127.0.0.1:9999
compat = oyster 127.0.0.1:1350
"""
# The text, the line, and what is said.
BAD = (
    ("x", 1, "a line is KEY = VALUE"), ("\n\nwhat = 5", 3, "no such key: what: the nearest is "),
    ("sokcet = /run/a", 1, "no such key: sokcet: the nearest is socket"), ("Workers = 5", 1, "no such key: Workers: the nearest is kms-workers"),
    (f"{'a' * 32} = 5", 1, "the nearest is ca"), ("region =", 1, "region: it must be a region"),
    ("region = mars-1", 1, "region mars-1: it must be a region"), ("region = eu-west-1 x", 1, "one word too many"),
    ("region = eu-west-1\nregion = eu-west-1", 2, "it is there twice"), ("region = eu-west-1", 1, "no line credentials"),
    (f"key = a {ARN}", 1, "no line region"), (KMS.replace("orders", "or/ders"), 3, "a name has letters"),
    (KMS.replace("key/1234", "alias/1234"), 3, "an alias can be pointed at any key"), (KMS.replace("key/1234", "1234"), 3, "full ARN"),
    (KMS.replace("aws:kms:eu-west-1", "aws:kms:eu-west-2"), 3, "a key of another region"), (KMS.replace("arn:aws:", "arn:aws-cn:"), 3, "full ARN"),
    (KMS.replace("111122223333", "1111"), 3, "full ARN"), (KMS + f"key = orders {ARN[:-1]}c", 4, "this name is there twice"),
    (KMS + f"key = b {ARN}", 4, "another line has this key"), (KMS.replace("orders", "a" * 65), 3, "at most 64"),
    (KMS[:-1] + " app=x\n", 3, "context.NAME=VALUE"), (KMS[:-1] + " context.=x\n", 3, "context.NAME=VALUE"),
    (KMS[:-1] + " context.a=\n", 3, "context.NAME=VALUE"), (KMS[:-1] + " context.a=b context.a=c\n", 3, "a: this name is there twice"),
    (KMS[:-1] + "".join(f" context.a{n}=b" for n in range(9)) + "\n", 3, "more than 8 pairs"),
    (KMS[:-1] + ' "context.a=b\n', 3, "a quote that does not end"), (KMS[:-1] + ' context.a="b"\n', 3, "a quote within a word"),
    (KMS[:-1] + ' "context.a=\\y"\n', 3, "no escape"), (KMS[:-1] + ' "context.a=b"x\n', 3, "follows the quote"),
    (KMS[:-1] + ' "context.a=\\x00"\n', 3, "no escape"), ("listen = 0.0.0.0:80", 1, "127.0.0.1:PORT"), ("listen = 10.0.0.1:80", 1, "127.0.0.1:PORT"),
    ("listen = [::]:80", 1, "127.0.0.1:PORT"), ("listen = vsock:80", 1, "127.0.0.1:PORT"), ("listen = localhost:80", 1, "127.0.0.1:PORT"),
    *((f"endpoint = {e}", 1, "HOST or HOST:PORT") for e in ("a:b:c", "a:99999", "a:0", "a:", ":443", "-", "a..b", "[::1]:443", "a:080")),
    (KMS[:-1] + ' "context.a=\\xff"\n', 3, "UTF-8"), (KMS[:-1] + ' "context.\\xe9=b"\n', 3, "UTF-8"),
    ("connect = unix:relative", 1, "connect unix:relative"), (f"connect = unix:/{'a' * 300}", 1, "connect"), ("kms-timeout = 11m", 1, "10 minutes"),
    (f"socket = /{'a' * 106}", 1, "at most 106 bytes"),
    ("listen = 127.0.0.1:0", 1, "127.0.0.1:PORT"), ("listen = 127.0.0.1:65536", 1, "127.0.0.1:PORT"), ("listen = 127.0.0.1", 1, "127.0.0.1:PORT"),
    ("listen = 127.1:80", 1, "127.0.0.1:PORT"), ("listen = [::ffff:127.0.0.1]:80", 1, "127.0.0.1:PORT"),
    ("listen = 127.0.0.1:80-90", 1, "127.0.0.1:PORT"), ("listen = 127.0.0.1:80\nlisten = 127.0.0.1:80", 2, "another line listens there"),
    ("listen = 127.0.0.1:80\ncompat = oyster 127.0.0.1:80", 2, "another line listens there"),
    ("\n".join(f"listen = 127.0.0.1:{n}" for n in range(1, 6)), 5, "more than 4 lines"),
    ("compat = dstack 127.0.0.1:80", 1, "compat dstack"), ("compat = own 127.0.0.1:80", 1, "compat own"), ("compat = oyster", 1, "127.0.0.1:PORT"),
    ("compat = oyster 127.0.0.1:1\ncompat = oyster 127.0.0.1:2", 2, "it is there twice"),
    (KMS + "secret = a orders", 4, "must be a path"), (KMS + "secret = a", 4, "NAME KEY FILE"), (KMS + "secret =", 4, "NAME KEY FILE"),
    (KMS + "secret = a other /x", 4, "no key line before"), (f"secret = a orders /x\n{KMS}", 1, "no key line before"),
    (KMS + "secret = a orders x", 4, "begins with a /"), (KMS + "secret = /a orders /x", 4, "between these"),
    (KMS + "secret = a/ orders /x", 4, "between these"), (KMS + "secret = a//b orders /x", 4, "between these"),
    (KMS + "secret = a%2fb orders /x", 4, "between these"), (KMS + "secret = " + "a" * 65 + " orders /x", 4, "at most 64"),
    (KMS + "secret = a orders /x\nsecret = a orders /y", 5, "this name is there twice"),
    (KMS + "".join(f"secret = a{n} orders /x\n" for n in range(65)), 68, "more than 64 secrets"),
    ("allow =", 1, "and who"), ("allow = all any", 1, "allow all"), ("allow = random", 1, "who?"), ("allow = random root", 1, "user=NAME"),
    ("allow = random user=", 1, "user=NAME"), ("allow = random user=a/b", 1, "user=NAME"), ("allow = health any", 1, "all who can connect"),
    ("allow = kms:orders any", 1, "no key line before"), ("allow = random:a any", 1, "allow random:a"),
    ("\n".join("allow = random any" for _ in range(65)), 65, "more than 64 rules"),
    ("credentials =", 1, "credentials"), ("credentials = fd:3", 1, "cannot be read again"), ("credentials = -", 1, "cannot be read again"),
    ("credentials = imds nowhere", 1, "credentials"), ("credentials = setclient vsock:3000", 1, "cannot be read again"),
    ("connect = nowhere", 1, "connect nowhere"), ("connect = vsock:3:1-5", 1, "connect"), ("endpoint = http://x/", 1, "HOST or HOST:PORT"),
    ("ca = ca.pem", 1, "begins with a /"), ("kms-workers = 0", 1, "1 to 16"), ("kms-workers = 17", 1, "1 to 16"), ("kms-workers = 1x", 1, "1 to 16"),
    ("kms-timeout = 0", 1, "too short"), ("kms-timeout = 25h", 1, "at most 24h"), ("kms-timeout = 5 s", 1, "one word too many"),
    ("nsm-timeout = 99999999999999999999", 1, "a time"), ("recipient-key-max = 1s", 1, "too short"), ("socket = api.sock", 1, "begins with a /"),
    ("socket-mode = 660", 0, ""), ("socket-mode = 0999", 1, "0660"), ("socket-mode = 01777", 1, "0660"),
    ("socket-mode = rw", 1, "0660"), ("socket-group = a b", 1, "one word too many"), ("socket-group = a/b", 1, "a group's name"),
    ("region = eu-west-1\0", 1, "a NUL"), ("#" * 65537, 0, "64 KiB"), ("région = x", 1, "no such key: r??gion"),
    ("\x1b[31m = x", 1, "no such key: ?[31m"),
)


def check_file(program: object, text: str) -> subprocess.CompletedProcess:
    with folder() as path:
        file = path / "conf"
        file.write_bytes(text.encode())
        return subprocess.run([program, "--check", file], capture_output=True, text=True, timeout=DEADLINE_S, check=False)


@test
def a_good_configuration_is_good() -> None:
    """All keys in all their forms, an empty file, and lines that end as DOS's."""
    for program in (ASAN, SHIPPED):
        for text in (FULL, "", FULL.replace("\n", "\r\n"), FULL.rstrip(), KMS, "\n\n# a\n \t \n"):
            p = check_file(program, text)
            same((p.returncode, p.stdout, p.stderr), (0, "", ""), f"of {text[:50]!r}")


@test
def each_fault_has_its_line_and_words() -> None:
    """Code 1 and one line on stderr, `enclave-api: line N: ...`, for each; nothing of it reaches the terminal as it is."""
    for text, line, words in BAD:
        p = check_file(ASAN, text)
        if not words:
            same(p.returncode, 0, f"{text!r}")
            continue
        same((p.returncode, p.stdout), (1, ""), f"{text[:80]!r} ({p.stderr})")
        check(p.stderr.startswith(f"enclave-api: line {line}: " if line else "enclave-api: "), f"{text[:80]!r}: {p.stderr}")
        check(words in p.stderr and p.stderr.count("\n") == 1 and p.stderr.strip().isprintable() and p.stderr.isascii(), f"{words!r}: {p.stderr!r}")


@test
def what_only_a_start_shows_is_said() -> None:
    """Users and groups that do not exist, a directory that does not, a port that is taken, a CA that is none."""
    with folder() as path:
        for lines, code, words in (
            ("\nallow = random user=nobody-of-that-name", 1, "line 2: allow nobody-of-that-name: there is no such user"),
            ("allow = random group=nobody-of-that-name", 1, "line 1: allow nobody-of-that-name: there is no such group"),
            ("socket = /nonexistent/api.sock", 5, "/nonexistent/api.sock: No such file or directory"),
            (f"socket = {path}/s\nsocket-group = nobody-of-that-name", 5, "socket-group nobody-of-that-name: there is no such group"),
        ):
            from kms.nsm import Nsm
            with Nsm() as nsm:
                (path / "conf").write_text(lines + "\n")
                p = subprocess.run([ASAN, path / "conf"], capture_output=True, text=True, timeout=DEADLINE_S, check=False,
                                   env={"KMS_NSM": str(nsm.path)})
                check(p.returncode == code and words in p.stderr, f"{lines!r}: {p}")


@test
def the_command_line_is_checked() -> None:
    """--help, --version, a file that is not there, words too many."""
    def call(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([SHIPPED, *words], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    check(call("--help").stdout.startswith("usage: enclave-api"), "--help")
    same(call("--version").stdout, f"enclave-api {(TOP / 'VERSION').read_text().strip()}\n", "--version")
    same(call("--check").returncode, 2, "--check alone")
    same(call("a", "b").returncode, 2, "two files")
    same(call("--what").returncode, 2, "an option that is none")
    p = call("--check", "/nonexistent")
    same((p.returncode, p.stderr), (1, "enclave-api: /nonexistent: No such file or directory\n"), "no file")
