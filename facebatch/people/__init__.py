"""Who is who over time: identities, events, decisions, and what may be done about them."""
