"""Ticket files as helpdesks export them: from records to ticket events.

The steps, in order: `records` unpacks, decodes and splits a file; `plan` finds the fields, by
`mapping` or by `presets`; `times` reads times; `conversion` makes ticket events; `ordering` sorts
them. A record that cannot be read is a `refusal`.
"""
