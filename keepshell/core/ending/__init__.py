"""What ended a session, and what that teaches."""
