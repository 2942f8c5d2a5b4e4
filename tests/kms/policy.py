"""
Key policies, as KMS judges them, as far as an enclave's key has them: Effect, Principal, Action, Resource, and conditions of the
string operators over kms:RecipientAttestation:*, kms:EncryptionContext:*, kms:EncryptionContextKeys and aws:PrincipalArn. What is not
known here is refused when a policy is read, never passed over.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

MEMBERS = {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "Condition"}
ATTESTED = ("Decrypt", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom", "DeriveSharedSecret")
CONTEXT_KEYS = re.compile(r"(?i)kms:RecipientAttestation:(ImageSha384|PCR([0-9]|[12][0-9]|3[01]))$|kms:EncryptionContext:.+$|"
                          r"kms:EncryptionContextKeys$|aws:PrincipalArn$")


class Malformed(Exception):
    """It is no policy, or one with something that is not known here."""


def _any(test: Callable[[str, str], bool]) -> Callable[[list[str], list[str]], bool]:
    return lambda got, wanted: any(test(g, w) for g in got for w in wanted)


OPERATORS = {
    "StringEquals": _any(lambda g, w: g == w),
    "StringEqualsIgnoreCase": _any(lambda g, w: g.lower() == w.lower()),
    "StringLike": _any(fnmatchcase),
    "ArnEquals": _any(fnmatchcase),
    "ArnLike": _any(fnmatchcase),
}
NEGATED = {f"StringNot{name[6:]}": test for name, test in OPERATORS.items() if name.startswith("String")}


def _list(value: object) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def check(policy: dict) -> dict:
    """POLICY, if all of it is known."""
    def require(good: object, why: str) -> None:
        if not good:
            raise Malformed(why)

    require(isinstance(policy, dict) and policy.keys() <= {"Version", "Id", "Statement"}, "no policy")
    statements = policy.get("Statement")
    require(isinstance(statements, list) and statements, "no Statement")
    for s in statements:
        require(s.keys() <= MEMBERS and s.get("Effect") in ("Allow", "Deny"), f"a statement of {sorted(s)}")
        require(("Action" in s) != ("NotAction" in s) and "Principal" in s and "Resource" in s, f"a statement of {sorted(s)}")
        principal = s["Principal"]
        require(principal == "*" or (isinstance(principal, dict) and principal.keys() == {"AWS"}), f"Principal {principal}")
        for operator, tests in s.get("Condition", {}).items():
            bare = operator.removesuffix("IfExists")
            require(bare in OPERATORS or bare in NEGATED or operator == "Null", f"Condition {operator}")
            for key, value in tests.items():
                require(CONTEXT_KEYS.match(key), f"Condition {key}")
                require(all(isinstance(v, str) for v in _list(value)), f"{key} of {value}")
    return policy


def _principal_is(wanted: object, arn: str) -> bool:
    if wanted == "*":
        return True
    account = arn.split(":")[4]
    # The account's root stands for all whom its own policies allow it: here that is everybody in it.
    return any(w in ("*", arn, account) or w == f"arn:aws:iam::{account}:root" for w in _list(wanted["AWS"]))


def _holds(operator: str, key: str, wanted: list[str], context: dict[str, list[str]]) -> bool:
    got = context.get(key.lower())
    if operator == "Null":
        return (got is None) == (wanted[0].lower() == "true")
    bare = operator.removesuffix("IfExists")
    if got is None:
        return bare != operator or bare in NEGATED
    return OPERATORS[bare](got, wanted) if bare in OPERATORS else not NEGATED[bare](got, wanted)


def _applies(s: dict, action: str, principal: str, context: dict[str, list[str]]) -> bool:
    names = [n.lower() for n in _list(s.get("Action", s.get("NotAction")))]
    named = any(fnmatchcase(f"kms:{action}".lower(), n) for n in names)
    return (named == ("Action" in s) and _principal_is(s["Principal"], principal) and
            all(_holds(operator, key, _list(value), context)
                for operator, tests in s.get("Condition", {}).items() for key, value in tests.items()))


def context_of(pcrs: dict[int, bytes] | None, encryption_context: dict[str, str], principal: str) -> dict[str, list[str]]:
    """The condition keys of a request, in lower case. PCRS are those of its document; None: it has none."""
    out = {f"kms:encryptioncontext:{k.lower()}": [v] for k, v in encryption_context.items()}
    if encryption_context:
        out["kms:encryptioncontextkeys"] = list(encryption_context)
    out["aws:principalarn"] = [principal]
    for n, value in (pcrs or {}).items():
        out[f"kms:recipientattestation:pcr{n}"] = [value.hex()]
    if pcrs and 0 in pcrs:
        out["kms:recipientattestation:imagesha384"] = [pcrs[0].hex()]
    return out


def allows(policy: dict, action: str, principal: str, context: dict[str, list[str]]) -> bool:
    effects = {s["Effect"] for s in policy["Statement"] if _applies(s, action, principal, context)}
    return effects == {"Allow"}
