"""What may be typed for an absent user, where, and when."""
