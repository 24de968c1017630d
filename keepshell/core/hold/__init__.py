"""A connection that is held open: when it counts as alive, when it is made anew, when it ends."""
