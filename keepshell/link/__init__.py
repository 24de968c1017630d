"""What our own kernel says of a connection."""
