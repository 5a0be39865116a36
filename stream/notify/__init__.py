"""Telling the right people: a process and consumer group of its own beside the workers.

The way of an escalation: `intake` reads it from the topic, `routing` says whom it concerns,
`decide` whether they are told and why, `thread` remembers what they were told, `delivery` sends it
through a sink and tries again, `ledger` makes each step durable before the next. People answer by
`answers`, on the feedback topic, over `api`, or from Slack.
"""
