"""Detection process: intake, detection, output."""
