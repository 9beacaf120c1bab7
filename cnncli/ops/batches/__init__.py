"""Operations of network layers on batches, forward and backward, into memory that is reused."""
