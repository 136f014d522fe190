"""What is asked: the order, the frozen game, the files as a job reads them."""
