"""Coverage of 95 % intervals, simulated from populations whose true numbers are known."""
