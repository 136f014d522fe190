"""The peers' configurations by name; read by both environments."""

CONFIGS = (
    "pydvl-tmc-defaults",
    "pydvl-tmc-defaults-parallel",
    "pydvl-tmc-cached",
    "pydvl-antithetic-se.01",
    "shapiq-permutation-200",
    "shapiq-kernelshap-paired-200",
    "shapiq-svarm-paired-200",
    "shapiq-stratified-200",
)
