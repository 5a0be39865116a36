"""The shell: everything that touches Kafka, the network, files or the clock.

Imports run stream -> detectors -> schemas.
"""
