"""Keys, tokens and passwords: by the marks their issuers put on them, by the names they are given, by their frames.

Pure. Works on folded text. A value stands for one only where it could be one: not a placeholder, a type or a call.
"""

import re
from collections.abc import Iterator

from flywheel.redaction.numbers import Find

_MARKED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_[A-Za-z0-9]{16,}+|api_org_[A-Za-z0-9]{16,}+"
    r"|sk-(?=[\w-]{0,60}\d)[A-Za-z0-9_-]{20,}+"
    r"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+"
    r"|gl(?:pat|ptt|dt|rt|cbt|oas|soat|imt|ft|agent)-[A-Za-z0-9_.-]{18,}+"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}+|xapp-\d-[A-Za-z0-9-]{10,}+"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|AIza[A-Za-z0-9_-]{30,}+|ya29\.[A-Za-z0-9_-]{20,}+|GOCSPX-[A-Za-z0-9_-]{20,}+"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{16,}+|whsec_[A-Za-z0-9+/=]{20,}+"
    r"|npm_[A-Za-z0-9]{30,}+|pypi-[A-Za-z0-9_-]{40,}+|dckr_pat_[A-Za-z0-9_-]{20,}+"
    r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}+|key-[0-9a-f]{32}(?![A-Za-z0-9])"
    r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}(?![A-Za-z0-9])|do[opr]_v1_[0-9a-f]{40,}+|hv[sbr]\.[A-Za-z0-9_-]{20,}+"
    r"|nvapi-[A-Za-z0-9_-]{20,}+|gsk_[A-Za-z0-9]{20,}+|r8_[A-Za-z0-9]{30,}+|xai-[A-Za-z0-9]{30,}+"
    r"|pplx-[A-Za-z0-9]{30,}+|glsa_[A-Za-z0-9_]{30,}+|figd_[A-Za-z0-9_-]{30,}+|lin_api_[A-Za-z0-9]{30,}+"
    r"|sq0[a-z]{3}-[A-Za-z0-9_-]{20,}+|PMAK-[0-9a-f]{20,}+-[0-9a-f]{20,}+|AGE-SECRET-KEY-1[0-9A-Z]{50,}+"
    r"|ATATT3[A-Za-z0-9_=-]{30,}+|dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9._-]{30,}+|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{30,}+"
    r"|NRAK-[A-Z0-9]{27}(?![A-Za-z0-9])|sbp_[0-9a-f]{40}(?![A-Za-z0-9])|tskey-[a-z]{3,10}-[A-Za-z0-9-]{20,}+"
    r"|sntry[su]_[A-Za-z0-9_+/=-]{30,}+|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}(?![A-Za-z0-9])|lsv2_[ps][tk]_[A-Za-z0-9_]{30,}+"
    r"|dapi[0-9a-f]{32}(?:-\d)?(?![A-Za-z0-9])|ntn_[A-Za-z0-9]{40,}+|fo1_[A-Za-z0-9_-]{40,}+|tvly-[A-Za-z0-9-]{20,}+"
    r"|(?=[MNO][A-Za-z0-9_-]{0,24}\d)[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}(?![A-Za-z0-9_-])"
    r"|fw-[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
    r"|\d{8,10}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])"
    r"|eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+)?"
    r")"
)
_HOOK = re.compile(r"(?<=hooks\.slack\.com/)(?:services|workflows)/[A-Za-z0-9/_-]{20,200}")
_AMAZON_SECRET = re.compile(
    r"(?<![A-Za-z0-9/+=])(?=[A-Za-z0-9/+]{0,39}\d)(?=[A-Za-z0-9/+]{0,39}[a-z])(?=[A-Za-z0-9/+]{0,39}[A-Z])"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)
