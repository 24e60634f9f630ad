"""Data sets: embedded ones that need no download, and real ones read from files or a hub."""
