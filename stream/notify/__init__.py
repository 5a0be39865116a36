"""Telling the right people: a process and consumer group of its own beside the workers.

The way of an escalation: `service` reads it from the topic, `desk` asks `routing` whom it concerns
and `decide` whether they are told and why, and puts messages into `queues` or `digests`; `post`
makes that durable by `ledger`, and sends by `delivery` through `sinks`; `fallback` tells others
where that fails. `thread` is what is remembered, `register` where it is found. People answer by
`answers`, on the feedback topic, over `api`, or from Slack.
"""
