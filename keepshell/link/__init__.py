"""What our own kernel says of a connection, and what keeps a shell on a host while it is lost."""
