"""The names of all topics, in one place."""

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
        """Ticket events as the world writes them; only one key per tenant keeps its order."""
        return f"{self.prefix}tickets"

    @property
    def by_tenant(self) -> str:
        """Validated signals, partitioned by tenant; written by intake and ticker alone."""
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
        """What people answer."""
        return f"{self.prefix}escalations.feedback"

    @property
    def audit(self) -> str:
        """Who was told what and why, and what people did; key: episode."""
        return f"{self.prefix}escalations.audit"

    @property
    def notified(self) -> str:
        """What each receiver was told of each episode; written by notify alone."""
        return f"{self.prefix}escalations.notified"

    @property
    def silences(self) -> str:
        """Silences; key: the silence."""
        return f"{self.prefix}escalations.silences"

    def group(self, name: str) -> str:
        """The consumer group, which is also the Faust application id."""
        return f"{self.prefix}{name}"

    def changelog(self, name: str) -> str:
        """The state of the group *name*: snapshots and progress."""
        return f"{self.group(name)}-state-changelog"
