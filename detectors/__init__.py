"""The core: pure. No IO, no Kafka, no clock, no logging: the same input gives the same output.

A ticket's way through it is written once, in `detectors.step.pipeline.step`. What a step changes
is a `detectors.state.tenant.Tenant`, plain data that `detectors.step.partition` turns into bytes
and back without loss.
"""
