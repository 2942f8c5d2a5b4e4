"""Documents: verify and show, on documents of a test CA (tests/interop/ca.py)."""

import base64
import hashlib
import json
import re
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from interop import ca

from .lib import ASAN, DONE, MUSL, REFUSED, SHIPPED, TOP, USAGE, Done, check, equal, run, test, without_memory

NOW = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ca.NOW))
PCR = {n: v.hex() for n, v in ca.pcr_values().items()}
ALL = ["form", "chain", "validity", "signature", "debug", "pcrs", "nonce", "user_data", "public_key", "age"]
HOLD = TemporaryDirectory(prefix="nsm-tool-doc-")
DIR = Path(HOLD.name)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@cache
def root() -> Path:
    path = DIR / "root.der"
    path.write_bytes(ca.as_aws().ders[0])
    return path


@cache
def good(nonce: bytes | None = b"\1\2\3", user_data: bytes | None = b"hello", key: bytes | None = b"key",
         form: str = "") -> bytes:
    def item(v: bytes | None) -> bytes:
        return ca.NULL if v is None else ca.octets(v)
    return ca.document(form=form, nonce=item(nonce), user_data=item(user_data), public_key=item(key))


ANY = ("--any-image", "--any-age")


def verify(doc: bytes, *words: object, at: object = NOW, program: Path = ASAN, file: str = "-",
           by: Path | None = None) -> Done:
    """By the root BY, or that of the documents here. Any image and any age will do where WORDS ask for none."""
    given = {str(w).split("=")[0] for w in words}
    more = [] if "--pcr" in given else [w for w in ANY[:1] if w not in given]
    if at != "document" and not given & {"--nonce", "--max-age", "--any-age"}:
        more.append("--any-age")
    return run("verify", file, "--root", by or root(), *(("--time", at) if at else ()), *more, *words, stdin=doc,
               program=program)


def refused(what: str, error: str, code: str, **more: object) -> dict:
    """The object of a refusal."""
    return {"verified": False, "code": f"NSMC_E_{code}", "error": error, "object": what, "checked": [], "pcrs_checked": [],
            **more}


@test
def a_good_document_is_verified() -> None:
    """By all builds, of the payload's open form and of the older one; what was checked and what was not is said."""
    for program, form in ((SHIPPED, "open"), (MUSL, "definite"), (ASAN, "open"), (ASAN, "definite")):
        doc = good(form=form)
        done = verify(doc, "--pcr", f"0={PCR[0]}", "--nonce", "010203", program=program).is_(DONE, "")
        lines = dict(line.split(":", 1) for line in done.text.splitlines())
        equal({k: v.strip() for k, v in lines.items()},
              {"verified": "yes", "checked": "form, chain, validity, signature, debug mode, nonce",
               "checked PCRs": "0", "not checked": "user_data, public_key, age", "other PCRs": "1-15",
               "module_id": ca.MODULE_ID, "timestamp": f"{ca.NOW * 1000} ({NOW[:-1]}.000Z)",
               "valid at": f"{NOW[:-1]}.000Z"}, "text")
    wanted = done.text
    text = verify(doc, "--pcr", f"0={PCR[0]}", "--nonce", "010203", "--user-data", "text:hello", "--public-key", "text:key",
                  "--max-age", 0).is_(DONE, "").text
    check("\nnot checked:  nothing\n" in text, f"all was asked for: {text}")
    (DIR / "doc").write_bytes(doc)
    verify(b"", "--pcr", f"0={PCR[0]}", "--nonce=010203", file=str(DIR / "doc")).is_(DONE, "", wanted)


def as_answer(doc: bytes) -> bytes:
    """An NSM's whole answer."""
    return ca.pairs([(ca.text("Attestation"), ca.pairs([(ca.text("document"), ca.octets(doc))]))])


