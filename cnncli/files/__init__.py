"""Files as every room reads and writes them: whole or not at all, matrices as text, text that is safe to print."""
