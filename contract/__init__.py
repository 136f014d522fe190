"""What the service, its sandbox and the workers agree on: the vocabulary, written once, and the documents that cross.

``app`` and ``worker`` both import this package; it imports neither. It loads no torch, opens no file and no connection.
Lists of names, ranges, defaults and shapes live here, and OpenAPI, forms, command line, admission and engine derive
theirs from them.
"""
