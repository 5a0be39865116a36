"""The pure core: it does no IO, reads no clock and writes no log; equal input gives equal output.

`detectors.step.pipeline.step` processes one signal. It changes a `detectors.state.tenant.Tenant`,
plain data that `detectors.step.partition` encodes as bytes and decodes without loss.
"""
