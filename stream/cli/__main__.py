"""``python -m stream.cli``, the same as ``spikewatch``."""

from stream.cli import main

main()
