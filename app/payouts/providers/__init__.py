"""Payment providers: the only way money would enter or leave. One interface, and a fake for tests; none is real."""
