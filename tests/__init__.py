"""Tests of the house. Asserts in ``tests.spec`` are shown in full, like those of a test."""

import pytest

pytest.register_assert_rewrite("tests.spec")
