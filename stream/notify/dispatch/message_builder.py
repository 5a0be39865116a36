"""Builder of messages from queued items at the moment they are sent."""

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
    """Builder of messages about episodes and digests."""

    def __init__(self, plan: NotificationConfig, digests: Digests) -> None:
        """Create a builder.

        Args:
            plan: The notification file.
            digests: Composes the messages of digests.
        """
        self._plan = plan
        self._digests = digests

    def build(self, state: NotificationState, item: QueuedMessage, now: float) -> Message:
        """Return the message of a queued item.

        Args:
            state: The thread or digest that the item is queued in.
            item: The queued item.
            now: Wall clock, seconds since 1970.

        Returns:
            A message about the event of the item, or a minimal notice if this release cannot read
            the event.
        """
        if isinstance(state, Digest):
            return self._digests.message(state, item)
        event = unpack(item.event)
        number = f"{state.episode}.{item.sequence}.{item.reason}-{item.number}"
        if event is None:
            return notice(
                state.identity,
                number,
                item.action,
                item.reason,
                state.tenant,
                item.detail,
                audit_entries.moment(item.since),
                state.address,
            )
        accounts = chosen_for(state, event, self._plan).accounts if state.address else ()
        context = MessageContext(
            link=self._plan.general.link,
            address=state.address,
            accounts=accounts,
            identity=state.identity,
            number=number,
            now=now,
            note=item.detail,
            by=item.by,
            peak=state.peak,
        )
        return of_event(event, item.action, item.reason, context)

    def repeat(self, thread: ReceiverThread, now: float) -> Message:
        """Return the current state of a thread as a message, for a receiver that needs repeats.

        Args:
            thread: The thread.
            now: Wall clock, seconds since 1970.
        """
        action: Action = "update" if thread.open else "resolve"
        item = QueuedMessage(action, "first", thread.seen, thread.counter, now, now, thread.event)
        return self.build(thread, item, now)
