"""What each view keeps, and what each event does to it: pure, no clock, no I/O."""
