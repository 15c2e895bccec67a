"""The doors, and how the parts behind them are set, put together, opened and closed."""
