"""Patterns of personal data and secrets in text, in order, with their placeholders.

The patterns match data of a typical form; a name in the middle of a sentence stays. Each takes
linear time, because its repetitions are short, or start only where the preceding text cannot match.
`schemas.privacy.redaction` applies the patterns.
"""

import re
from collections.abc import Callable
from typing import Final

_Trigger = Callable[[str, set[str]], object]
_Replacement = str | Callable[[re.Match[str]], str]

LONG: Final = 16
_MOST: Final = "65536"


class Rule:
    """Pattern that is tried only if the text has enough digits and its trigger matches."""

    def __init__(
        self, digits: int, trigger: _Trigger, *patterns: tuple[re.Pattern[str], _Replacement]
    ) -> None:
        self.digits, self.trigger, self.patterns = digits, trigger, patterns


def _words(words: str) -> _Trigger:
    """Return a trigger that tests whether the text contains one of the words."""
    listed = frozenset(words.split())
    return lambda _, words: not listed.isdisjoint(words)


def _found(pattern: str, words: str = "") -> _Trigger:
    """Return a trigger that tests whether the text contains a pattern or one of the words."""
    search, listed = re.compile(pattern).search, frozenset(words.split())
    return lambda low, words: search(low) or not listed.isdisjoint(words)


def _has(*parts: str) -> _Trigger:
    """Return a trigger that tests whether the text contains one of the parts."""
    return lambda low, _: any(part in low for part in parts)


def has_long_word(low: str, _: object = None) -> bool:
    """Return whether the text has a word that is as long as a token."""
    return max(map(len, low.split()), default=0) >= LONG


def _has_groups(low: str, _: object = None) -> bool:
    """Return whether the text has as many colons or dashes as a MAC or IPv6 address."""
    return "::" in low or low.count(":") > 4 or low.count("-") > 4


# Links lose user information, query and fragment; the rest is treated like other text.
_LINK: Final = re.compile(rf"(://|\bwww\.)([^\s<>\"]{{1,{_MOST}}})", re.I)
_QUERY: Final = re.compile(rf"\?[\w.%~-]{{1,60}}=[^\s<>\"]{{0,{_MOST}}}")

# Secrets: anything after ':' and '='; after a verb or a weaker keyword, only text that is not a
# plain word.
_STRONG: Final = (
    r"pass(?:word|wort|wd|code|phrase)?s?|kennwort|pwd|pw|wachtwoord|mot de passe|mdp|clave|senha"
    r"|contrase[nñ]a|parola|api[ _-]?key|secret(?:[ _-](?:access[ _-])?key)?|client[ _-]secret"
    r"|(?:access|private)[ _-]?key|pin(?:[ -]?(?:code|number))?|puk|cv[vc]2?"
)
_WEAK: Final = (
    r"token|(?:security|verification|confirmation|login|access|time)[ -]code|session[ _-]?id"
    r"|otp|tan|sid"
)
_SECRET_VALUE: Final = (
    r"(?!\[[a-z]{2,7}\](?:\s|$))"
    rf"(?:\"[^\"\n]{{1,200}}\"|'[^'\n]{{1,200}}'|\S{{1,{_MOST}}})"
)
_SECRET: Final = re.compile(
    rf"((?<![^\W_])(?:{_STRONG})[\"']?\s{{0,3}}+(?:[:=]{{1,3}}+>?|->|→)\s{{0,3}}+){_SECRET_VALUE}",
    re.I,
)
_LIKELY_SECRET: Final = re.compile(
    rf"((?<![^\W_])(?:{_STRONG}|{_WEAK})[\"']?"
    r"(?:\s{0,3}+[:=]{1,2}+|\s{1,3}+(?:is|ist|est|es|è|lautet)\b:?)\s{0,3}+)"
    rf"(?=\S{{0,80}}(?:[\d_#$%&*+=@^~|\\<>{{}}]|[!?]\w)){_SECRET_VALUE}",
    re.I,
)
_CREDENTIALS: Final = re.compile(
    rf"(\b(?i:bearer|basic)\s{{1,3}})(?=\S{{0,200}}(?:[\d=]|[a-z][A-Z]))[\w.~+/=-]{{8,{_MOST}}}"
)

