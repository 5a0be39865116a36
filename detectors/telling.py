"""All that an escalation tells beyond its counts: why, in which words, at what cost, what to do."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final, NamedTuple

from detectors.dossier import CUSTOMER, Dossier, Note
from detectors.episode import Episode
from detectors.evidence import moment, significant
from detectors.explanation import Explained, Together, explain
from detectors.explanation import Explanation as Reasons
from detectors.playbook import customer_text
from detectors.series import Series
from detectors.settings import Settings
from detectors.shares import MOST_USUAL, Usual
from detectors.slices import OF_AN_AREA
from detectors.spiking import Spiking, spiking
from detectors.tenant import WHOLE, Tenant
from schemas.escalation import (
    Account,
    Actions,
    Child,
    Example,
    Explanation,
    Impact,
    Renewal,
    Slice,
    Term,
)

AREA: Final = "product_area"
MOST_CHILDREN: Final = 20
MOST_EXAMPLES: Final = 3
EXAMPLE_CHARACTERS: Final = 200
PRODUCT_SHARE: Final = 0.8
"""Of the excess of a tenant-wide episode, that makes one product its own."""
MOST_POOLED: Final = 16
"""Areas that tell which values are usual, and which go together."""
AREA_VARIANCE: Final = 0.05
LEAST_TOLD: Final = 3.0
"""Customer-equivalents inside below which a value of a whole tenant is not looked at."""


class Story(NamedTuple):
    """What is told of one episode, as it stands."""

    explanation: list[Explanation]
    not_explained_by: list[str]
    terms: list[Term]
    examples: list[Example]
    impact: Impact | None
    actions: Actions | None
    product: str | None
    children: list[Child] | None


def story(tenant: Tenant, key: str, episode: Episode, settings: Settings, at: float) -> Story:
    """What is known *at* (seconds) of the episode of the series *key*."""
    dossier = episode.dossier
    children = _children(tenant, episode, at) if key == WHOLE else None
    product = _product(key, children, dossier, settings)
    children = children[:MOST_CHILDREN] if children is not None else None
    if dossier is None:
        actions = _actions(key, episode, settings, product)
        return Story([], [], [], [], None, actions, product, children)
    reasons = explain(
        dossier, _usual(tenant, key, dossier, at), _together(tenant, key), episode.slice
    )
    words = _words(tenant, key, dossier)
    return Story(
        explanation=[_explanation(one) for one in reasons.values],
        not_explained_by=list(reasons.not_by),
        terms=[_term(one) for one in words],
        examples=_examples(dossier, reasons, words) if settings.show_examples else [],
        impact=_impact(tenant, key, episode, dossier, settings),
        actions=_actions(key, episode, settings, product, reasons),
        product=product,
        children=children,
    )


def _inside(tenant: Tenant, key: str) -> list[Series]:
    if key != WHOLE:
        return [tenant.areas[key]]
    return [tenant.areas[name] for name in sorted(tenant.areas)]


def _usual(tenant: Tenant, key: str, dossier: Dossier, at: float) -> dict[str, Usual]:
    """The usual shares: of the area, or of the areas with most tickets inside by their rates."""
    if key != WHOLE:
        series = tenant.areas[key]
        names = dict.fromkeys((*dossier.values, *series.slices.of, *series.slices.others))
        told = {name: series.slices.usual(name) for name in names}
        return {name: usual for name, usual in told.items() if usual is not None}
    rates = {name: max(s.model.rate_at(at), 1e-6) for name, s in sorted(tenant.areas.items())}
    total = sum(rates.values())
    inside = [(rates[name], tenant.areas[name].slices) for name in _busiest(tenant, dossier)]
    found: dict[str, Usual] = {}
    for name, came in dossier.values.items():
        dimension, _, value = name.partition("\x1f")
        if dimension == AREA:
            if value in rates:
                found[name] = Usual(min(rates[value] / total, MOST_USUAL), AREA_VARIANCE)
        elif came >= LEAST_TOLD and not name.startswith(OF_AN_AREA):
            known = [(rate, usual) for rate, slices in inside if (usual := slices.usual(name))]
            weight = sum(rate for rate, _ in known)
            if known and weight > 0.5 * sum(rate for rate, _ in inside):
                found[name] = Usual(
                    sum(rate * usual.share for rate, usual in known) / weight,
                    sum(rate * usual.variance for rate, usual in known) / weight,
                )
    return found


def _busiest(tenant: Tenant, dossier: Dossier) -> list[str]:
    """Areas by tickets inside, most first, as many as are looked at."""
    counts = _by_area(tenant, dossier)
    return sorted(counts, key=lambda name: (-counts[name], name))[:MOST_POOLED]


def _by_area(tenant: Tenant, dossier: Dossier) -> dict[str, float]:
    """Customer-equivalents inside, by area."""
    found = {name: dossier.values.get(area_key(name)) for name in sorted(tenant.areas)}
    return {name: came for name, came in found.items() if came is not None}


def _together(tenant: Tenant, key: str) -> Together:
    """By the area's own tickets; for values that all areas share, by those of others as well."""
    own = _inside(tenant, key)
    others = sorted(tenant.areas, key=lambda name: (-tenant.areas[name].model.rate, name))
    pool = [tenant.areas[name] for name in others[:MOST_POOLED]]
    if key != WHOLE and own[0] not in pool:
        pool.append(own[0])

    @cache
    def counts(one: str, other: str) -> tuple[float, float]:
        special = one.startswith(OF_AN_AREA) or other.startswith(OF_AN_AREA)
        found = [s.mix.count((one,), (one, other)) for s in (own if special else pool)]
        return sum(with_one for with_one, _ in found), sum(both for _, both in found)

    def alone(name: str) -> tuple[float, float]:
        return sum(s.mix.count((name,))[0] for s in own), float(sum(len(s.mix) for s in own))

    return Together(counts, alone)


