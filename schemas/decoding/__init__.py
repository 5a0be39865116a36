"""Decoding of untrusted JSON: times, tickets, envelopes, and sentences about what is wrong."""
