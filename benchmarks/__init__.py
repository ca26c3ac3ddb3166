"""Times of attacks against the bare gradient, the machine and peers."""
