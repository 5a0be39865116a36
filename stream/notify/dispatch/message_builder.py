"""Build the message of a queued item at the moment it is sent."""

from stream.notify.dispatch import audit_entries
from stream.notify.dispatch.digests import Digests
from stream.notify.model.message import Action, Message, MessageContext, notice, of_event
from stream.notify.model.threads import (
    Digest,
    NotificationState,
    QueuedMessage,
    ReceiverThread,
    unpack,
)
from stream.notify.routing.router import chosen_for
from stream.notify.routing.rules import NotificationConfig


class MessageBuilder:
    """Builds messages about episodes and digests."""

    def __init__(self, plan: NotificationConfig, digests: Digests) -> None:
        """Create a builder.

        Args:
            plan: The notification file.
            digests: Words the messages of digests.
        """
        self._plan = plan
        self._digests = digests

    def build(self, one: NotificationState, item: QueuedMessage, now: float) -> Message:
        """Return the message of a queued item.

        Args:
            one: The thread or digest that the item is queued in.
            item: The queued item.
            now: Wall clock, seconds since 1970.

        Returns:
            A message about the event of the item. If this release cannot read the event, a notice
            that says only what is known.
        """
        if isinstance(one, Digest):
            return self._digests.message(one, item)
        event = unpack(item.event)
        number = f"{one.episode}.{item.sequence}.{item.reason}-{item.number}"
        if event is None:
            return notice(one.identity, number, item.action, item.reason, one.tenant, item.detail,
                          audit_entries.moment(item.since), one.address)  # fmt: skip
        accounts = chosen_for(one, event, self._plan).accounts if one.address else ()
        context = MessageContext(
            link=self._plan.general.link,
            address=one.address,
            accounts=accounts,
            identity=one.identity,
            number=number,
            now=now,
            note=item.detail,
            by=item.by,
            peak=one.peak,
        )
        return of_event(event, item.action, item.reason, context)

    def repeat(self, thread: ReceiverThread, now: float) -> Message:
        """Return the current state of *thread* as a message, for a receiver that needs repeats.

        Args:
            thread: The thread.
            now: Wall clock, seconds since 1970.
        """
        action: Action = "update" if thread.open else "resolve"
        item = QueuedMessage(action, "first", thread.seen, thread.counter, now, now, thread.event)
        return self.build(thread, item, now)
