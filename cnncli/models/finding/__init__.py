"""Finding objects in pictures: what finds them, how pictures are searched, and what is written of each."""