# E-mail addresses, including those with spaces and obfuscated ones.
_LOCAL: Final = r"[^\s@<>()\[\]{},;:\"/\\=|?%]"
_LABEL: Final = rf"[^\s@<>()\[\]{{}},;:\"/\\=|?%!&'*+#.]{{1,{_MOST}}}+"
_LOCAL_PART: Final = rf"(?:\"[^\"@<>\n]{{1,64}}\"|(?<!{_LOCAL}){_LOCAL}{{1,{_MOST}}}+)"
EMAIL: Final = re.compile(
    rf"{_LOCAL_PART}(?:@|%40){{1,3}}(?:\[[\w.:]{{2,45}}\]|{_LABEL}(?:\.{_LABEL}){{0,{_MOST}}}+)"
)
_SPACED_EMAIL: Final = re.compile(
    rf"{_LOCAL_PART}\s?@\s?[\w-]{{1,63}}(?:(?:\.| \. )[\w-]{{1,63}}){{0,4}}"
    r"(?:\.| \. )[^\W\d_]{2,20}"
)
_SPOKEN_EMAIL: Final = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}+\s{0,2}"
    r"(?:[(\[{<]\s?(?:at|a|@|ät|arroba|chez)\s?[)\]}>]\s{0,2}[\w-]{1,63}+(?:\s{0,2}"
    r"(?:\.|[(\[{<]\s?(?:dot|\.|punkt|punto|point)\s?[)\]}>]|\bdot\b)\s{0,2}[\w-]{1,63}+){0,5}"
    r"|\bat\s[\w-]{1,63}+(?:\sdot\s[\w-]{1,63}+){1,5})",
    re.I,
)

# Tokens: those with a known prefix, long hexadecimal numbers, and words that no person would write.
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_TOKEN: Final = re.compile(
    rf"(?:eyJ[\w-]{{8}}[\w.=-]{{0,{_MOST}}}|\b(?:AKIA|ASIA)[0-9A-Z]{{12,{_MOST}}}"
    rf"|(?:\bgh[a-z]|github_pat|\b[a-z]k_live|\b[a-z]k_test)_\w{{8,{_MOST}}}"
    rf"|(?:\bsk-|\bxox[a-z]-|\bAIza|\bglpat-)[\w-]{{8,{_MOST}}}"
    rf"|(?<![0-9A-Fa-f])(?=\d{{0,{_MOST}}}+[A-Fa-f])[0-9A-Fa-f]{{20,{_MOST}}})"
)
_WORD: Final = re.compile(rf"(?<![\w+=-])[\w+=-]{{{LONG},{_MOST}}}")
_MIXED: Final = re.compile(r"[^\W\d_](?=\d)|\d(?=[^\W\d_])")
_CASED: Final = re.compile(r"[a-z](?=[A-Z])|[A-Z](?=[a-z])")

# Network addresses. A time never has seven colons or two in a row.
_MAC: Final = re.compile(
    r"(?<![\w:-])[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![\w:-])", re.I
)
_GROUPS: Final = r"[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6}"
_IPV6: Final = re.compile(
    r"(?<![\w:])(?=[0-9a-f:]{0,39}\d)(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"
    rf"|(?:{_GROUPS})?::(?:{_GROUPS})?)(?:\.\d{{1,3}}){{0,3}}(?![\w:])",
    re.I,
)
_IPV4: Final = re.compile(
    r"\d(?<!\d\d)(?<!\d\.\d)\d{0,2}(?:(?:\.|\[\.\])\d{1,3}){3}(?!\d|\.\d)"
    r"|\bip(?:-\d{1,3}){4}(?!\d)",
    re.I,
)

