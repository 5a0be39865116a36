"""Who is notified: routes, receivers and account owners."""
