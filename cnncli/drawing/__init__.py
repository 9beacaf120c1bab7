"""Pictures drawn from numbers: text, lines, charts."""