# Bank accounts, national ids, dates of birth.
IBAN: Final = re.compile(
    r"(?<![^\W_])(?<!-)[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?(?![^\W_])",
    re.I | re.A,
)
_FISCAL: Final = re.compile(  # codice fiscale, Italy
    r"(?<![\w-])[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z](?![\w-])", re.I
)
_ID: Final = re.compile(
    r"(?<![^\W_])(?:\d{3}[- ]\d{2}[- ]\d{4}"  # social security, United States
    r"|(?i:[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D])"  # national insurance, United Kingdom
    r"|[A-Z]\d{7,9}|(?!KB)[A-Z]{2}\d{6,7}"  # passports
    r"|(?=(?:[A-Z]{0,4}\d){4})[CFGHJ-NPRTV-Z][CFGHJ-NPRTV-Z\d]{8,9}"  # passports, Germany
    r"|(?i:[XYZ]?\d{7,8}-?[A-Z]))(?![^\W_])"  # DNI and NIE, Spain
)
_NAMED_ID: Final = re.compile(
    r"(\b(?:ssn|bsn|passport|passeport|pasaporte|passaporto|paspoort|(?:personal)?ausweis|dni|nie"
    r"|nif|cpf|codice fiscale|national insurance|social security|tax id|steuer-?id)"
    r"(?:[ -](?:number|nummer|no|nr|num|id|card|código|número|is|ist|est|es)\b\.?){0,3}[ :=#]{0,4})"
    r"(?=[\w-]{0,12}\d)\w[\w.-]{4,20}",
    re.I,
)
_BIRTH: Final = re.compile(
    r"(\b(?:date of birth|birth ?(?:date|day)|born|dob|geboren|geburts(?:datum|tag)|geboortedatum"
    r"|date de naissance|née? le|fecha de nacimiento|nacid[oa] el|nat[oa] il)[ :=]{0,3}"
    r"(?:(?:is|on|was|am|ist|op|el|il|le)[ :]{1,2}){0,2})(?:\d{8}"
    r"|\d{1,4}[-./ ]{1,2}\d{1,2}[-./ ]{1,2}\d{2,4}|[^\W\d_]{3,10} \d{1,2}(?:st|nd|rd|th)?,? \d{4}"
    r"|\d{1,2}(?:st|nd|rd|th|\.)?(?: of| de)?[ -][^\W\d_]{3,10}\.?(?: de)?,?[ -]\d{2,4})",
    re.I,
)
_OLD_DATE: Final = re.compile(
    r"(?<!\d)(?:\d{1,2}[-./]\d{1,2}[-./]19\d\d|19\d\d[-./]\d{1,2}[-./]\d{1,2})(?!\d)"
)

