"""The leaderboard as one self-contained HTML file."""
