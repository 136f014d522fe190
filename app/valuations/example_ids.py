"""Ids that the examples of this room's schemas show, so that one example's job is the next one's."""

ACCOUNT = "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f"
DATASET = "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
OTHER_DATASET = "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c"
TEST_DATASET = "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0d"
VALUATION = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"
EXPLORATION = "exp_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"
