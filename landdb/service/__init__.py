"""For whom: the online services that citizens meet: forms, prefill, submissions, public status."""
