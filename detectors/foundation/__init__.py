"""Statistics, calendar, text, encoding and closed vocabularies; nothing here depends on tickets."""
