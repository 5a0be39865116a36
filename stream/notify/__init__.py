"""Notifications: a separate process with a consumer group of its own.

The path of an escalation: `service` reads it from the topic. `routing` chooses the receivers, and
`dispatch` decides whether each is notified and why, and queues messages or adds them to digests.
`store` makes the decisions durable, and `delivery` sends messages through `sinks`; if a receiver
cannot be reached, the fallback is notified. `model` defines messages and what receivers know.
People respond through `responses`: the feedback topic, the REST API, or Slack.
"""
