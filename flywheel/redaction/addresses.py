"""Addresses: e-mail, passwords inside URLs, IP and MAC.

Pure. Works on folded text. A search begins at its rare sign (`@`, `://`), so that long runs of letters cost nothing.
"""

import ipaddress
import re
from collections.abc import Iterator

from flywheel.redaction.numbers import Find

_AT = re.compile(r"(?<=[\w.+%~-])(?:@|%40)(?=\w)")
# Read backwards from the sign; none of these ends a quoted text, a tag or a parameter.
_LOCAL_BACKWARDS = re.compile(r"[\w.+%~-]{1,64}")
_NAME_WITH_APOSTROPHE = re.compile(r"(?<!\w)[odlm]'\Z", re.IGNORECASE)
_DOMAIN = re.compile(r"(?:\w(?:[\w-]{0,61}\w)?\.){1,8}(?:xn--[a-z0-9-]{2,40}|[^\W\d_]{2,24})(?!\w)", re.IGNORECASE)
_FILE = re.compile(r"\d(?:\.\d)?x\.(?:png|jpe?g|gif|svg|webp|avif)\Z", re.IGNORECASE)
_RELEASE = re.compile(r"v?\d+(?:\.\d+)+\.[a-z]+\d*\Z", re.IGNORECASE)
_SPELT = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}[ ]?(?:\[at\]|\(at\)|\{at\})[ ]?[\w-]{1,63}"
    r"(?:[ ]?(?:\.|\[dot\]|\(dot\)|\{dot\})[ ]?[\w-]{1,63}){1,4}(?!\w)",
    re.IGNORECASE,
)
_URL_LOGIN = re.compile(r"(?<=://)([^\s/?#\"'<>\\:@\[\]]{0,128}:[^\s/?#\"'<>\\]{1,256})@(?=[\w\[])")
_V4 = re.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?!\w)(?!\.\w)"
)
_NO_ADDRESS = re.compile(
    r"(?:version|ver|v|release|rev|build|section|chapter|clause|§|oid|firmware|driver)[ .:=_\"']{0,3}\Z", re.IGNORECASE
)
# A label may stand before an address without a blank: `IP:2001:…`, `MAC:00:…`.
_FREE = r"(?:(?<![\w:.])|(?<=[g-zG-Z\u3001]:)|(?<=(?i:mac|src):)|(?<=(?i:ipv6):))"
_V6 = re.compile(rf"{_FREE}(?!:[^:])(?=[0-9a-fA-F]{{0,4}}:)[0-9a-fA-F:]{{2,39}}+(?:\.\d{{1,3}}){{0,3}}(?!\w)(?!\.\w)")
_MAC = re.compile(
    rf"{_FREE}(?<!-)(?:[0-9a-f]{{2}}(?::[0-9a-f]{{2}}){{5}}|[0-9a-f]{{2}}(?:-[0-9a-f]{{2}}){{5}}|(?:[0-9a-f]{{4}}\.){{2}}[0-9a-f]{{4}})"
    r"(?!\w)(?![:.-]\w)",
    re.IGNORECASE,
)


def url_logins(text: str) -> Iterator[Find]:
    """`user:password` of a URL; the rest of the address stays readable."""
    for found in _URL_LOGIN.finditer(text):
        yield found.start(1), found.end(1), "URL_LOGIN"


def emails(text: str) -> Iterator[Find]:
    """E-mail addresses, also with `(at)` and `%40`."""
    logins = {found.end(1) for found in _URL_LOGIN.finditer(text)} if "://" in text else set()
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        start = _local_start(text, at.start())
        if domain is None or start == at.start() or at.start() in logins:
            continue
        if not _is_name_of_something(text[start : at.start()], domain.group()):
            yield start, domain.end(), "EMAIL"
    for found in _SPELT.finditer(text) if "at" in text.lower() else ():
        yield found.start(), found.end(), "EMAIL"


def _local_start(text: str, at: int) -> int:
    found = _LOCAL_BACKWARDS.match(text[max(0, at - 64) : at][::-1])
    if found is None:
        return at
    start = at - len(found.group().rstrip(".-%+~"))
    before = text[max(0, start - 3) : start]
    return start - 2 if _NAME_WITH_APOSTROPHE.search(before) else start


def _is_name_of_something(local: str, domain: str) -> bool:
    """Whether it is a login of a code host, a picture's size or a release rather than a mailbox."""
    return local == "git" or bool(_FILE.match(domain)) or bool(_RELEASE.match(domain))


def addresses(text: str) -> Iterator[Find]:
    """IP addresses that lead to a machine (not loopback, masks or versions), and MAC addresses."""
    for found in _V4.finditer(text) if text.count(".") > 2 else ():
        named = _NO_ADDRESS.search(text[max(0, found.start() - 14) : found.start()])
        if not named and not found.group().startswith(("127.", "0.0.0.0", "255.255.")):
            yield found.start(), found.end(), "IP"
    if text.count(":") < 2 and text.count("-") < 5 and text.count(".") < 2:
        return
    for found in _V6.finditer(text):
        whole = found.group()
        end = found.end() if whole.endswith("::") else found.start() + len(whole.rstrip(":"))
        if _is_v6(text[found.start() : end]):
            yield found.start(), end, "IP"
    for found in _MAC.finditer(text):
        lettered = re.search("[a-f]", found.group(), re.IGNORECASE)
        # Without a letter, dots and dashes stand in dates and numbers too.
        if lettered or ":" in found.group() or found.group().startswith("00-"):
            yield found.start(), found.end(), "MAC"


def _is_v6(text: str) -> bool:
    """An address of the protocol, and not a cast, a slice or a scope of some language."""
    if text.count(":") < 2:
        return False
    try:
        number = int(ipaddress.IPv6Address(text))
    except ValueError:
        return False
    first, groups = number >> 112, len([group for group in text.split(":") if group])
    local = 0xFC00 <= first < 0xFE00 or 0xFE80 <= first < 0xFEC0
    mapped = number >> 32 == 0xFFFF and "." in text
    return mapped or (local and groups >= 2) or (groups >= 3 and number > 0xFFFFFFFF)
