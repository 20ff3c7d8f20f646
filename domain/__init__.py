"""The rules of a master agency: pure, no clock, no I/O."""
