"""Conversion of the configuration to the settings of the step; no other module knows both."""

from collections.abc import Iterator

import msgspec

from detectors.policy.settings import Settings
from detectors.policy.severity_rules import Rule
from schemas.escalation import Severity as Grade
from stream.config.detection_sections import Severity
from stream.config.loading import read_again
from stream.config.sections import Config
from stream.errors import ConfigError


def settings_of(config: Config) -> Settings:
    """Return the settings that `detectors.step.pipeline.step` reads."""
    return Settings(
        false_pages_per_week=config.budget.false_pages_per_week,
        timezone=config.time.timezone,
        country=config.calendar.country,
        subdivision=config.calendar.subdivision,
        events=config.calendar.events,
        slice_dimensions=config.slices.dimensions,
        lateness_seconds=float(config.time.lateness_seconds),
        future_seconds=float(config.time.future_seconds),
        model=config.model.name,
        clear_minutes=config.episode.clear_minutes,
        cooldown_minutes=config.episode.cooldown_minutes,
        update_percent=float(config.episode.update_percent),
        update_tickets=float(config.episode.update_tickets),
        storm_pages=config.storm.pages,
        storm_seconds=config.storm.minutes * 60.0,
        severity_rules=tuple(_rules(config.severity)),
        taxonomy=config.known_areas,
        playbook=config.what_to_do,
        placing_confidence=config.text.placing_confidence,
        show_examples=config.text.examples,
        renewal_days=config.impact.renewal_days,
        handling_minutes=config.impact.handling_minutes,
        areas_per_tenant=config.limits.areas_per_tenant,
        tenants_per_partition=config.limits.tenants_per_partition,
    )


def reloaded(config: Config, settings: Settings) -> Settings | ConfigError:
    """Reload the taxonomy and the playbook.

    Args:
        config: Names the files.
        settings: The current settings.

    Returns:
        The settings with the current content of the files; or the error, if the files have
        mistakes.
    """
    try:
        taxonomy, playbook = read_again(config)
    except ConfigError as error:
        return error
    return msgspec.structs.replace(settings, taxonomy=taxonomy, playbook=playbook)


def _rules(bounds: Severity) -> Iterator[Rule]:
    """Yield the severity rules, most severe first; within a severity, the rule by counts first."""
    yield Rule(
        severity="critical",
        name="by counts",
        customers=bounds.critical_customers,
        ratio=bounds.critical_ratio,
        excess_per_hour=bounds.critical_excess_per_hour,
    )
    yield from _rules_beside_counts(
        "critical", bounds, bounds.critical_tier_customers, bounds.critical_revenue
    )
    yield Rule(
        severity="error",
        name="by counts",
        customers=bounds.error_customers,
        ratio=bounds.error_ratio,
        excess_per_hour=bounds.error_excess_per_hour,
    )
    yield from _rules_beside_counts(
        "error", bounds, bounds.error_tier_customers, bounds.error_revenue
    )
    yield Rule(
        severity="warning",
        name="by counts",
        customers=bounds.warning_customers,
        ratio=bounds.warning_ratio,
        excess_per_hour=bounds.warning_excess_per_hour,
    )


def _rules_beside_counts(
    severity: Grade, bounds: Severity, tier_customers: int, revenue: float
) -> Iterator[Rule]:
    """Yield the rules by tier and by revenue, which apply regardless of the counts."""
    if tier_customers:
        yield Rule(
            severity=severity, name="by tier", tier=bounds.tier, tier_customers=tier_customers
        )
    if revenue:
        yield Rule(severity=severity, name="by revenue", revenue=revenue)
