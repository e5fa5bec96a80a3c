"""What all benchmark items share: clocks, processes of their own, peers, the report."""
