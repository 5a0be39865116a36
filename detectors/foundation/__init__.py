"""Numbers, calendar, text, bytes and closed vocabularies; knows no ticket."""
