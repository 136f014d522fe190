"""What is known of a dataset's content without its rows: columns, labels, signatures, near copies."""
