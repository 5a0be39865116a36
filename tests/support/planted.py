"""Invented personal data and secrets in invented tickets, to test that none of it is shown."""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

SYLLABLES = re.findall(
    r"\w+", "ba bre cor dal fen gim hol jar kel lun mor nev or pas quil rov sil tam ulv wex"
)
FILLERS = re.findall(
    r"\S+",
    "since this morning the page stays blank and nobody here can log in, please look at it soon."
    " we see HTTP 503 after version 4.2.1 at 09:00:00 but not always; err_401_sso comes back"
    " (again) with the export - our whole team waits! does anybody know why? Berlin office and"
    " Chrome 120 too",
)
LETTERS_AND_DIGITS = string.ascii_letters + string.digits
WIDE = str.maketrans(string.digits, "".join(chr(0xFF10 + digit) for digit in range(10)))


@dataclass(frozen=True)
class Planted:
    """A ticket with one string that must not be shown."""

    kind: str
    subject: str
    body: str
    text: str
    """The planted string as it appears in the subject or body."""
    traces: tuple[str, ...]
    """Strings in lower case that must not appear anywhere."""


def plant(random: Random, kind: str | None = None) -> Planted:
    """Return an invented ticket with an invented string of *kind*, or of any of `KINDS`."""
    kind = kind or random.choice(sorted(KINDS))
    text, revealing = KINDS[kind](random)
    words = random.choices(FILLERS, k=random.randint(4, 40))
    words.insert(random.randint(0, len(words)), random.choice(["{}", "{}", "{},", "{}.", "({})"]))
    cut = random.randint(0, len(words))
    space = random.choice([" ", "\n", "<br>"])
    subject, body = (" ".join(words[:cut]), space.join(words[cut:]))
    if random.random() < 0.2:
        body = f'<div class="x"><p>{body}</p></div>'
    runs = re.findall(r"\d{5,}", text)
    traces = tuple(trace.lower() for trace in (text, revealing, *runs) if trace)
    return Planted(kind, subject.replace("{}", text), body.replace("{}", text), text, traces)


def digits(random: Random, count: int) -> str:
    """Return *count* random digits."""
    return "".join(random.choices(string.digits, k=count))


def filled(random: Random, template: str) -> str:
    """Return *template* with a digit for each # and a capital letter for each @."""
    marks = {"#": string.digits, "@": string.ascii_uppercase}
    return "".join(random.choice(marks.get(c, c)) for c in template)


def word(random: Random, syllables: int = 3) -> str:
    """Return a word that exists in no language."""
    return "".join(random.choices(SYLLABLES, k=syllables))


def luhn(number: str) -> str:
    """Return *number* with the check digit of a card number."""
    doubled = [sum(divmod(int(c) * (2 - i % 2), 10)) for i, c in enumerate(reversed(number))]
    return number + str(-sum(doubled) % 10)


def email(random: Random) -> tuple[str, str]:
    """Return an address, possibly written in a form that hides it from crawlers."""
    local = word(random) + random.choice([".", "_", "-", "+", ""]) + word(random)
    host, land = word(random, 2), random.choice(["com", "co.uk", "de", "example"])
    form = random.choice(
        ["{}@{}.{}"] * 6
        + ["{} (at) {} (dot) {}", "{} [at] {}.{}", "mailto:{}@{}.{}", "{} @ {}.{}", "{}&#64;{}.{}"]
        + ["{}\u200b@{}.{}", "{}\uff20{}.{}", "{}%40{}.{}"]
    )
    return form.format(local, host, land), local


def phone(random: Random) -> tuple[str, str]:
    """Return a phone number in one of the usual notations."""
    template = random.choice(
        [
            "+49 ### #######",
            "(###) ###-####",
            "0### / #######",
            "+1-###-###-####",
            "###.###.####",
            "+33 # ## ## ## ##",
            "00## ### ### ####",
            "+44 (0)20 #### ####",
            "+## ##########",
            "0#########",
            "###-####",
            "0## ## ## ## ##",
            "+#\u2011###\u2011###\u2011####",
        ]
    )
    text = filled(random, template)
    return (text.translate(WIDE) if random.random() < 0.1 else text), text


def card(random: Random) -> tuple[str, str]:
    """Return a card number with a valid check digit."""
    length = random.choice([13, 15, 16, 16, 16, 19])
    number = luhn(random.choice("3456") + digits(random, length - 2))
    gap = random.choice(["", " ", "-"])
    return gap.join(number[i : i + 4] for i in range(0, length, 4)), number