# Postal addresses: number and street in either order, then postcode and city.
_CAPITAL: Final = r"[^\W\d_a-zß-öø-ÿ]"  # any letter in scripts without capitals, such as Chinese
_PROPER: Final = rf"{_CAPITAL}[\w'-]{{1,20}}"
_PLACE: Final = rf"{_CAPITAL}(?:[^\W\d]|['-]){{1,20}}(?!\w)"
_TAIL: Final = (
    r"(?:\s[NS]?[NESW]\b)?(?:,?\s(?i:apt|apartment|suite|unit|flat|#)\.?\s?\w{1,5})?"
    rf"(?:\s?,\s?(?=.[a-zß-ÿ]){_PLACE}(?:[ -](?:[a-z]{{2,4}}[ -])?{_PLACE}){{0,2}})?"
    r"(?:\s?,?\s?[A-Z]{2}\b(?=\s\d))?(?:\s?,?\s?(?i:\d{5}(?:-\d{4})?|\d{4}\s?[A-Z]{2}\b"
    r"|[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b|[A-Z]{1,2}-?\d{4,5}|\d{4})(?!\d)"
    rf"(?:(?:\s[^\W\d_]{{2,20}}|,\s{_PLACE})(?:[ -]{_PLACE}){{0,2}})?)?"
)
_NUMBER_FIRST: Final = re.compile(
    r"\d(?<!\d\d)(?<![\w.:]\d)\d{0,4}(?:-\d{1,4})?(?:[A-Za-z]|\s?(?:bis|ter))?,?\s(?:"
    r"(?:(?!\d{1,20}\s)[\w'.-]{1,20}\s){1,3}?"
    r"(?i:street|road|rd|avenue|ave|blvd|boulevard|terrace|lane|crescent)\b\.?"
    rf"|(?:{_CAPITAL}[\w'.-]{{1,20}}\s){{1,4}}(?:St|Drive|Dr|Ln|Way|Court|Ct|Place|Pl|Square|Sq"
    r"|Close|Gardens|Grove|Hill|Mews|Row|Walk|Highway|Hwy|Parkway|Pkwy|Circle|Cir|Broadway)\b\.?"
    r"|(?i:rue|avenue|av\.|boulevard|bd|place|allée|chemin|impasse|quai|cours|route|square)\s"
    r"(?:(?i:de la\s|de l'|des?\s|du\s|d'|la\s|le\s|les\s)[^\W\d_][\w'-]{1,20}"
    rf"|{_PROPER})(?:[ -](?:(?:de|du|des|la|le|et)[ -]){{0,2}}{_PROPER}){{0,3}}){_TAIL}"
)
_STREET: Final = (
    r"(?i:stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|damm|(?<!ä)ufer|straat|laan|plein|gracht|kade"
    r"|dijk)"
)
_HOUSE: Final = rf"(?:(?i:nr|n[º°.]{{1,2}})\.?\s?)?\d{{1,4}}[a-zA-Z]?(?!\w|[.:]\w){_TAIL}"
_STREET_FIRST: Final = re.compile(
    rf"(?<!\w)(?:(?:{_CAPITAL}[\w.]{{1,20}}\s)?(?:\w{{1,20}}-){{0,5}}\w{{2,25}}?{_STREET}"
    rf"|(?:(?:\w{{1,20}}-){{1,5}}|(?:{_CAPITAL}[\w.]{{1,20}}\s){{1,2}}|\w{{2,20}}\s){_STREET})"
    rf"\s?{_HOUSE}"
)
_CALLE_FIRST: Final = re.compile(
    r"\b(?:(?i:calle|avenida|avda\.?|plaza|paseo|piazza|viale|corso|vicolo|strada|rua|praça|carrer)"
    r"\s(?:[\w'.-]{1,20}\s){0,3}?[\w'.-]{1,20}(?:,\s?|\s)"
    r"|(?:Via|Largo|C/)\s?(?:(?:de|del|della|dei|di|la)\s){0,2}"
    rf"(?:{_CAPITAL}[\w'.-]{{1,20}},?\s){{1,3}}){_HOUSE}"
)
_TOWN_LAST: Final = re.compile(
    rf"(?<!\w){_CAPITAL}[\w'.-]{{1,20}}\s(?:[\w'.-]{{1,20}}\s){{0,3}}?\d{{1,4}}[a-zA-Z]?,?\s"
    rf"(?:[A-Z]{{1,2}}-)?\d{{4,5}}\s(?:[A-Z]{{2}}\s)?{_PLACE}(?:[ -]{_PLACE}){{0,2}}"
)
_BOX: Final = re.compile(
    r"\b(?:(?i:p\.?\s?o\.?\s?box|postfach)\s\d{1,6}"
    r"|[A-Z]{1,2}\d[A-Z\d]?\s\d(?!XX|[GKMT]B)[ABD-HJLNP-UW-Z]{2})\b"
)

