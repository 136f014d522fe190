"""What a certificate binds, and how it is checked."""
