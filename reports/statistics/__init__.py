"""Statistics on stored outcomes: picks at many budgets, intervals, paired comparisons, tiers."""
