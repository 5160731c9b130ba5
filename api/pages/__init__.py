"""Pages for people: Jinja templates over the same verbs and views as the interface for services. No SQL, no rules."""
