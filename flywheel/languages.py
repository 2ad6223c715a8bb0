"""Which language a text is in, told by its script and by common small words. A heuristic, and said to be one.

No library: those that are kept weigh more than the model and still guess on a question of five words. Texts without
enough small words are `undetermined`, which is most of what is only names and numbers. Pure.
"""

import re
from collections.abc import Iterable

UNDETERMINED = "undetermined"
SCRIPTS = (
    ("Japanese", re.compile(r"[\u3040-\u30ff]")),
    ("Korean", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("Chinese", re.compile(r"[\u4e00-\u9fff]")),
    ("Russian or another Cyrillic", re.compile(r"[\u0400-\u04ff]")),
    ("Arabic", re.compile(r"[\u0600-\u06ff]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("Greek", re.compile(r"[\u0370-\u03ff]")),
    ("Hindi or another Devanagari", re.compile(r"[\u0900-\u097f]")),
    ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
)
SMALL_WORDS = {
    "English": "the and of to in is are was were how many much what which who when where why do does did for with from "
    "this these there have has had not me my we our you your all any each show list give can could would should it",
    "German": "der die das und ist sind war wie viele wieviele was welche wer wann wo warum nicht ein eine einen einem "
    "mit von für auf aus bei nach haben hat wir ich sie es den dem des im zu alle zeige kann oder auch wird",
    "French": "le la les des et est sont était combien quel quelle quels quelles qui quand où pourquoi ne pas un une "
    "avec pour dans sur nous vous je il elle ce cette ces au aux montre peux ont avons que par plus",
    "Spanish": "el los las y es son era cuántos cuántas cuál cuáles quién cuándo dónde qué no un una del con para por "
    "en nosotros yo él ella este esta estos muestra puede tiene han todos que más al cómo",
    "Italian": "il lo gli e è sono era quanti quante quale quali chi quando dove perché non un una del della dei con "
    "per nel nella noi io lui lei questo questa mostra può ha hanno tutti che più come",
    "Portuguese": "o os as e é são era quantos quantas qual quais quem quando onde porque não um uma do da dos das com "
    "para por em no na nós eu ele ela este esta mostre pode tem todos que mais como",
    "Dutch": "de het een en is zijn was hoeveel welke wie wanneer waar waarom niet met van voor op uit bij naar hebben "
    "heeft wij ik zij dit deze die dat alle toon kan of ook wordt te",
}
_SETS = {language: frozenset(words.split()) for language, words in SMALL_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")
ENOUGH = 2
LOOKED_AT = 2_000
"""Characters of a text."""


def language(text: str) -> str:
    """The name of the language in English, or `undetermined`."""
    head = text[:LOOKED_AT]
    letters = sum(character.isalpha() for character in head)
    if letters and not head.isascii():
        for name, script in SCRIPTS:
            if len(script.findall(head)) * 4 >= letters:
                return name
    words = _WORD.findall(head.casefold())
    scores = sorted(((sum(word in known for word in words), name) for name, known in _SETS.items()), reverse=True)
    (best, name), (second, _) = scores[0], scores[1]
    return name if best >= ENOUGH and best > second else UNDETERMINED


def languages(texts: Iterable[str]) -> dict[str, int]:
    """Language → number of texts, most first."""
    counts: dict[str, int] = {}
    for text in texts:
        found = language(text)
        counts[found] = counts.get(found, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
