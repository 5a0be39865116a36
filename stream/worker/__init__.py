"""The detection process: intake, detection, output."""
