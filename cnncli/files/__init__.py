"""What whoever reads and writes files shares: whole files or none, matrices as text, text that is safe to print."""
