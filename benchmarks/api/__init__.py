"""The HTTP API measured: under load beside a running job, and with files of a gigabyte."""
