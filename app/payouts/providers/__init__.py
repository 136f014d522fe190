"""Payment providers: the only way money would enter or leave. One interface; none is real."""