def _words(tenant: Tenant, key: str, dossier: Dossier) -> list[Spiking]:
    """Against the area's own words, or those of the areas that have most tickets inside."""
    areas = tenant.areas
    if key != WHOLE:
        others = [areas[name].vocabulary for name in sorted(areas) if name != key]
        return spiking(dossier, areas[key].vocabulary, others)
    names = _busiest(tenant, dossier)
    if not names:
        return []
    return spiking(
        dossier, areas[names[0]].vocabulary, [areas[name].vocabulary for name in names[1:]]
    )


def _explanation(one: Explained) -> Explanation:
    dimension, _, value = one.keys[0].partition("\x1f")
    also = None
    if len(one.keys) > 1:
        other, _, its = one.keys[1].partition("\x1f")
        also = Slice(dimension=other, value=its)
    return Explanation(
        dimension=dimension,
        value=value,
        also=also,
        observed=round(one.observed, 3),
        expected=round(one.expected, 3),
        share=significant(one.share, 3),
        lift=significant(one.lift, 3),
        p_value=significant(one.p_value, 3),
    )


def _term(one: Spiking) -> Term:
    return Term(
        term=one.term,
        tickets=one.tickets,
        share=significant(one.share, 3),
        usual_share=significant(min(one.usual, 1.0), 3),
        log_odds=significant(one.log_odds, 3),
        new=one.is_new,
    )


def _examples(dossier: Dossier, reasons: Reasons, words: Sequence[Spiking]) -> list[Example]:
    """Tickets with what explains the episode and with its words; of different customers first."""
    telling = set(reasons.values[0].keys) if reasons.values else set()

    def typical(note: Note) -> tuple[int, int, int]:
        text = note.text.casefold()
        said = sum(one.term in text for one in words)
        return -len(telling & set(note.keys)), -said, note.mark

    chosen: list[Note] = []
    ranked = sorted(dossier.candidates, key=typical)
    customers: set[str | None] = set()
    for note in ranked:
        if note.customer is None or note.customer not in customers:
            chosen.append(note)
            customers.add(note.customer)
    chosen += [note for note in ranked if note not in chosen]
    return [
        Example(
            ticket_id=note.ticket_id,
            created_at=moment(note.at),
            text=_cut(note.text, EXAMPLE_CHARACTERS),
            customer=note.customer,
            url=note.url,
        )
        for note in chosen[:MOST_EXAMPLES]
    ]


def _cut(text: str, characters: int) -> str:
    """No more than so many *characters*, whole words where there are any."""
    if len(text) <= characters:
        return text
    shorter = text[: characters - 4]
    return (shorter.rpartition(" ")[0] or shorter) + " ..."


def _impact(
    tenant: Tenant, key: str, episode: Episode, dossier: Dossier, settings: Settings
) -> Impact:
    audience = dossier.audience
    excess = max(episode.observed - episode.expected, 0.0)
    inside = _inside(tenant, key)
    if key == WHOLE:  # its counts are weighted by what they tell: hours come from the tickets
        excess = max(dossier.came - dossier.due, 0.0)
        inside = [tenant.areas[name] for name in _by_area(tenant, dossier)]
    work = _handling(inside)
    elapsed = any(series.elapsed for series in inside)
    basis = None if work is None else ("time_to_solve" if elapsed else "work")
    if settings.handling_minutes > 0.0 and (work is None or elapsed):
        work, basis = settings.handling_minutes * 60.0, "configured"
    return Impact(
        excess=round(excess, 3),
        customers=episode.customers,
        customers_estimated=audience.estimated,
        by_tier=audience.by_tier(),
        by_region=audience.by_region(),
        revenue=significant(audience.revenue, 6) if audience.with_revenue else None,
        revenue_customers=audience.with_revenue,
        renewals_soon=audience.renewing_customers,
        renewals=[
            Renewal(customer=one.customer, renewal_at=moment(one.at), revenue=one.revenue)
            for one in audience.renewals
        ],
        accounts=[
            Account(
                customer=name,
                tickets=one.tickets,
                tier=one.tier,
                region=one.region,
                revenue=None if one.revenue is None else significant(one.revenue, 6),
            )
            for name, one in sorted(
                audience.accounts.items(),
                key=lambda item: (-(item[1].revenue or 0.0), -item[1].tickets, item[0]),
            )
        ],
        handling_hours=None if work is None else significant(excess * work / 3600.0, 3),
        handling_basis=basis,  # type: ignore[arg-type]  # one of the two words above
    )


