"""From the configuration to the settings of the step: the only place that knows both."""

from detectors.settings import Settings
from stream.config import Config


def settings_of(config: Config) -> Settings:
    """What `detectors.pipeline.step` reads of *config*."""
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
        areas_per_tenant=config.limits.areas_per_tenant,
        tenants_per_partition=config.limits.tenants_per_partition,
    )
