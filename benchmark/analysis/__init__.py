"""Stage 5: what is measured of a victim's weights and triggers, beside how well defenses do; one idea per file."""
