"""Numbers are computed in one arithmetic, whatever the environment says; how many coalitions run at a time is kept."""

import os

import pytest

from contract.arithmetic import (
    ARITHMETIC,
    AVX2,
    COMPATIBLE,
    NATIVE,
    ONE_THREAD,
    UnknownArithmetic,
    fix_arithmetic,
    settings,
)

OLD, NEW = frozenset({"avx2", "fma"}), frozenset({"avx2", "fma", "avx512vl", "avx512_vbmi2"})


def test_linear_algebra_gets_one_thread_and_the_number_of_coalitions_at_a_time_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (*ONE_THREAD, "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "8")
    for name in settings(AVX2, NEW):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # given back after the test
    fix_arithmetic()
    assert [os.environ[name] for name in ONE_THREAD] == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "8"


def test_a_processor_with_more_instructions_is_held_to_those_that_all_have() -> None:
    old, new = settings(AVX2, OLD), settings(AVX2, NEW)
    assert new.pop("NPY_DISABLE_CPU_FEATURES") == "X86_V4 AVX512_ICL"
    # numpy warns of what the processor lacks anyway
    assert old.pop("NPY_DISABLE_CPU_FEATURES") == ""
    assert old == new
    assert (new["MKL_CBWR"], new["ATEN_CPU_CAPABILITY"], new["OPENBLAS_CORETYPE"]) == ("AVX2", "avx2", "Haswell")


def test_makers_agree_in_the_oldest_mode_of_mkl_alone() -> None:
    assert settings(COMPATIBLE, NEW) == settings(AVX2, NEW) | {"MKL_CBWR": "COMPATIBLE"}


@pytest.mark.parametrize(("arithmetic", "has"), [(NATIVE, NEW), (AVX2, frozenset({"sse2"})), (AVX2, frozenset())])
def test_only_threads_are_set_where_that_is_asked_or_the_processor_cannot(arithmetic: str, has: frozenset[str]) -> None:
    assert settings(arithmetic, has) == dict.fromkeys(ONE_THREAD, "1")


def test_an_arithmetic_that_is_unknown_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ARITHMETIC, "sse")
    with pytest.raises(UnknownArithmetic, match="'sse'; it can be avx2, compatible or native"):
        fix_arithmetic()