def _handling(inside: Iterable[Series]) -> float | None:
    """Median seconds of a ticket, those of several areas by their rates."""
    total = rates = 0.0
    for series in inside:
        if (seconds := series.handling) is not None:
            total += seconds * series.model.rate
            rates += series.model.rate
    return total / rates if rates > 0.0 else None


def _product(
    key: str, children: list[Child] | None, dossier: Dossier | None, settings: Settings
) -> str | None:
    """Of the area; of a tenant-wide episode, the one that has nearly all of the excess."""
    taxonomy = settings.taxonomy
    if key != WHOLE:
        return taxonomy.product_of(key)
    if dossier is None or not taxonomy.areas:
        return None
    excess: dict[str, float] = {}
    for child in children or ():
        name = taxonomy.product_of(child.product_area) or ""
        excess[name] = excess.get(name, 0.0) + child.observed - child.expected
    top = max(excess, key=lambda name: (excess[name], name), default="")
    return top if top and excess[top] >= PRODUCT_SHARE * (dossier.came - dossier.due) else None


def _children(tenant: Tenant, episode: Episode, at: float) -> list[Child]:
    """The areas inside, by excess; what is due in all is split by their rates."""
    dossier = episode.dossier
    rates = {name: series.model.rate_at(at) for name, series in sorted(tenant.areas.items())}
    total = sum(rate for name, rate in rates.items() if tenant.knows(tenant.areas[name]))
    due = dossier.due / max(total, 1e-9) if dossier is not None else 0.0
    came = _by_area(tenant, dossier) if dossier is not None else {}
    found = []
    for name in sorted({*came, *episode.areas} & rates.keys()):
        own = tenant.areas[name].episode
        if own is not None and not own.running and own.resolved_at < episode.since:
            own = None  # an earlier one
        found.append(
            Child(
                product_area=name,
                episode_id=own.id if own is not None else None,
                observed=round(came.get(name, 0.0), 3),
                expected=round(rates[name] * due, 3),
            )
        )
    return sorted(found, key=lambda child: (child.expected - child.observed, child.product_area))


def _actions(
    key: str,
    episode: Episode,
    settings: Settings,
    product: str | None,
    reasons: Reasons | None = None,
) -> Actions | None:
    playbook = settings.playbook
    if not playbook.entries:
        return None
    area = None if key == WHOLE else key
    issue = _issue_type(episode, reasons)
    entry = playbook.match(area, issue, episode.severity, product)
    if entry is None:
        return Actions(entry=None)
    fields = {
        "area": area or "several areas",
        "since": f"{moment(episode.since):%Y-%m-%d %H:%M} UTC",
        "customers": str(episode.customers),
        "product": product or "",
        "issue": issue if issue and issue in _issue_types(settings) else "",
        "status": "resolved" if not episode.running else "being worked on",
    }
    return Actions(
        entry=entry.name,
        team=entry.team or None,
        runbook=entry.runbook or None,
        steps=list(entry.steps),
        tell=list(entry.tell),
        customer_text=customer_text(entry.customer_text, fields) if entry.customer_text else None,
    )


def _issue_type(episode: Episode, reasons: Reasons | None) -> str | None:
    """That of the slice that paged, else the one that explains it best."""
    keys = [episode.slice] if episode.slice is not None else []
    keys += [key for one in (reasons.values if reasons is not None else ()) for key in one.keys]
    return next((key[len(OF_AN_AREA) :] for key in keys if key.startswith(OF_AN_AREA)), None)


def _issue_types(settings: Settings) -> set[str]:
    """Those that somebody named: what strangers call theirs is not told to customers."""
    named = {one.name for area in settings.taxonomy.areas for one in area.issue_types}
    return {*named, *(name for entry in settings.playbook.entries for name in entry.issue_types)}


def area_key(area: str) -> str:
    """How an area stands among the values of a ticket of the whole tenant."""
    return f"{AREA}\x1f{area}"


def customer_key(customer: str) -> str:
    """How a customer stands among the values of a ticket."""
    return f"{CUSTOMER}\x1f{customer}"
