"""Names of all topics."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topics:
    """Topic names with an optional prefix, which is prepended verbatim.

    Example:
        >>> Topics("staging.").escalations
        'staging.escalations'
    """

    prefix: str = ""

    @property
    def tickets(self) -> str:
        """Ticket events as written by your systems; key: the tenant, which preserves the order."""
        return f"{self.prefix}tickets"

    @property
    def by_tenant(self) -> str:
        """Validated signals; key: the tenant. Written only by workers and the ticker."""
        return f"{self.prefix}tickets.by-tenant"

    @property
    def dead(self) -> str:
        """Dead letters: rejected records with the reason."""
        return f"{self.prefix}tickets.dead"

    @property
    def escalations(self) -> str:
        """Escalation events; key: the tenant."""
        return f"{self.prefix}escalations"

    @property
    def feedback(self) -> str:
        """Responses and verdicts of people; key: the tenant."""
        return f"{self.prefix}escalations.feedback"

    @property
    def audit(self) -> str:
        """Notification decisions, results and responses; key: the episode."""
        return f"{self.prefix}escalations.audit"

    @property
    def notified(self) -> str:
        """State of notify: what each receiver knows of each episode. Written only by notify."""
        return f"{self.prefix}escalations.notified"

    @property
    def silences(self) -> str:
        """Silences; key: the id of the silence."""
        return f"{self.prefix}escalations.silences"

    def group(self, name: str) -> str:
        """Return the consumer group, which is also the Faust application id."""
        return f"{self.prefix}{name}"

    def changelog(self, name: str) -> str:
        """State of the workers: snapshots of all series and the offsets they include."""
        return f"{self.group(name)}-state-changelog"
