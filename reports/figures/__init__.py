"""One file per figure; each returns a drawn figure and the numbers behind it."""