def as_texts(data: bytes) -> list[str]:
    """The ways to write DATA that people and programs have."""
    b = b64(data)
    lines = "\n".join(b[i:i + 64] for i in range(0, len(b), 64))
    url = b.replace("+", "-").replace("/", "_")
    texts = [data.hex(), data.hex().upper(), data.hex(" ", 16), data.hex(":"), f"0x{data.hex()}", f"0X{data.hex().upper()}\n",
             f"\r\n  {data.hex()}\r\n", b, b + "\n", b.rstrip("="), url, url.rstrip("="), f"\n{lines}\n",
             lines.replace("\n", "\r\n"), f"\ufeff{b}\r\n"]
    quoted = [json.dumps(t) for t in texts[:-1]] + [json.dumps(b).replace("/", "\\/"), f"'{b}'", f" '{data.hex()}'\n", f'" {b} "']
    armoured = [f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----\n" for name in ("ATTESTATION DOCUMENT", "COSE", "CMS")]
    return [*texts, *quoted, *armoured, armoured[0].replace("\n", "\r\n"), "\n" + armoured[1]]


@test
def a_document_is_read_in_every_form() -> None:
    """
    As it is, hex, base64 of both alphabets, with padding and without, quoted, armoured, and within the NSM's answer;
    tagged, and with all of its maps and arrays open.
    """
    doc = good()
    words = ("--pcr", f"0={PCR[0]}", "--nonce", "010203")
    wanted = verify(doc, *words).is_(DONE, "").text
    tagged, answer = b"\xd2" + doc, as_answer(doc)
    opened = ca.open_pairs([(ca.text("Attestation"), ca.open_pairs([(ca.text("document"), ca.octets(doc))]))])
    for data in (doc, tagged, answer, opened):
        equal(verify(data, *words).is_(DONE, "").text, wanted, f"of {data[:9]!r}")
    for i, text in enumerate((*as_texts(doc), *as_texts(tagged), *as_texts(answer), *as_texts(opened))):
        done = verify(text.encode(), *words, program=ASAN if i % 3 == 0 else MUSL)
        equal(done.is_(DONE, "").text, wanted, f"of {text[:40]!r}")
    shown = run("show", "-", "--json", stdin=doc).is_(DONE, "").text
    for text in as_texts(answer):
        run("show", "-", "--json", stdin=text.encode(), program=MUSL).is_(DONE, "", shown)
    for text in as_texts(ca.all_open()):
        verify(text.encode(), program=MUSL).is_(DONE, "")
    verify(ca.all_open()).is_(DONE, "")
    (DIR / "doc").write_bytes(doc)
    verify(b"", "--pcr", f"0={PCR[0]}", "--nonce=010203", file=str(DIR / "doc")).is_(DONE, "", wanted)


@test
def words_about_a_bad_form_say_which_it_is() -> None:
    """What is text but no document, and what ends before it should: code 1, as JSON too."""
    b = b64(good())
    quote, armour = "it begins with a quote, but does not end so", "it begins like PEM, but has no end"
    form, text_ = "it begins like {}, but is not all of that", "it is text, but not a document in hex or base64"
    for text, err in ((f'"{b}', quote), (f"'{b}\"", quote), ('"', quote), (f"-----BEGIN X-----\n{b}", armour), ("-----BEGIN X-----", armour),
                      ("0x8", form.format("hex")), ("84zz", form.format("hex")), (f"{b[:100]}!{b[100:]}", form.format("base64")),
                      (f"{b[:100]}={b[100:]}", form.format("base64")), ("junk", text_), ('"junk"', text_),
                      ('{"document": "hEShATg"}', text_), ('""', "it is empty"), ("-----BEGIN X-----\n-----END X-----\n", "it is empty"),
                      (" \n", "it is empty"), ("'\\n'", "it is empty"), ("", "it is empty")):
        done = verify(text.encode(), "--json").is_(REFUSED, f"nsm: verify: stdin: {err}")
        equal(done.json, refused("document", "it is no document", "DOC_CBOR"), f"of {text[:20]!r}")
    # An answer that is a refusal, or is cut, is no document either.
    for data in (ca.pairs([(ca.text("Error"), ca.text("InternalError"))]), as_answer(good())[:-1], as_answer(good()) + b"\0",
                 as_answer(as_answer(good()))):
        verify(data).is_(REFUSED, "nsm: verify: ", b"")


@test
def what_pins_nothing_is_misuse() -> None:
    """Neither an image nor an age, by omission: code 2 and no object; said by name it is fine."""
    doc, image, age = good(), ("--pcr", f"0={PCR[0]}"), ("--max-age", 0)
    at = ("verify", "-", "--root", root(), "--time", NOW)
    which = "of which image? --pcr N=BYTES, or --any-image: anybody's"
    new = "how new? --nonce BYTES or --max-age SECONDS; --time document for a stored one; or --any-age"
    for words, err in (((), which), (age, which), (("--nonce", "010203"), which),
                       (("--any-age", "--user-data", "text:hello"), which),
                       (("--any-age", "--nitrotpm"), which), (image, new), (("--any-image",), new),
                       ((*image, "--no-nonce"), new), ((*image, "--nonce", ""), new), ((*image, "--nonce", "0x"), new),
                       ((*image, "--user-data", "text:hello"), new), ((*image, "--leeway", 0), new)):
        for more in ((), ("--json",)):
            run(*at, *words, *more, stdin=doc).is_(USAGE, f"nsm: verify: {err}", b"")
    for words in ((*image, *age), (*image, "--nonce", "010203"), (*image, "--any-age"), ("--any-image", *age), ANY,
                  ("--any-image", "--nonce=0x010203"), (*image, "--any-image", "--any-age", *age)):
        run(*at, *words, stdin=doc).is_(DONE, "")
    run(*at[:-2], *image, "--time", "document", stdin=doc).is_(DONE, "")
    run(*at[:-2], "--time", "document", stdin=doc).is_(USAGE, which, b"")
    # An age that was not asked for is among what was not checked.
    check("age" in run(*at, *ANY, "--json", stdin=doc).json["not_checked"], "any age")


@test
def json_says_the_same() -> None:
    """And has the document's fields, but only if it is true."""
    doc = good()
    done = verify(doc, "--pcr", f"0={PCR[0]}", "--pcr", f"15={PCR[15]}", "--nonce", "010203", "--user-data", "text:hello",
                  "--public-key", "text:key", "--max-age", 0, "--json").is_(DONE, "")
    got = done.json
    shown = run("show", "-", "--json", stdin=doc).is_(DONE, "").json
    equal(got, {"verified": True, "debug": False, "checked": ALL, "pcrs_checked": [0, 15], "not_checked": [],
                "pcrs_not_checked": [*range(1, 15)], "time": ca.NOW, "time_of_document": False, "document": shown},
          "all asked for")
    equal(verify(doc, "--pcr", f"0={PCR[0]}", "--json", "--any-age", by=root()).json["document"], shown, "the document")
    *bundle, leaf = ca.as_aws().ders
    equal({**shown, "signature": ""},
          {"algorithm": -35, "kind": "enclave", "module_id": ca.MODULE_ID, "digest": "SHA384", "timestamp": ca.NOW * 1000,
           "debug": False, "pcrs": {str(n): v for n, v in PCR.items()}, "certificate": b64(leaf),
           "cabundle": [b64(c) for c in bundle], "public_key": b64(b"key"), "user_data": b64(b"hello"),
           "nonce": b64(b"\1\2\3"), "signature": ""}, "show --json")
    equal(base64.b64decode(shown["signature"]), doc[-96:], "the signature")
    got = verify(doc, "--json").is_(DONE, "").json
    equal((got["checked"], got["not_checked"]), (ALL[:5], ALL[5:]), "nothing asked for")
    for words, error, code, what, more, pcrs in (
            (("--nonce", "00"), "it is not the one expected", "OTHER", "nonce", [], []),
            (("--pcr", f"1={PCR[1]}", "--pcr", "3=" + "11" * 48), "it is not the one expected", "OTHER", "PCR3", [], [1]),
            (("--pcr", f"0={PCR[0]}", "--no-user-data"), "it is present", "PRESENT", "user_data", ["pcrs"], [0])):
        done = verify(doc, *words, "--json").is_(REFUSED, f"nsm: verify: {what}: {error}\n")
        equal(done.json, refused(what, error, code, checked=ALL[:5] + more, pcrs_checked=pcrs), "a refusal")
    done = verify(doc, "--json", at=ca.NOW - 9).is_(REFUSED, "certificate: it is not valid yet")
    equal((done.json["code"], done.json["object"], done.json["checked"]), ("NSMC_E_CERT_NOT_YET", "certificate", ["form"]),
          "a refused chain")
    for junk in (b"", b"\x84", b"8400zz", b"hE=", b"junk\x1b", bytes(70000)):
        for done in (verify(junk, "--json"), run("show", "-", "--json", stdin=junk)):
            got = done.is_(REFUSED).json
            check(got["code"].startswith("NSMC_E_DOC_") and got["error"], f"code of {junk[:9]!r}: {got}")
            equal((got["verified"], got["checked"], got["pcrs_checked"], set(got)),
                  (False, [], [], {"verified", "code", "error", "object", "checked", "pcrs_checked"}), f"of {junk[:9]!r}")
    (DIR / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    equal(run("verify", "-", "--root", DIR / "junk.pem", *ANY, "--json", stdin=doc).is_(REFUSED, "junk.pem: ").json,
          refused("root", "it is no certificate", "ROOT"), "a root that is none")
    # The page has them all.
    page = (TOP / "nsm/nsm.1").read_text()
    keys = {*got, *verify(doc, "--json").json, *shown}
    missing = sorted(k for k in keys if not re.search(rf"^\.It (?:Li \w+ , )*Li {k}\b", page, re.M))
    equal(missing, [], "keys that nsm.1 does not explain")


@test
def what_is_asked_for_is_checked() -> None:
    """Each option on a document that has it, has another, or has none."""
    doc, bare, empty = good(), good(None, None, None), good(b"", b"", b"")
    for name, option, value in (("nonce", "nonce", "hex:010203"), ("user_data", "user-data", "text:hello"),
                                ("public_key", "public-key", "text:key")):
        verify(doc, f"--{option}", value).is_(DONE, "")
        verify(doc, f"--{option}", "text:other").is_(REFUSED, f"nsm: verify: {name}: it is not the one expected\n", b"")
        verify(doc, f"--{option}", "", "--any-age").is_(REFUSED, f"{name}: it is not the one expected", b"")
        verify(doc, f"--no-{option}").is_(REFUSED, f"nsm: verify: {name}: it is present\n", b"")
        verify(bare, f"--no-{option}").is_(DONE, "")
        verify(bare, f"--{option}", value).is_(REFUSED, f"nsm: verify: {name}: it is absent\n", b"")
        verify(bare, f"--{option}", "", "--any-age").is_(REFUSED, f"{name}: it is absent", b"")
        verify(empty, f"--{option}=", "--any-age").is_(DONE, "")
        verify(empty, f"--{option}", "", "--any-age").is_(DONE, "")
        verify(empty, f"--{option}", value).is_(REFUSED, f"{name}: it is not the one expected", b"")
        verify(empty, f"--no-{option}").is_(REFUSED, f"{name}: it is present", b"")
    verify(doc, *(w for n, v in PCR.items() for w in ("--pcr", f"{n}={v}"))).is_(DONE, "")
    verify(doc, "--pcr", f"1={PCR[0]}").is_(REFUSED, "nsm: verify: PCR1: it is not the one expected\n", b"")
    verify(doc, "--pcr", f"16={PCR[3]}").is_(REFUSED, "nsm: verify: PCR16: it is absent\n", b"")
    (DIR / "pcr0").write_bytes(bytes.fromhex(PCR[0]))
    verify(doc, f"--pcr=0=@{DIR}/pcr0", "--pcr", f"01=hex:{PCR[1].upper()}").is_(DONE, "")
    verify(doc, "--pcr", f"0=0x{PCR[0]}", "--pcr", f"1=0X{PCR[1].upper()}",
           "--pcr", f"2=base64:{b64(bytes.fromhex(PCR[2]))}").is_(DONE, "")
    verify(doc, "--pcr", f"0=0x{PCR[1]}").is_(REFUSED, "PCR0: it is not the one expected", b"")


@test
def times_are_what_they_say() -> None:
    """RFC 3339 with offsets and fractions, seconds, the document's; certificates hold for a while."""
    doc = good()
    for at in (NOW, NOW.lower(), NOW.replace("T", " "), ca.NOW, f"{NOW[:-1]}.999999Z", f"{NOW[:-1]}+00:00",
               "2026-01-01T13:30:00+01:30", "2025-12-31T13:00:00-23:00", "2026-01-01T11:59:60Z", "document"):
        verify(doc, at=at).is_(DONE, "")
    # The leaf is valid from 3 seconds before the document on, for 10803 s; only its begin has a leeway of 5.
    verify(doc, at=ca.NOW - 8).is_(DONE, "")
    verify(doc, at=ca.NOW - 9).is_(REFUSED, "nsm: verify: certificate: it is not valid yet\n", b"")
    verify(doc, at="2026-01-01T15:00:00Z").is_(DONE, "")
    verify(doc, at="2026-01-01T15:00:01Z").is_(REFUSED, "nsm: verify: certificate: it has expired\n", b"")
    verify(doc, at=None).is_(REFUSED, "it has expired (a stored document? see --time)\n", b"")
    done = verify(doc, at="document").is_(DONE, "")
    check("valid at:     2026-01-01T12:00:00.000Z, the document's own\n" in done.text, done.text)
    check("\nchecked:      form, chain, signature, debug mode\n" in done.text, f"valid then is not valid now: {done.text}")
    got = verify(doc, "--json", at="document").json
    check(got["time_of_document"] is True and "validity" in got["not_checked"], f"in JSON: {got}")
    for bad in ("", "2026-", "2026-1-1T12:00:00Z", "2026-01-01", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
                "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-04-31T00:00:00Z", "2100-02-29T00:00:00Z",
                "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z",
                "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+00:60", "1969-12-31T23:59:59Z", "-1", "1.5",
                "253402300800", "1970-01-01T00:00:00+00:01"):
        verify(doc, f"--time={bad}", at=None).is_(USAGE, "--time: it must be a time", b"")


@test
def every_day_is_the_calendars() -> None:
    """Days of two centuries, by the times that show prints, against Python's calendar."""
    for day in range(0, 366 * 200, 1511):
        s = day * 86400 + 12345
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(s))
        doc = ca.document(timestamp=ca.uint(s * 1000 + 7, 8))
        out = run("show", "-", stdin=doc, program=MUSL).is_(DONE, "").text
        check(f"timestamp:    {s * 1000 + 7} ({text[:-1]}.007Z)\n" in out, f"{text}: {out.splitlines()[3]}")
        # And back: the certificates tell whether it was taken for the same second.
        done = run("verify", "-", "--root", root(), "--time", text, "--json", *ANY, stdin=good(), program=MUSL)
        want = "it is not valid yet" if s < ca.NOW - 8 else "it has expired"
        equal(done.json["error"], want, text)


@test
def the_age_has_two_ends() -> None:
    """Older than --max-age, or further ahead than --leeway: 5 seconds, if that is not given."""
    doc, future = good(), "the document is from the future (is this clock slow? see --leeway)"
    for at, words, error in ((60, ("--max-age", 60), ""), (61, ("--max-age", 60), "the document is too old"),
                             (0, ("--max-age", 0), ""), (1, ("--max-age", 0), "the document is too old"),
                             (61, ("--max-age", 60, "--leeway", 3600), "the document is too old"),
                             (-3, ("--max-age", 60), ""), (-3, ("--max-age", 60, "--leeway", 3), ""),
                             (-3, ("--max-age", 60, "--leeway", 2), future)):
        done = verify(doc, *words, at=ca.NOW + at)
        done.is_(REFUSED if error else DONE, f"nsm: verify: timestamp: {error}\n" if error else "")
    for ahead_ms, words, good_ in ((5999, (), True), (6000, (), False), (999, ("--leeway", 0), True),
                                   (1000, ("--leeway", 0), False), (3600_999, ("--leeway", 3600), True), (3601_000, ("--leeway", 3600), False)):
        early = ca.document(timestamp=ca.uint(ca.NOW * 1000 + ahead_ms, 8))
        done = verify(early, "--max-age", 0, *words)
        done.is_(DONE if good_ else REFUSED, "" if good_ else f"nsm: verify: timestamp: {future}\n")
        # Where no age is asked for it does not matter.
        verify(early, *words).is_(DONE, "")


def fresh(leaf_in_s: int) -> tuple[bytes, Path]:
    """A document of now, whose leaf begins so many seconds from now; and its root."""
    now = int(time.time())
    chain = ca.Chain(changes={i: {"not_before": now - 1000, "not_after": now + 1000} for i in range(1, 4)} |
                     {-1: {"not_before": now + leaf_in_s, "not_after": now + leaf_in_s + 10800}})
    (DIR / "fresh").write_bytes(chain.ders[0])
    return ca.document(chain, timestamp=ca.uint((now + leaf_in_s) * 1000, 8)), DIR / "fresh"


@test
def a_slow_clock_is_given_leeway_and_a_hint() -> None:
    """By its own clock: a certificate that begins in a moment is fine; one that begins later may be the clock's fault."""
    doc, by = fresh(4)
    verify(doc, "--max-age", 3600, at=None, by=by).is_(DONE, "")
    for ahead, leeway in ((500, ()), (500, ("--leeway", 300))):
        doc, by = fresh(ahead)
        verify(doc, *leeway, at=None, by=by).is_(
            REFUSED, "nsm: verify: certificate: it is not valid yet (is this clock slow? see --leeway, and --time)\n", b"")
    done = verify(doc, "--leeway", 900, "--max-age", 60, "--json", at=None, by=by).is_(DONE, "")
    equal((done.json["not_checked"], done.json["checked"][-1]), (["pcrs", "nonce", "user_data", "public_key"], "age"),
          "with leeway")
    # At a time that was given it is not the clock's.
    verify(doc, at=int(time.time()), by=by).is_(REFUSED, "certificate: it is not valid yet\n", b"")
    # A certificate that has ended has no leeway.
    doc = good()
    verify(doc, "--leeway", 3600, at="2026-01-01T15:00:01Z").is_(REFUSED, "certificate: it has expired\n", b"")
    for n in (-1, 3601, "x", ""):
        verify(doc, f"--leeway={n}").is_(USAGE, "--leeway: it must be a number from 0 to 3600", b"")


@test
def a_document_outside_its_leafs_time_is_refused() -> None:
    """Its timestamp is within the validity of the certificate that signed it, whatever age is asked for."""
    now = ca.NOW * 1000
    for ms, words, good_ in ((now - 3000, (), True), (now - 8000, (), True), (now - 9000, (), False),
                             (now - 9000, ("--leeway", 6), True), (now + 10805000, (), True), (now + 10806000, (), False),
                             (2 ** 61, (), False), (1, (), False)):
        done = verify(ca.document(timestamp=ca.uint(ms, 8)), *words)
        if good_:
            done.is_(DONE, "")
        else:
            done.is_(REFUSED, "nsm: verify: timestamp: the document was made while its certificate was not valid\n", b"")


@test
def debug_mode_is_refused_unless_allowed() -> None:
    """And nobody can overlook it then."""
    doc = ca.document(pcrs=ca.pcr_map(ca.pcr_values(debug=True)))
    verify(doc).is_(REFUSED, "nsm: verify: PCR0: the enclave is in debug mode\n", b"")
    check("verified:     yes, of an enclave in DEBUG MODE\n" in verify(doc, "--allow-debug").is_(DONE, "").text, "text")
    got = verify(doc, "--allow-debug", "--json").is_(DONE, "").json
    check(got["debug"] and "debug" in got["not_checked"], "JSON")
    check("debug mode:   yes\n" in run("show", "-", stdin=doc).text, "show")


@test
def debug_mode_is_unknown_without_pcr0() -> None:
    """Neither yes nor no: null in JSON, refused by verify; PCR1 and PCR2 may tell still."""
    values = ca.pcr_values()
    del values[0]
    doc = ca.document(pcrs=ca.pcr_map(values))
    check("debug mode:   unknown\n" in run("show", "-", stdin=doc).is_(DONE, "").text, "show")
    equal(run("show", "-", "--json", stdin=doc).is_(DONE, "").json["debug"], None, "show --json")
    verify(doc).is_(REFUSED, "nsm: verify: PCR0: it is absent\n", b"")
    text = verify(doc, "--allow-debug").is_(DONE, "").text
    check("verified:     yes, but whether in debug mode is unknown\n" in text, text)
    got = verify(doc, "--allow-debug", "--json").is_(DONE, "").json
    equal((got["debug"], "debug" in got["not_checked"], got["document"]["debug"]), (None, True, None), "verify --json")
    for n in (1, 2):
        doc = ca.document(pcrs=ca.pcr_map({**values, n: bytes(48)}))
        equal(run("show", "-", "--json", stdin=doc).json["debug"], True, f"PCR{n} is zero")
        verify(doc).is_(REFUSED, "nsm: verify: PCR0: the enclave is in debug mode\n", b"")


@test
def a_nitrotpms_document_is_told_from_an_enclaves() -> None:
    """Shown as what it is, verified where it was asked for, refused where an enclave was; it has no debug mode."""
    doc, pcr = ca.nitrotpm_document(), hashlib.sha384(b"TPM PCR4").hexdigest()
    text = run("show", "-", stdin=doc).is_(DONE, "").text
    for line in ("kind:         nitrotpm", "debug mode:   unknown", f"PCR4:         {pcr}", f"PCR23:        {'00' * 48}"):
        check(f"\n{line}\n" in text, f"no {line} in {text}")
    shown = run("show", "-", "--json", stdin=doc).is_(DONE, "").json
    equal((shown["kind"], shown["debug"], len(shown["pcrs"])), ("nitrotpm", None, 24), "show --json")
    error = "it is of another kind: NitroTPM or enclave"
    done = verify(doc, "--pcr", f"4={pcr}", "--json").is_(REFUSED, f"nsm: verify: nitrotpm_pcrs: {error} (see --nitrotpm)\n")
    equal(done.json, refused("nitrotpm_pcrs", error, "KIND", checked=ALL[:4]), "as an enclave's")
    verify(doc, "--allow-debug").is_(REFUSED, f"nitrotpm_pcrs: {error}", b"")
    verify(good(), "--nitrotpm").is_(REFUSED, f"nsm: verify: pcrs: {error} (see --nitrotpm)\n", b"")
    text = verify(doc, "--nitrotpm", "--pcr", f"4={pcr}").is_(DONE, "").text
    check(text.startswith("verified:     yes, of a NitroTPM, not of an enclave\n") and "checked PCRs: 4\n" in text, text)
    check("other PCRs:   0-3, 5-23\n" in text, text)
    got = verify(doc, "--nitrotpm", "--pcr", f"4={pcr}", "--json").is_(DONE, "").json
    equal((got["verified"], got["debug"], got["document"], "debug" in got["not_checked"]), (True, None, shown, True),
          "verify --json")
    verify(doc, "--nitrotpm", "--pcr", f"5={pcr}").is_(REFUSED, "PCR5: it is not the one expected", b"")
    verify(doc, "--nitrotpm", "--pcr", f"24={pcr}").is_(REFUSED, "PCR24: it is absent", b"")


@test
def roots_come_as_der_and_pem() -> None:
    """AWS's, if none is given; what is no certificate, or another, is refused."""
    doc, der = good(), ca.as_aws().ders[0]
    pem = f"-----BEGIN CERTIFICATE-----\n{b64(der)}\n-----END CERTIFICATE-----\n"
    other = f"-----BEGIN CERTIFICATE-----\n{b64(ca.as_aws().ders[1])}\n-----END CERTIFICATE-----\n"

    def by(data: bytes | str) -> Done:
        (DIR / "by").write_bytes(data if isinstance(data, bytes) else data.encode())
        return run("verify", "-", "--root", DIR / "by", "--time", NOW, *ANY, stdin=doc)
    for data in (der, pem, "subject=/C=US\n" + pem.replace("\n", "\r\n") + "\nmore\n"):
        by(data).is_(DONE, "")
    by(other).is_(REFUSED, "cabundle[0]: the chain begins with another root", b"")
    by(pem + pem).is_(REFUSED, "by: it is not PEM of one certificate", b"")
    by(pem[:300]).is_(REFUSED, "by: it is not PEM of one certificate", b"")
    by(pem.replace("M", "!", 3)).is_(REFUSED, "by: it is not PEM of one certificate", b"")
    by(b"").is_(REFUSED, "by: it is empty", b"")
    by(b"junk").is_(REFUSED, "by: the root is no usable certificate", b"")
    by(bytes(70000)).is_(REFUSED, "by: a certificate has not more than 64 KiB", b"")
    run("verify", "-", "--time", NOW, *ANY, stdin=doc).is_(REFUSED, "cabundle[0]: the chain begins with another root", b"")


@test
def any_of_several_roots_will_do() -> None:
    """Eight at most; each must be a certificate, and AWS's is not among them unless it is given."""
    doc = good()
    (DIR / "other").write_bytes(ca.Chain(changes={0: {"key": ca.key("another root")}}).ders[0])
    other = ("--root", DIR / "other")
    verify(doc, *other).is_(DONE, "")
    verify(doc, *other, by=DIR / "other").is_(REFUSED, "cabundle[0]: the chain begins with another root", b"")
    verify(doc, "--root", root(), *other * 5, by=DIR / "other").is_(DONE, "")
    verify(doc, *other * 7).is_(DONE, "")
    verify(doc, *other * 8).is_(USAGE, "--root: more than 8", b"")
    (DIR / "junk").write_bytes(b"junk")
    verify(doc, *other, "--root", DIR / "junk").is_(REFUSED, "junk: the root is no usable certificate", b"")
    equal(verify(doc, "--root", DIR / "junk", "--json").is_(REFUSED, "junk: ").json,
          refused("root", "the root is no usable certificate", "ROOT"), "one that is none")
    verify(doc, "--root", DIR / "none").is_(5, "none: No such file", b"")
    # One on stdin, where the document is a file.
    (DIR / "whole").write_bytes(doc)
    at = ("verify", DIR / "whole", *other, "--root=-", "--time", NOW, *ANY)
    run(*at, stdin=root().read_bytes()).is_(DONE, "")
    run(*at, "--root", "-", stdin=root().read_bytes()).is_(USAGE, "stdin: it can be read once", b"")


@test
def no_memory_is_no_refusal() -> None:
    """Whichever allocation fails: the system failed, and of the document nothing is known."""
    (DIR / "all").write_bytes(good())
    said = without_memory("verify", DIR / "all", "--root", root(), "--time", NOW, *ANY, "--json")
    check(said, "nothing was allocated")


@test
def no_flipped_bit_is_verified() -> None:
    """In any part of a document: code 1 and a reason."""
    doc = good()
    reasons = set()
    for at in (*range(12), *range(12, len(doc), 97), *range(len(doc) - 3, len(doc))):
        bad = bytearray(doc)
        bad[at] ^= 1 << at % 8
        done = verify(bytes(bad), program=ASAN if at % 3 else MUSL).is_(REFUSED, "nsm: verify: ", b"")
        reasons.add(done.err)
    check(len(reasons) >= 4, f"only {reasons}")
    bad = bytearray(doc)
    bad[-1] ^= 1
    verify(bytes(bad)).is_(REFUSED, "nsm: verify: signature: the signature is wrong\n", b"")


def as_emulated() -> bytes:
    """As QEMU's NSM: zeros for certificates and signature."""
    return ca.signed(ca.payload(ca.fields(ca.as_aws(), certificate=ca.octets(bytes(64)),
                                          cabundle=ca.array(ca.octets(bytes(20))))),
                     protected=ca.pairs([(ca.uint(1), ca.negative(-1))]), sent_signature=ca.octets(bytes(64)))


@test(8)
def every_prefix_is_refused() -> None:
    """Binary, hex, base64, quoted and as an answer: code 1, never a crash, nothing on stdout."""
    doc = good()
    # Each single one of a document is interop/doc_interop.py's.
    for whole, step in ((as_emulated(), 5), (doc, 29), (as_answer(doc), 53), (good(form="definite"), 61), (ca.all_open(), 67)):
        run("show", "-", stdin=whole).is_(DONE, "")
        for n in (*range(64), *range(64, len(whole), step)):
            done = run("show", "-", stdin=whole[:n], program=ASAN if n % 16 == 0 or n < 8 else MUSL)
            check(done.code == REFUSED and not done.out and done.err.count("\n") == 1, f"{n} bytes: {done}")
    # The last one may end without its padding, but for a rest that is no byte.
    for text in (doc.hex(), b64(doc), f'"{b64(doc)}"', f"-----BEGIN X-----\n{b64(doc)}\n-----END", b64(as_answer(doc))):
        for n in (*range(40), *range(40, len(text.rstrip("=")), 101)):
            done = run("verify", "-", *ANY, stdin=text[:n].encode(), program=ASAN if n % 16 == 0 or n < 4 else MUSL)
            check(done.code == REFUSED and not done.out and done.err.count("\n") == 1, f"{text[:n][-40:]}: {done}")
    run("show", "-", stdin=doc + b"\0").is_(REFUSED, "there are bytes after its end", b"")
    run("show", "-", stdin=bytes(70000)).is_(REFUSED, "stdin: a document has not more than 64 KiB", b"")
    run("show", "-").is_(REFUSED, "nsm: show: stdin: it is empty\n", b"")
    run("show", "-", stdin=b"8444zz").is_(REFUSED, "stdin: it begins like hex, but is not all of that", b"")
    run("show", "-", stdin=b"hESh!").is_(REFUSED, "stdin: it begins like base64, but", b"")


@test
def show_has_every_field() -> None:
    """Text and JSON alike, true or not; certificates by the fingerprint that openssl prints."""
    doc = bytearray(good())
    doc[-1] ^= 1
    text = run("show", "-", stdin=bytes(doc)).is_(DONE, "").text
    shown = run("show", "-", "--json", stdin=bytes(doc), program=MUSL).is_(DONE, "").json
    *bundle, leaf = ca.as_aws().ders

    def fingerprint(der: bytes) -> str:
        return f"{len(der)} bytes, SHA-384 {hashlib.sha384(der).hexdigest()}"
    wanted = {"algorithm": "-35 (ES384)", "kind": "enclave", "module_id": shown["module_id"], "digest": "SHA384",
              "timestamp": f"{shown['timestamp']} ({NOW[:-1]}.000Z)", "debug mode": "no",
              **{f"PCR{n}": v for n, v in shown["pcrs"].items()}, "certificate": fingerprint(leaf),
              **{f"cabundle[{i}]": fingerprint(c) for i, c in enumerate(bundle)},
              "public_key": '3 bytes: 6b6579 = "key"', "user_data": '5 bytes: 68656c6c6f = "hello"',
              "nonce": "3 bytes: 010203", "signature": f"96 bytes: {doc[-96:].hex()}"}
    # What is indented belongs to the certificate before.
    lines = [line for line in text.splitlines() if not line.startswith(" ")]
    got = {k: v.strip() for k, v in (line.split(":", 1) for line in lines)}
    for name, value in wanted.items():
        check(got.pop(name).startswith(value), f"{name} is not {value}")
    equal(got, {}, "more lines")
    text = run("show", "-", stdin=good(None, b"", None)).is_(DONE, "").text
    check("public_key:   absent\nuser_data:    0 bytes\nnonce:        absent\n" in text, text[-400:])
    shown = run("show", "-", "--json", stdin=good(None, b"", None)).json
    equal((shown["public_key"], shown["user_data"], shown["nonce"]), (None, "", None), "absent and empty")


@test
def certificates_have_names_and_times() -> None:
    """As cryptography reads them, of years before and after 2050; what is none has neither."""
    text = run("show", "-", stdin=good()).is_(DONE, "").text
    wanted = ""
    for der in (ca.as_aws().ders[-1], *ca.as_aws().ders[:-1]):
        c = x509.load_der_x509_certificate(der)
        name = c.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        wanted += (f" valid:       {c.not_valid_before.isoformat()}Z to {c.not_valid_after.isoformat()}Z\n"
                   f" name:        {name}\n")
    equal("".join(line + "\n" for line in text.splitlines() if line.startswith(" ")), wanted, "the chain")
    for at in ("1950-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z", "2049-12-31T23:59:59Z",
               "2050-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        leaf = ca.Chain(changes={-1: {"not_before": ca.seconds(at), "not_after": ca.seconds("9999-12-31T23:59:59Z"),
                                      "subject": (("CN", "evil\x1b[2J"), ("O", "x"))}}).ders[-1]
        out = run("show", "-", stdin=ca.document(certificate=ca.octets(leaf))).is_(DONE, "").text
        check(f" valid:       {at} to 9999-12-31T23:59:59Z\n name:        evil\\x1b[2J\n" in out, out)
    leaf = ca.as_aws().ders[-1]
    for n in range(48, len(leaf)):
        if n % 8 == 0 and n < 340 or n % 64 == 0:
            cut = leaf[:n]
            out = run("show", "-", stdin=ca.document(certificate=ca.octets(cut)), program=ASAN if n % 4 else MUSL)
            check(out.is_(DONE, "").text.count("\n valid:") == 4, f"a certificate of {n} bytes has a validity")