_FRAME = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_FRAME_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# No quotation mark: a frame ends with the text in quotes that holds it.
_FRAME_BODY = re.compile(r"(?:[^'\"-]++|-(?!----))*+")
_FRAME_REST = re.compile(r"(?:(?:\s|\\[nr]){0,4}+[A-Za-z0-9+/=]{20,}+)++")
_HEADER = re.compile(
    r"(?:authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:bearer|basic|token|digest|apikey)\s{1,3}"
    r"([A-Za-z0-9._~+/=-]{6,2048}+)"
    r"|\bbearer\s{1,3}(?=[A-Za-z0-9._~+/=-]{0,200}\d)([A-Za-z0-9._~+/-]{16,2048}+=*+))",
    re.IGNORECASE,
)
_NAME = (
    r"(?:pass(?:word|wd|phrase|code)|passwort|mot[ _]de[ _]passe|contrase(?:ñ|n)a|pwd"
    r"|api[ _-]?key|access[ _-]?key(?:[_-]?id)?|secret[ _-]?key|private[ _-]?key|account[ _-]?key|auth[ _-]?key"
    r"|encryption[ _-]?key|client[ _-]?secret|app[ _-]?secret|secret"
    r"|token|\bsig|credentials?)"
)
# Looked for first: most texts call nothing by such a name.
_CALLED = re.compile(r"pass|pwd|key|secret|token|sig|credential|mot|contrase", re.IGNORECASE)
_WORD = r"([^\s\"'\\,;<>()\[\]{}&`|]{3,256}+)(?!\()"
_ASSIGNED = re.compile(
    rf"{_NAME}\\?[\"']?(?:\s{{0,3}}(?::=|=>|==?|:)\s{{0,3}}|\s{{1,3}}(?=['\"])|(?<=[a-z])\s{{1,2}}is\s{{1,2}})"
    rf"(?:\\?\"([^\"\\\n]{{3,4096}}+(?:\\[^\"\n][^\"\\\n]{{0,1000}}+){{0,8}})|'([^'\n]{{3,4096}}+)|{_WORD})",
    re.IGNORECASE,
)
_UPPER_NAME = re.compile(
    r"(?<![A-Za-z0-9])[A-Z][A-Z0-9_]{0,60}_(?:PASS|KEY)"
    rf"\s{{0,2}}=\s{{0,2}}(?:\"([^\"\n]{{3,4096}}+)|'([^'\n]{{3,4096}}+)|{_WORD})"
)
_OPTION = re.compile(rf"--(?:password|passwd|token|api-?key|secret|access-?key)[ =](?!-){_WORD}")
_PLACEHOLDER = re.compile(
    r"(?:null|none|nil|true|false|undefined|required|optional|string|str|text|varchar\w*|bytes|int(?:eger)?|number|"
    r"secret|password|token|changed?|hidden|redacted|empty|unknown|reset|expired|invalid|missing|wrong|incorrect|"
    r"correct|valid|your[\w-]*|my[_-]\w+|x{3,}|\*+|\.{3,}|-+|\?+)[.!?]?\Z|[$%{<*]|(?:os|process|env|config|settings|self|"
    r"secrets|getpass|st|request)\.\w",
    re.IGNORECASE,
)


def secrets(text: str) -> Iterator[Find]:
    """Everything that opens something."""
    for pattern in (_MARKED, _HOOK):
        yield from ((found.start(), found.end(), "SECRET") for found in pattern.finditer(text))
    yield from _framed(text)
    if "AKIA" in text or "ASIA" in text or "aws" in text.lower():
        yield from ((found.start(), found.end(), "SECRET") for found in _AMAZON_SECRET.finditer(text))
    for pattern in (_HEADER, _OPTION):
        for found in pattern.finditer(text):
            group = found.lastindex or 0
            yield found.start(group), found.end(group), "SECRET"
    yield from _named(text)


def _named(text: str) -> Iterator[Find]:
    if not _CALLED.search(text):
        return
    for pattern in (_ASSIGNED, _UPPER_NAME):
        found = pattern.search(text)
        while found:
            group = found.lastindex or 0
            value, tight = found.group(group), "=" in text[found.start() : found.start(group)]
            could_be = _could_be(found.group().lower(), value, quoted=group < 3, tight=tight)
            if could_be:
                yield found.start(group), found.end(group) - (group == 3 and value.endswith(".")), "SECRET"
            # What is no value may begin with another name: `token: password=…`.
            found = pattern.search(text, found.end() if could_be else found.start(group))


def _could_be(whole: str, value: str, *, quoted: bool, tight: bool) -> bool:
    """Whether a value that is called a password or a key could be one."""
    if _PLACEHOLDER.match(value):
        return False
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    if whole.startswith(("pass", "mot", "contrase", "pwd")):
        return (
            (quoted and len(value) >= 4 and " " not in value) or mixed or (tight and value.isalnum() and len(value) > 4)
        )
    return mixed and len(value) >= 8 and " " not in value


def _framed(text: str) -> Iterator[Find]:
    """A private key with its first and last line; without a last line, as far as it can be a key."""
    for found in _FRAME.finditer(text):
        body = _FRAME_BODY.match(text, found.end())
        end = _FRAME_END.match(text, body.end()) if body else None
        if end := end or _FRAME_REST.match(text, found.end()):
            yield found.start(), end.end(), "SECRET"
