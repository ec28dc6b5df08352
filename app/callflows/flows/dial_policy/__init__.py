"""Numbers that a flow may ring, and the numbering plans behind them."""