# Names: after a title, after words that introduce a name, and after a closing formula.
_GIVEN: Final = rf"{_CAPITAL}[\w'-]{{0,24}}"
_NAME: Final = (
    rf"(?:[A-Z]\.\s?){{0,2}}{_GIVEN}"
    rf"(?:[ -](?:(?:von|van|de|der|den|di|da|del|la|bin)\s){{0,2}}(?:[A-Z]\.\s)?{_GIVEN}){{0,2}}"
)
_TITLED: Final = re.compile(
    r"(\b(?:M(?:rs?|s|x|iss|me|lle|adame|onsieur|evrouw|evr)|Dr|Prof|Sir|Herrn?|Frau|Señora?|Sra?"
    r"|Signora?|Dhr|M(?=\.)|mrs?|herrn?|frau|mme)\.?\s(?:(?:Dr|Prof)\.?\s){0,2}+)"
    rf"(?:(?!(?:Dr|Prof)\b|Teams\b|Word\b|Excel\b|Office\b){_NAME}"
    r"|(?<=[mr]r\s|rs\s|r\.\s|s\.\s)[a-zß-ÿ]{2,24}\b)"
)
_ANNOUNCED: Final = re.compile(
    r"(?<!\w)((?i:my name is|my name's|mein name ist|ich hei(?:ß|ss)e|je m'appelle|me llamo"
    r"|mi chiamo|mi nombre es|ik heet|mijn naam is|(?:full|first|last|contact|customer) ?name:"
    r"|(?:vor|nach)name:)\s{0,2})"
    rf"(?:{_NAME}|(?!(?:not?|wrong|missing|in|on|the|still|never|too|always|incorrect|shown)\b)"
    r"[a-zß-ÿ][\w'-]{1,24}"
    r"(?:\s[a-zß-ÿ][\w'-]{1,24}(?=\s?(?:[.,;!|]|$|and\b|und\b|et\b|y\b)))?)"
)
_SELF: Final = re.compile(
    rf"([Ii](?<!\w[Ii])(?: am|'m)\s)(?={_CAPITAL}\w{{1,24}}[ -]{_CAPITAL}[a-zß-ÿ]){_NAME}"
)
_GREETED: Final = re.compile(
    r"([BDHL](?<!\w[BDHL])(?:ear|i|ello|allo|ey|onjour|ola|ieber?)\s)"
    rf"(?!Team|Support|All|There|Sir){_NAME}(?=\s?[,!])"
)
_CLOSED: Final = re.compile(
    r"(?<!\w)(?:((?:(?i:(?:best |kind |warm )?regards|(?:yours )?(?:sincerely|truly|faithfully)"
    r"|mit freundlichen gr(?:ü|ue)(?:ß|ss)en|gr(?:ü|ue|u)(?:ß|ss)e?|cordialement|bien à vous"
    r"|saludos|atentamente|cordiali saluti|groet(?:en)?)|(?:mfg|MfG|VG|LG|[Cc]heers|[Bb]est)"
    rf"(?=\s?[,\n]))[\s,.!-]{{1,4}})(?:{_NAME}|[a-zß-ÿ]{{2,24}}(?:\s[a-zß-ÿ]{{2,24}})?(?=[\s.]{{0,2}}$))"
    r"|((?i:thanks|thank you|thx|merci|danke|vielen dank|gracias|grazie|bedankt)(?: again)?"
    rf"\s?[,.!\n-]\s{{0,2}}){_NAME}(?=[\s.]{{0,3}}(?:$|\[|\||\n)))"
)

# Other numbers of at least seven digits, unless a date, a time, a version or an error code.
BETWEEN: Final = r"[ \t.\-/()·]"
_SEVEN_DIGITS: Final = _found(rf"\d(?:{BETWEEN}{{0,4}}\d){{6}}")
_DAY: Final = r"(?:3[01]|[12]\d|0?[1-9])"
_YEAR: Final = r"20(?:1[5-9]|[23]\d)"
_END: Final = r"(?!\d|[.\-/]\d)"
_DIGITS: Final = re.compile(
    r"((?<!\d)(?:0x[0-9a-f]{1,16}(?![0-9a-f])|(?<=\bKB)\d{6,7}(?!\d)|(?<=\bAADSTS)\d{5,8}(?!\d)"
    r"|(?<=\bCVE-)\d{4}-\d{4,7}(?!\d)|(?:(?<=error )|(?<=status )|(?<=http )|(?<=code )"
    rf"|(?<=port )|(?<=build ))\d{{2,5}}(?! \d{{4}}){_END}"
    rf"|{_YEAR}([-./]){_DAY}\2{_DAY}{_END}|{_DAY}([-./]){_DAY}(?:\3){_YEAR}{_END}"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[012]\d[0-5]\d(?:[0-5]\d)?)?(?!\d)"
    r"|\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?!\d)|(?!0\d)\d{1,2}\.\d{1,2}\.\d{1,3}"
    rf"(?!\d|[./]\d|-(?!20\d{{6}})\d)|\d{{1,3}}\.0\.\d{{4,5}}\.\d{{1,5}}{_END}"
    rf"|(?<=[€$£])\d{{1,6}}\.\d\d{_END}))"
    rf"|[+(]{{0,2}}\d(?:{BETWEEN}{{0,4}}\d){{6,{_MOST}}}",
    re.I,
)


