"""Results that travel: a run as one zip file, out of one run folder and, once all of it was looked at, into another."""
