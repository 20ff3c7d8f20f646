"""What was published once is read for ever: the frozen contract with downstream systems."""