def _bare_link(match: re.Match[str]) -> str:
    host, slash, path = re.split(r"[?#]", match[2], maxsplit=1)[0].partition("/")
    return f"{match[1]}{host.rpartition('@')[2]}{slash}{path}"


def _token(match: re.Match[str]) -> str:
    """Replace a word in which letters and digits, or upper and lower case, alternate often."""
    word = match[0]
    mixed = len(_MIXED.findall(word))
    turns = mixed + len(_CASED.findall(word))
    is_token = mixed >= max(4, len(word) / 9) or turns >= max(8, len(word) * 0.4)
    return "[token]" if is_token else word


def iban(match: re.Match[str]) -> str:
    """Replace an account number; keep the words that follow it according to the checksum."""
    found = match[0]
    for end in (i for i in range(len(found), 14, -1) if i == len(found) or found[i] in " -"):
        short = re.sub(r"[ -]", "", found[:end])
        number = int("".join(str(int(c, 36)) for c in short[4:] + short[:4]))
        if len(short) >= 15 and number % 97 == 1 and not re.search(r"\d", found[end:]):
            return "[iban]" + found[end:]
    return "[iban]" if sum(c.isdigit() for c in found) >= 10 else found


def _digits(match: re.Match[str]) -> str:
    """Replace a number by its kind, but keep numbers that describe the problem."""
    found = match[0]
    if match[1]:
        return found
    digits = [int(c) for c in found if c.isdecimal()]
    if found[0] != "+" and any(_is_card(digits[:n]) for n in (16, len(digits))):
        return "[card]"
    separated = len(digits) < len(found) or digits[0] == 0
    return "[phone]" if separated and len(digits) <= 15 else "[number]"


def _is_card(digits: list[int]) -> bool:
    """Return whether there are thirteen to nineteen digits with a valid Luhn checksum."""
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + doubled) % 10 == 0


def _named(match: re.Match[str]) -> str:
    return "".join(group or "" for group in match.groups()) + "[name]"


