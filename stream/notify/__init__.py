"""Notifications: a process and consumer group of its own beside the workers.

The path of an escalation: `service` reads it from the topic. `routing` chooses the receivers, and
`dispatch` decides whether each is notified and why, and queues messages or adds them to digests.
`store` makes that durable, and `delivery` sends through `sinks`; other receivers are notified when
one cannot be reached. `model` holds messages and what receivers know. People answer through
`responses`: the feedback topic, the REST API, or Slack.
"""
