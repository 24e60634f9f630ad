"""Boards as text: terminal, Markdown, LaTeX and CSV."""
