"""Attacks, one plugin per file; found through the entry points ``clipdefense.attacks``."""
