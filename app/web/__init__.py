"""Pages for people: the API's documentation and what each problem means. Everything is vendored, nothing from a CDN."""