TOKENS: Final[tuple[tuple[re.Pattern[str], _Replacement], ...]] = (
    (_UUID, "[token]"),
    (_TOKEN, "[token]"),
    (_WORD, _token),
)
_SECRET_WORDS: Final = _words(
    "pass password passwords passwort passwd passcode passphrase passe kennwort pwd pw wachtwoord"
    " mdp clave senha contraseña contrasena parola key apikey secret pin pincode puk cvv cvc token"
    " code otp tan sid session sessionid"
)
_ID_WORDS: Final = _words(
    "ssn bsn passport passeport pasaporte passaporto paspoort ausweis personalausweis dni nie nif"
    " cpf fiscale insurance security tax steuer steuerid"
)
_BIRTH_WORDS: Final = _words(
    "birth birthday birthdate born dob geboren geburtsdatum geburtstag geboortedatum naissance né"
    " née nacimiento nacido nacida nato nata"
)
_STREET_END: Final = _found(
    r"\d(?<=[\s.]\d)(?:(?<=(?:.ße|sse|weg|atz|lee|amm|fer|aat|aan|ein|cht|ade|ijk|tr\.|\snr|nr\.)\s\d)"
    r"|(?<=r\.\d))"
)
_CALLE_WORDS: Final = _words(
    "calle avenida avda plaza paseo piazza viale corso vicolo strada rua praça carrer via largo c"
)
_TITLE_WORDS: Final = _words(
    "mr mrs ms mx miss m mme mlle madame monsieur mevrouw mevr dr prof sir herr herrn frau señor"
    " señora sr sra signor signora dhr"
)
_ANNOUNCING_WORDS: Final = _words(
    "name vorname nachname heiße heisse appelle llamo nombre chiamo heet naam"
)
_CLOSING_WORDS: Final = _words(
    "regards sincerely grüßen grüssen gruessen grüße grüsse gruesse gruß gruss cordialement bien"
    " saludos atentamente saluti groet groeten truly faithfully mfg vg lg cheers best thanks thank"
    " thx merci danke dank gracias grazie bedankt"
)
_IPV4_RULE: Final = Rule(4, _found(r"\d(?:(?:[-.]|\[\.\])\d{1,3}){3}"), (_IPV4, "[ip]"))
_OLD_DATE_RULE: Final = Rule(6, _has("19"), (_OLD_DATE, "[number]"))
_ID_RULE: Final = Rule(4, _found(r"\d(?:(?:[ -]?\d){5}|[a-z]{1,3}\d)"), (_ID, "[id]"))
_DIGITS_RULE: Final = Rule(7, _SEVEN_DIGITS, (_DIGITS, _digits))
NUMBER_RULES: Final = (_IPV4_RULE, _OLD_DATE_RULE, _ID_RULE, _DIGITS_RULE)
"""Rules that also match version numbers."""
# Ordered: patterns that may contain other data come first, the vaguest last.
RULES: Final = (
    Rule(0, _has("://", "www."), (_LINK, _bare_link)),
    Rule(0, _has("?"), (_QUERY, "")),
    Rule(0, _words("bearer basic"), (_CREDENTIALS, r"\1[token]")),
    Rule(0, _SECRET_WORDS, (_SECRET, r"\1[secret]"), (_LIKELY_SECRET, r"\1[secret]")),
    Rule(0, _has("@", "%40"), (EMAIL, "[email]"), (_SPACED_EMAIL, "[email]")),
    Rule(0, _found(r"[(\[{<]\s?(?:a|@|ät|chez)", "dot"), (_SPOKEN_EMAIL, "[email]")),
    Rule(7, _SEVEN_DIGITS, (IBAN, iban)),
    Rule(0, has_long_word, (_FISCAL, "[id]"), *TOKENS),
    Rule(0, _has_groups, (_MAC, "[mac]"), (_IPV6, "[ip]")),
    _IPV4_RULE,
    Rule(4, _BIRTH_WORDS, (_BIRTH, r"\1[id]")),
    _OLD_DATE_RULE,
    Rule(5, _ID_WORDS, (_NAMED_ID, r"\1[id]")),
    _ID_RULE,
    Rule(1, _found(r"\d[a-z]?(?:\s?bis|\s?ter)?,?\s[^\W\d_]"), (_NUMBER_FIRST, "[address]")),
    Rule(1, _STREET_END, (_STREET_FIRST, "[address]")),
    Rule(1, _CALLE_WORDS, (_CALLE_FIRST, "[address]")),
    Rule(5, _found(r"\d[a-z]?,?\s(?:[a-z]{1,2}-)?\d{4,5}\s[^\W\d_]"), (_TOWN_LAST, "[address]")),
    Rule(1, _found(r"\d[a-z]?\s\d[a-z]{2}\b", "box postfach"), (_BOX, "[address]")),
    _DIGITS_RULE,
    Rule(0, _TITLE_WORDS, (_TITLED, _named)),
    Rule(0, _ANNOUNCING_WORDS, (_ANNOUNCED, _named)),
    Rule(0, _words("am m"), (_SELF, _named)),
    Rule(0, _words("dear hi hello hallo hey bonjour hola liebe lieber"), (_GREETED, _named)),
    Rule(0, _CLOSING_WORDS, (_CLOSED, _named)),
)
