"""Papers that the office prints: the sheet given to the applicant, and the minutes of a hand-over, as PDF."""