@test
def a_document_of_the_emulator_is_shown() -> None:
    """Its certificates are none, its signature is short; verify refuses it."""
    doc = as_emulated()
    text = run("show", "-", stdin=doc).is_(DONE, "").text
    for line in ("algorithm:    -1 (not ES384)", "certificate:  64 bytes, SHA-384 " + hashlib.sha384(bytes(64)).hexdigest(),
                 "cabundle[0]:  20 bytes: no certificate", "signature:    64 bytes: " + "00" * 64):
        check(line in text, f"no {line} in {text}")
    equal(run("show", "-", "--json", stdin=doc).json["algorithm"], -1, "JSON")
    verify(doc).is_(REFUSED, "the document is not signed by ES384 (an emulator's? QEMU alone does not sign)\n", b"")
    other = ca.signed(ca.payload(ca.fields(ca.as_aws())), protected=ca.pairs([(ca.uint(1), ca.negative(-7))]))
    verify(other).is_(REFUSED, "the document is not signed by ES384\n", b"")


@test
def control_characters_never_reach_the_terminal() -> None:
    """Of texts and bytes of a document; JSON has them escaped, and is ASCII."""
    evil = b"i\x1b[2J\x07\r\n\xc2\x9b\xe2\x80\xaeA\xff\xf0\x9f\x94\x91\"\\"
    doc = ca.document(module_id=ca.head(3, len(evil)) + evil, user_data=ca.octets(evil),
                      nonce=ca.octets(b'plain "text"'))
    out = run("show", "-", stdin=doc).is_(DONE, "").out
    out += verify(doc).is_(DONE, "").out
    check(not {c for c in out if c < 0x20 and c != 10 or c == 0x7f}, "control characters")
    check(not {"\u009b", "\u202e"} & set(out.decode()), "others of Unicode")
    check('module_id:    i\\x1b[2J\\x07\\x0d\\x0a\\xc2\\x9b\\xe2\\x80\\xaeA\\xff🔑"\\\\\n' in out.decode(), out.decode()[:200])
    done = run("show", "-", "--json", stdin=doc).is_(DONE, "")
    check(done.out.isascii() and b"\x7f" not in done.out and min(done.out[:-1]) >= 0x20, "JSON is not plain ASCII")
    equal(done.json["module_id"], evil.decode(errors="replace"), "the module_id")
    equal(base64.b64decode(done.json["user_data"]), evil, "user_data")
    bad = ca.document(digest=ca.head(3, 6) + b"\x1b[31m!")
    done = verify(bad, "--json").is_(REFUSED, "nsm: verify: digest: ")
    check("\x1b" not in done.err and b"\x1b" not in done.out, "a refusal")
    json.loads(done.out)