def iban(random: Random) -> tuple[str, str]:
    """Return an IBAN with valid check digits."""
    template = random.choice(
        [
            "DE#################",
            "GB@@@@##############",
            "NL@@@@##########",
            "AT################",
            "FR####################@##",
            "IT@######################",
            "NO###########",
        ]
    )
    land, account = template[:2], filled(random, template[2:])
    number = "".join(str(int(c, 36)) for c in account + land + "00")
    text = f"{land}{98 - int(number) % 97:02}{account}"
    if random.random() < 0.5:
        text = " ".join(text[i : i + 4] for i in range(0, len(text), 4))
    return random.choice([text, text, text.lower()]), text.replace(" ", "")


def token(random: Random) -> tuple[str, str]:
    """Return a key or token of a well-known form, or of no known form."""

    def some(count: int, of: str = LETTERS_AND_DIGITS) -> str:
        return "".join(random.choices(of, k=count))

    mixed, hexadecimal = LETTERS_AND_DIGITS + "-_", "0123456789abcdef"
    forms = [
        f"eyJ{some(20)}.eyJ{some(40)}.{some(43, mixed)}",
        f"AKIA{some(16, string.ascii_uppercase + string.digits)}",
        f"ghp_{some(36)}",
        f"github_pat_{some(22)}_{some(59)}",
        f"sk_live_{some(24)}",
        f"sk-{some(48)}",
        f"xoxb-{digits(random, 12)}-{some(24)}",
        f"AIza{some(35, mixed)}",
        some(random.randint(20, 64), hexadecimal),
        "-".join(some(count, hexadecimal) for count in (8, 4, 4, 4, 12)),
        "".join(some(2, string.ascii_letters) + some(1, string.digits) for _ in range(9)),
    ]
    return random.choice(forms), ""


def ip(random: Random) -> tuple[str, str]:
    """Return an IPv4 or IPv6 address."""
    if random.random() < 0.6:
        return ".".join(str(random.randint(0, 255)) for _ in range(4)), ""
    groups = [f"{random.randint(1, 65_535):x}" for _ in range(8)]
    text = random.choice(
        [":".join(groups), f"2001:{groups[0]}::{groups[1]}", f"fe80::{groups[2]}:1"]
    )
    return text, ""


def mac(random: Random) -> tuple[str, str]:
    """Return a MAC address."""
    gap = random.choice(":-")
    text = gap.join(f"{random.randint(0, 255):02x}" for _ in range(6))
    return random.choice([text, text.upper()]), ""


def address(random: Random) -> tuple[str, str]:
    """Return a street address in the notation of one of five countries."""
    name, town = word(random, 3).title(), word(random, 2).title()
    form = random.choice(
        [
            "#{n} {s} Street, {t} NW# #XE",
            "##{n} {s} Terrace, {t}, IL #####",
            "{s}straße ##, 1#### {t}",
            "{s} Gasse #a",
            "1# rue de la {s}, 75### {t}",
            "Calle {s} #, 28### {t}",
            "Via {s} 1#",
            "{s}straat 1#",
            "{s}laan #, 1### AB {t}",
            "1## {s} Avenue",
            "4# {s} Road",
            "{s}weg ##",
            "{s}str. #",
            "## boulevard {s}, 69### {t}",
            "Piazza {s} 1#, 00### {t}",
        ]
    )
    text = re.sub("#", lambda _: random.choice("123456789"), form)
    return text.format(n=random.choice(["", "B"]), s=name, t=town), name


def national_id(random: Random) -> tuple[str, str]:
    """Return the number of a person or of a passport."""
    template = random.choice(
        [
            "###-##-####",
            "QQ######C",
            "AB ## ## ## D",
            "C##X##T##",
            "@#######",
            "@@@@@@##M##H###@",
            "########Z",
            "X#######L",
            "YA#######",
            "BSN #########",
            "passport: C##X##T##",
        ]
    )
    text = filled(random, template)
    return text, text.rpartition(": ")[2]


def secret(random: Random) -> tuple[str, str]:
    """Return a password, a key or a PIN after its name."""
    name = random.choice(
        [
            "password",
            "Password",
            "pwd",
            "passwort",
            "API key",
            "api_key",
            "mot de passe",
            "contraseña",
            "DB_PASSWORD",
        ]
    )
    value = word(random, 2)
    if random.random() < 0.5:
        value += random.choice("!#$%&*+=^~") + digits(random, 3)
        return f"{name}{random.choice([': ', '=', ' = ', ' is ', ' : '])}{value}", value
    return f"{name}{random.choice([': ', '=', ' = ', ' : '])}{value}", value


KINDS: dict[str, Callable[[Random], tuple[str, str]]] = {
    "address": address,
    "card": card,
    "email": email,
    "iban": iban,
    "id": national_id,
    "ip": ip,
    "mac": mac,
    "phone": phone,
    "secret": secret,
    "token": token,
}
"""Generators of a string of each kind and of its most revealing part."""
