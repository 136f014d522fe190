"""The language-model game of the Gutenberg authors: exact retraining, and every unlearning method against it."""
