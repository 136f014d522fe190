"""What is kept or printed: HTML pages that carry their letters with them, and the same as PDF. Reads no database."""
