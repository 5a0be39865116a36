"""The names of all topics."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topics:
    """Topic names behind an optional prefix, prepended as written.

    Example:
        >>> Topics("staging.").escalations
        'staging.escalations'
    """

    prefix: str = ""

    @property
    def tickets(self) -> str:
        """Ticket events from outside; with one key per tenant, their order is kept."""
        return f"{self.prefix}tickets"

    @property
    def by_tenant(self) -> str:
        """Valid signals, partitioned by tenant; only intake and the ticker write them."""
        return f"{self.prefix}tickets.by-tenant"

    @property
    def dead(self) -> str:
        """Dead letters."""
        return f"{self.prefix}tickets.dead"

    @property
    def escalations(self) -> str:
        """Escalation events; key: tenant."""
        return f"{self.prefix}escalations"

    @property
    def feedback(self) -> str:
        """People's answers."""
        return f"{self.prefix}escalations.feedback"

    @property
    def audit(self) -> str:
        """Decisions about notifications, messages and answers; key: episode."""
        return f"{self.prefix}escalations.audit"

    @property
    def notified(self) -> str:
        """What each receiver was notified of; only notify writes it."""
        return f"{self.prefix}escalations.notified"

    @property
    def silences(self) -> str:
        """Silences; key: the silence."""
        return f"{self.prefix}escalations.silences"

    def group(self, name: str) -> str:
        """Name of the consumer group, which is also the Faust application id."""
        return f"{self.prefix}{name}"

    def changelog(self, name: str) -> str:
        """Name of the changelog of the group *name*: snapshots and progress."""
        return f"{self.group(name)}-state-changelog"
